"""How well each pair (a, b) is answered: at one checkpoint, and over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from mi_modular_arithmetic.analyzers.shared import on_device, row_classes

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData, TrajectoryData


def accuracy_grid(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Margin, probability of the right answer and whether it is given, over (a, b); accuracy by residue.

    ``correct`` int8 (n, n): 1 where the right logit is the largest; a tie counts as wrong.
    ``margin`` (n, n): right logit minus the largest other one, in the logits' unit.
    ``p_correct`` (n, n): softmax of the logits at the right answer.
    ``residue_accuracy``, ``residue_accuracy_test`` (n,): by right answer in group order; NaN where
    no pair is.
    """
    logits = data.derived("modular_arithmetic.centred_logits")  # (rows, n)
    labels = on_device(row_classes(data), data)
    right = logits.gather(1, labels[:, None])[:, 0]
    margin = right - logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    correct = margin > 0
    test = data.mask("test")
    n = logits.shape[-1]
    return {
        "correct": data.probe.fold(correct.to(torch.int8)),
        "margin": data.probe.fold(margin),
        "p_correct": data.probe.fold((right - logits.logsumexp(dim=1)).exp()),
        "residue_accuracy": _share(correct, torch.ones_like(test), labels, n),
        "residue_accuracy_test": _share(correct, test, labels, n),
    }


def _share(correct: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor, n: int) -> torch.Tensor:
    """Share of correct rows by class, (n,), among the rows of a mask; rows are weighed, not chosen."""
    nothing = torch.zeros(n, device=labels.device)
    right = nothing.index_add(0, labels, (correct & mask).float())
    count = nothing.index_add(0, labels, mask.float())
    return right / count  # 0 / 0 is NaN: a class without rows has no accuracy


def graduation(data: TrajectoryData, *, run: int) -> dict[str, np.ndarray]:
    """When each pair was learned for good, and how often it was lost again.

    ``graduation`` int32 (n, n): epoch of the first of ``run`` consecutive correct checkpoints, -1 for never.
    ``regressions`` int16 (n, n): how often a graduated pair then turned from correct to wrong.
    ``graduated_train``, ``graduated_test`` (epochs,): share of pairs that have graduated by each checkpoint.
    """
    artifacts = data.artifacts["modular_arithmetic.accuracy_grid"]
    correct = artifacts["correct"].values == 1  # (epochs, n, n)
    epochs = artifacts["epoch"].values
    first = first_of_run(correct, run)  # (n, n)
    index = np.arange(len(epochs))[:, None, None]
    lost = correct[:-1] & ~correct[1:] & (index[:-1] >= first) & (first >= 0)
    graduated = (index >= first) & (first >= 0)
    masks = {name: data.subject.probe.fold(data.subject.probe.masks[name]) for name in ("train", "test")}
    return {
        "graduation": np.where(first >= 0, epochs[first], -1),
        "regressions": lost.sum(axis=0),
        "graduated_train": graduated[:, masks["train"]].mean(axis=1),
        "graduated_test": graduated[:, masks["test"]].mean(axis=1),
    }


def first_of_run(flags: np.ndarray, run: int) -> np.ndarray:
    """Index along axis 0 of the first of ``run`` consecutive true flags, -1 where there is none."""
    if len(flags) < run:
        return np.full(flags.shape[1:], -1)
    windows = np.lib.stride_tricks.sliding_window_view(flags, run, axis=0).all(axis=-1)
    return np.where(windows.any(axis=0), windows.argmax(axis=0), -1)
