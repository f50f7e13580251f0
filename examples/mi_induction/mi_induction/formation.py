"""When induction formed, and in which order its parts did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi_induction.analyses import LOSS_BY_DEPTH, PREFIX, PREVIOUS
from mi_induction.probes import TOLD

if TYPE_CHECKING:
    from mi.engine.data import TrajectoryData


def formation(data: TrajectoryData) -> dict[str, Any]:
    """Progress of the two kinds of heads and of the loss, and the epochs at which they turned.

    A progress is (x − first) / (last − first), of the head whose score is highest at the last checkpoint, so
    that measures of different size can be laid over one another. What did not move, or rose where it should
    fall, has none. Epochs between two checkpoints are interpolated; checkpoints lie further apart than a
    step, so lags shorter than their distance tell nothing.
    """
    losses = data.artifacts[LOSS_BY_DEPTH.id]["loss"]
    told = losses.sel(depth=slice(TOLD, None)).mean("depth").values  # (epoch,)
    epochs = losses["epoch"].values
    previous, head_previous = _best(data.artifacts[PREVIOUS]["score"].sel(layer=0).values)
    prefix, head_prefix = _best(data.artifacts[PREFIX]["score"].sel(layer=1).values)
    progress = {"previous": _progress(previous), "prefix": _progress(prefix), "loss": _progress(-told)}
    rise = {name: crossing(epochs, values, 0.5) for name, values in progress.items()}
    return {
        **{f"progress_{name}": values for name, values in progress.items()},
        "bump": steepest(epochs, told),
        "rise_previous": rise["previous"],
        "rise_prefix": rise["prefix"],
        "lag": rise["prefix"] - rise["previous"],
        "head_previous": head_previous,
        "head_prefix": head_prefix,
    }


def steepest(epochs: np.ndarray, losses: np.ndarray) -> float:
    """Middle of the gap between two checkpoints in which the loss falls fastest; NaN if it never falls."""
    if len(epochs) < 2:
        return float("nan")
    slope = np.diff(losses) / np.diff(epochs)
    at = int(np.argmin(np.where(np.isnan(slope), np.inf, slope)))
    return float(epochs[at] + epochs[at + 1]) / 2 if slope[at] < 0 else float("nan")


def crossing(epochs: np.ndarray, values: np.ndarray, level: float) -> float:
    """Epoch from which `values` stay at or above `level`, interpolated; NaN if they end below it."""
    below = np.flatnonzero(~(values >= level))
    if not len(below):
        return float(epochs[0])
    last = int(below[-1])
    if last + 1 == len(values) or np.isnan(values[last]):
        return float("nan")
    share = (level - values[last]) / (values[last + 1] - values[last])
    return float(epochs[last] + share * (epochs[last + 1] - epochs[last]))


def _best(scores: np.ndarray) -> tuple[np.ndarray, int]:
    """Scores (epoch, head) of the head that ends highest, and which it is."""
    head = int(np.argmax(scores[-1]))
    return scores[:, head], head


def _progress(values: np.ndarray) -> np.ndarray:
    moved = values[-1] - values[0]
    if not moved > 0:
        return np.full(len(values), np.nan)
    progress: np.ndarray = (values - values[0]) / moved
    return progress
