"""The tiny family's analyses. ``CALLS`` counts what ran, for tests that count."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

CALLS: Counter[str] = Counter()
HIDDEN = "hook_hidden"


def means(data: Any, power: int) -> dict[str, Any]:
    CALLS["means"] += 1
    time.sleep(float(os.environ.get("MI_TINY_SLEEP", "0")))
    hidden = data.site(HIDDEN, -1) ** power  # (rows, unit)
    return {"mean": hidden.mean(0), "dead": (hidden.amax(0) == 0).sum()}


def square(data: Any) -> torch.Tensor:
    CALLS["square"] += 1
    return data.context["scale"] * data.site(HIDDEN, -1).square()  # type: ignore[no-any-return]


def energy(data: Any) -> dict[str, Any]:
    CALLS["energy"] += 1
    return {"energy": data.derived("tiny.square").mean()}


def share(data: Any) -> dict[str, Any]:
    CALLS["share"] += 1
    total = data.derived("tiny.square").sum(0)
    return {"share": total / total.sum()}


def matrices(subject: Any) -> dict[str, Sequence[str]]:
    return {"matrix": ["embed", "inner", "outer"]}


def norms(data: Any) -> dict[str, Any]:
    CALLS["norms"] += 1
    return {"norm": torch.stack([data.weights[n].norm() for n in ("embed", "inner", "outer")])}


def grid(data: Any) -> dict[str, Any]:
    CALLS["grid"] += 1
    logits = data.grid("hook_logits", -1)  # (x, klass)
    right = logits.argmax(-1) == data.labels
    return {"logit": logits, "accuracy": right[data.mask("train")].double().mean()}


def gap(data: Any) -> dict[str, Any]:
    CALLS["gap"] += 1
    return {"gap": (data.artifacts["tiny.means"]["mean"] - data.reference["tiny.means"]["mean"]).norm()}


def path(data: Any) -> dict[str, Any]:
    CALLS["path"] += 1
    mean = data.artifacts["tiny.means"]["mean"]
    step = (mean.diff("epoch") ** 2).sum("unit") ** 0.5
    return {"step": [0.0, *step.values], "total": step.sum()}


def drift(data: Any) -> dict[str, Any]:
    CALLS["drift"] += 1
    found = [float(weights["inner"].norm()) for _, weights in data.checkpoints()]
    return {"drift": found}


def ends(data: Any, power: int = 1) -> dict[str, Any]:
    CALLS["ends"] += 1
    found = data.artifacts["tiny.means"]
    last = [float(found[name]["mean"].isel(epoch=-1).mean()) for name in data.variants]
    return {
        "mean": [value**power for value in last],
        "epochs": [found[name].sizes["epoch"] for name in data.variants],
        "size": [data.parameters[name]["size"] for name in data.variants],
    }


def copy_checkpoint(data: Any) -> dict[str, Any]:
    CALLS["gap"] += 1
    return {"gap": data.artifacts["tiny.means"]["mean"].sum()}


def copy_reference(data: Any) -> dict[str, Any]:
    CALLS["gap"] += 1
    return {"gap": data.reference["tiny.means"]["mean"].sum()}
