"""Variants on disk, written by the store's own writers from made-up numbers: no model is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mi.domain.workspace import Variant, Workspace
from mi.store.blocks import GroupWriter
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory
from mi.store.prepare import prepare
from mi.store.schema import ArraySpec, GroupSpec
from mi.training.record import TrainingRecord

METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def add_variant(
    workspace: Workspace,
    family: str,
    parameters: dict[str, Any],
    *,
    last: int = 40,
    every: int = 5,
    status: str = "trained",
    reached: int | None = None,
    analyzed: bool = True,
) -> Variant:
    """A variant of the sample family: checkpoints, losses and, when ``analyzed``, `sample.answers`."""
    variant = workspace.declare(workspace.family(family), parameters)
    variant.save_config()
    paths = VariantPaths(variant.folder)
    end = last if reached is None else reached
    epochs = list(range(0, end + 1, every))
    paths.checkpoints.mkdir()
    for epoch in epochs:
        # The server lists checkpoints and never opens one.
        paths.checkpoint(epoch).write_bytes(b"")
    record = TrainingRecord(
        status=status, epochs=last, schedule=f"0::{every}", states="last", evaluate_every=1, reached=end,
        device="cpu", dtype="float32", threads=1,
    )  # fmt: skip
    record.write(paths)
    history = LossHistory(paths, METRICS, last)
    t = np.arange(end + 1)
    history.record(
        t.tolist(),
        {
            "train_loss": (3 * np.exp(-t / 6)).tolist(),
            "test_loss": (4 / (1 + np.exp((t - 25) / 3)) + 1e-3).tolist(),
            "train_accuracy": (1 - np.exp(-t / 4)).tolist(),
            "test_accuracy": (1 / (1 + np.exp((25 - t) / 2))).tolist(),
        },
    )
    history.save()
    if analyzed:
        write_answers(variant, epochs)
    return variant


def answers(size: int, epoch: int) -> np.ndarray:
    """What `sample.answers` holds at an epoch: a ramp along x that grows with the epoch, (size, size)."""
    x, y = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    return (np.cos(2 * np.pi * (x + 2 * y) / size) * (1 + epoch)).astype(np.float32)


def write_answers(variant: Variant, epochs: Sequence[int]) -> None:
    paths, size = VariantPaths(variant.folder), int(variant.parameters["size"])
    spec = GroupSpec(
        probe="full",
        analyzer="sample.answers",
        axes={"x": np.arange(size), "y": np.arange(size), "number": np.arange(size)},
        arrays=(
            ArraySpec("right", ("epoch", "x", "y"), "float32", math.nan, {}),
            ArraySpec("answer", ("epoch", "x", "y", "number"), "float32", math.nan, {}),
        ),
        identity="i",
        attrs={"version": 1},
    )
    prepare(paths, spec, list(epochs), [])
    for start in range(0, len(epochs), 64):
        block = list(epochs[start : start + 64])
        writer = GroupWriter(paths, spec, block, {e: f"f{e}" for e in block}, {"device": "cpu"})
        for epoch in block:
            right = answers(size, epoch)
            writer.put(epoch, {"right": right, "answer": np.repeat(right[..., None], size, axis=-1)})
        writer.flush()
