"""Checkpoints: one state of a variant's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from mi.errors import UnknownNameError


@frozen(order=True)
class Checkpoint:
    """Weights after ``epoch`` optimizer steps.

    Attributes:
        epoch: optimizer steps taken; 0 is the initialization.
        index: 0-based position among the variant's checkpoints, sorted by epoch.
        path: the safetensors file.
    """

    epoch: int
    index: int
    path: Path


def at_epoch(checkpoints: Sequence[Checkpoint], epoch: float) -> Checkpoint:
    """The checkpoint of exactly this epoch.

    Raises:
        UnknownNameError: there is none; the message names the nearest ones.
    """
    for checkpoint in checkpoints:
        if checkpoint.epoch == epoch:
            return checkpoint
    near = sorted(sorted(checkpoints, key=lambda c: abs(c.epoch - epoch))[:2])
    said = " and ".join(f"{c.epoch} (checkpoint {c.index})" for c in near)
    raise UnknownNameError(
        f"no checkpoint at epoch {epoch}; " + (f"the nearest are {said}" if near else "there are none yet")
    )


def nearest_epoch(checkpoints: Sequence[Checkpoint], epoch: float) -> Checkpoint:
    """The checkpoint nearest to ``epoch``, the earlier of two equally near.

    Raises:
        UnknownNameError: there are no checkpoints.
    """
    if not checkpoints:
        raise UnknownNameError("there are no checkpoints yet")
    return min(checkpoints, key=lambda c: (abs(c.epoch - epoch), c.epoch))
