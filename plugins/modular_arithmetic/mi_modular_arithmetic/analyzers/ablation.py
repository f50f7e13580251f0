"""Causal ablation: what is lost when one frequency, or one head, is taken out of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch

from mi_fourier_library import component, grid_coefficients, grid_component, without_frequency
from mi_modular_arithmetic.analyzers.shared import on_device
from mi_modular_arithmetic.circuit import operand_rows, readout
from mi_modular_arithmetic.transformer import ACTIVATIONS

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData

NEURONS = "modular_arithmetic.neuron_frequencies"


def frequency_ablation(data: CheckpointData, *, threshold: float) -> dict[str, torch.Tensor]:
    """Change of loss and accuracy when frequency k is taken out at one place, the rest left as it is.

    ``loss_change``, ``accuracy_change`` (places, 2, n//2): after minus before, on train and on test pairs;
    see :func:`without` for the places. ``loss``, ``accuracy`` (2,): before. ``group`` (n//2,): neurons in the
    group of each frequency; where there are none, its ablation is missing.
    """
    verdict = Verdict(data)
    before = verdict(verdict.logits)
    groups = frequency_groups(data.reference[NEURONS], threshold, data.context["period"] // 2)
    losses, accuracies = [], []
    for place, ablated in without(data, verdict, groups).items():
        after = [verdict(logits) for logits in ablated]
        loss, accuracy = (
            torch.stack([one[i] - before[i] for one in after], dim=-1) for i in range(2)
        )  # (2, n//2)
        if place == "group":
            there = groups.any(dim=1)
            loss, accuracy = (torch.where(there, x, torch.nan) for x in (loss, accuracy))
        losses.append(loss)
        accuracies.append(accuracy)
    return {
        "loss_change": torch.stack(losses),
        "accuracy_change": torch.stack(accuracies),
        "loss": before[0],
        "accuracy": before[1],
        "group": groups.sum(dim=1, dtype=torch.int32),
    }


def head_ablation(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Change of loss and accuracy when a head writes its mean over all pairs: (2, heads) each.

    Neurons see the change and answer to it; queries, keys and other heads do not, for there is one layer.
    """
    verdict, W = Verdict(data), data.weights
    act = ACTIVATIONS[data.parameters.get("activation", "relu")]
    z = data.site("blocks.0.attn.hook_z", -1)  # (rows, heads, d_head)
    pre = data.site("blocks.0.mlp.hook_pre", -1)
    post = data.site("blocks.0.mlp.hook_post", -1)
    before, losses, accuracies = verdict(verdict.logits), [], []
    for h in range(z.shape[1]):
        change = z[:, h].mean(dim=0) - z[:, h]  # (rows, d_head)
        neurons = act(pre + change @ (W["W_O"][h] @ W["W_in"])) - post
        logits = change @ (W["W_O"][h] @ W["W_U"]) + neurons @ readout(W)  # (rows, classes)
        loss, accuracy = verdict(verdict.logits + verdict.in_order(logits))
        losses.append(loss - before[0])
        accuracies.append(accuracy - before[1])
    return {
        "loss_change": torch.stack(losses, dim=-1),
        "accuracy_change": torch.stack(accuracies, dim=-1),
        "loss": before[0],
        "accuracy": before[1],
    }


def frequency_groups(neurons: Mapping[str, torch.Tensor], threshold: float, frequencies: int) -> torch.Tensor:
    """Which neurons hold at least ``threshold`` of their energy in each frequency: bool (n//2, neurons)."""
    own = torch.where(neurons["dominant_fraction"] >= threshold, neurons["dominant"], 0)
    ks = torch.arange(1, frequencies + 1, dtype=own.dtype, device=own.device)
    found: torch.Tensor = own == ks[:, None]
    return found


def without(
    data: CheckpointData, verdict: Verdict, groups: torch.Tensor
) -> dict[str, Iterator[torch.Tensor]]:
    """Place -> the logits (rows, n) without each frequency in turn.

    ``embedding``: without cos k and sin k over the rows of the operands; everything after sees it. Passes of
    the family's functional ``forward``. ``neurons``: the neurons' part of the logits, A W_L, without the
    directions of :func:`mi_fourier_library.grid_component` over (a, b); what else reaches the logits stays.
    ``logits``: the logits without these directions. ``class_logits``: without r_k alone, where a class is a
    sum or a difference. ``group``: every neuron of the group at its mean over all pairs.
    """
    n = data.context["period"]
    ks = range(1, n // 2 + 1)
    W_L = verdict.in_order(readout(data.weights))  # (neurons, n)
    post = verdict.rows("blocks.0.mlp.hook_post")  # (rows, neurons)
    found = {
        "embedding": _embeddings(data, verdict),
        "neurons": _on_grid(verdict.logits, post @ W_L, n),
        "logits": _on_grid(verdict.logits, verdict.logits, n),
    }
    if data.context["structure"] != "none":
        parts = component(data.derived("modular_arithmetic.class_means"), ks)  # (n//2, n, n)
        found["class_logits"] = (verdict.logits - part[verdict.labels] for part in parts)
    centred = post - post.mean(dim=0)
    found["group"] = (verdict.logits - centred @ (W_L * group[:, None]) for group in groups)
    return found


def _embeddings(data: CheckpointData, verdict: Verdict) -> Iterator[torch.Tensor]:
    n, tokens = data.context["period"], data.tokens
    elements = on_device(data.context["elements"], data)
    for k in range(1, n // 2 + 1):
        changed = dict(data.weights)
        for name, offset in operand_rows(data.weights, n):
            rows = changed[name][elements + offset]  # (n, …)
            changed[name] = changed[name].index_copy(0, elements + offset, without_frequency(rows, k, 0))
        logits = data.model.forward(changed, tokens)[:, -1]
        yield verdict.in_order(data.probe.fold(logits).flatten(0, 1))


def _on_grid(logits: torch.Tensor, part: torch.Tensor, n: int) -> Iterator[torch.Tensor]:
    """The logits (rows, n) without each frequency of a part of them (rows, n)."""
    coefficients = grid_coefficients(part.reshape(n, n, -1))
    for k in range(1, n // 2 + 1):
        yield logits - grid_component(coefficients, k).flatten(0, 1)


class Verdict:
    """Mean loss and accuracy of logits over train and over test pairs.

    Attributes:
        logits: the network's own, (rows, n): rows run over the grid (a, b), columns over answers, both in
            group order.
        labels: int64 (rows,): column of the right answer.
    """

    def __init__(self, data: CheckpointData) -> None:
        self.data = data
        self.labels = on_device(data.context["residues"].ravel(), data)
        self.classes = on_device(data.context["classes"], data)
        train = on_device(data.context["train"].ravel(), data)
        shares = torch.stack([train, ~train]).double()
        self.shares = shares / shares.sum(dim=1, keepdim=True)  # (2, rows)
        self.logits = self.in_order(self.rows("unembed.hook_out"))

    def rows(self, hook: str) -> torch.Tensor:
        """The activation at a site at the last position, rows as the grid runs: (rows, …)."""
        return self.data.grid(hook, -1).flatten(0, 1)

    def in_order(self, x: torch.Tensor) -> torch.Tensor:
        """(…, classes) with classes in group order."""
        return x.index_select(-1, self.classes)

    def __call__(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean cross-entropy in nats and share of right answers, of logits (rows, n): float64 (2,) each.

        An answer is right where its logit is the largest; a tie is wrong. With d the other logits minus the
        right one and m = max(d, 0), the loss is m + log1p(Σ e^(d − m) + e^(−m) − 1): nothing cancels, so the
        smallest loss is as exact as the logits' own precision, without casting them all.
        """
        right = logits.gather(1, self.labels[:, None])
        others = (logits - right).scatter_(1, self.labels[:, None], -torch.inf)
        top = others.amax(dim=1)
        shift = top.clamp(min=0)
        total = others.sub_(shift[:, None]).exp_().sum(dim=1) + torch.expm1(-shift)
        losses = shift + torch.log1p(total)
        return self.shares @ losses.double(), self.shares @ (top < 0).double()
