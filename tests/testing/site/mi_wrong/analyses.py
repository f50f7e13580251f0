"""Analyzers' functions, each wrong in one way."""

from __future__ import annotations

import os

import torch

MOMENTS = {"now": (-1, 0.0), "before": (-1, 0.0)}


def hidden(data):
    return data.site("hook_hidden", -1)


def right(data):
    return {"mean": hidden(data).mean(0)}


undescribed = nowhere = misspelt = unread = unread_gradient = zero = unpriced = right


def path(data):
    mean = data.artifacts["testing.activity"]["mean"]
    return {"step": [0.0, *abs(mean.diff("epoch")).sum("unit").values]}


def raises(data):
    if data.epoch == 0:
        raise ArithmeticError("nothing has happened yet")
    return right(data)


def undeclared(data):
    return {"mean": hidden(data).mean(0) + data.site("hook_logits", -1).mean()}


def edits(data):
    return {"mean": hidden(data).sub_(1).mean(0)}


def extra(data):
    return {**right(data), "more": 1.0}


def away(data):
    return {"mean": hidden(data).mean(0).to("meta")}


def drawn(data):
    generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(4)))
    return {"mean": hidden(data).mean(0) + torch.randn(6, generator=generator)}


def global_seed(data):
    torch.manual_seed(1)
    return right(data)


def option(data, n):
    return {"mean": hidden(data).mean(0) * (6 // n)}


def sentinel(data):
    return {"mean": hidden(data).shape[1]}


half = sentinel


def endless(data):
    return {"mean": hidden(data).mean(0) / 0}


def neurons(sizes):
    return 2 * sizes["row"] * sizes["neurons"]


def draws(subject):
    """The same as long as the probe is, which one analysis builds once."""
    return {"draw": [vars(subject.probe).setdefault("draw", int.from_bytes(os.urandom(4)))]}


def same_names(subject):
    return {"draw": [1, 1]}


def twice(data):
    return {"mean": hidden(data).mean().expand(2)}


def stale(data):
    return {"mean": hidden(data).mean()[None]}


def stateful(data):
    """How far the mean is from that of the checkpoint that was looked at before."""
    mean = hidden(data).mean(0)
    if MOMENTS["now"][0] != data.epoch:
        MOMENTS["before"] = MOMENTS["now"]
    MOMENTS["now"] = (data.epoch, mean)
    return {"mean": mean - MOMENTS["before"][1]}


def rows(data):
    total = hidden(data).sum(1)
    return {"mean": total / total.sum()}


def grid(data):
    size = data.parameters["size"]
    return {"mean": hidden(data).sum(1).reshape(size, size)}


class mean_of_means:
    """Weighs the last batch as much as all before it."""

    def start(self, data):
        return torch.zeros(6)

    def update(self, state, batch):
        return (state + hidden(batch).mean(0)) / 2

    def finish(self, state):
        return {"mean": state}


class holds:
    """Keeps views of all batches."""

    def start(self, data):
        return []

    def update(self, state, batch):
        return [*state, hidden(batch)[:, :]]

    def finish(self, state):
        return {"mean": torch.cat(state).mean(0)}
