"""The tiny family's analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData, TrajectoryData


def activity(data: CheckpointData, power: int) -> dict[str, Any]:
    """``mean`` (unit,) of activations to a power, ``dead`` (): units that are 0 on every row."""
    hidden = data.site("hook_hidden", -1)  # (rows, unit)
    return {"mean": (hidden**power).mean(0), "dead": (hidden.amax(0) == 0).sum().int()}


def answers(data: CheckpointData) -> dict[str, Any]:
    """``right`` (x, y): the logit of the right answer."""
    logits = data.site("hook_logits", -1)  # (rows, answer)
    return {"right": data.probe.fold(logits.gather(1, data.labels[:, None])[:, 0])}


def path(data: TrajectoryData) -> dict[str, Any]:
    """``step`` (epoch,): Euclidean distance of the mean activations from those before."""
    mean = data.artifacts["testing.activity"]["mean"]  # (epoch, unit)
    return {"step": [0.0, *((mean.diff("epoch") ** 2).sum("unit") ** 0.5).values]}
