"""When induction formed, and in which order its parts did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi_induction.analyses import COMPOSITION, LOSS_BY_DEPTH, PREFIX, PREVIOUS
from mi_induction.probes import TOLD

if TYPE_CHECKING:
    from mi.engine.data import TrajectoryData


def formation(data: TrajectoryData) -> dict[str, Any]:
    """Progress of the parts of the circuit and of the loss, and the epochs at which they turned.

    A progress is (x − first) / (last − first), so that measures of different size can be laid over one
    another; what did not rise (fall, for the loss) has none. Heads of a layer are taken together: early on
    they share the work, and which of them keeps it is settled long after the loss has fallen.

    Between two checkpoints a crossing is interpolated; lags shorter than their distance tell nothing.
    """
    losses = data.artifacts[LOSS_BY_DEPTH.id]["loss"]
    previous = data.artifacts[PREVIOUS]["score"].sel(layer=0).transpose("epoch", "head")
    prefix = data.artifacts[PREFIX]["score"].sel(layer=1).transpose("epoch", "head")
    told = losses.sel(depth=slice(TOLD, None)).mean("depth").values  # (epoch,)
    epochs = losses["epoch"].values
    measures = {
        "previous": previous.sum("head").values,
        "matching": data.artifacts[COMPOSITION.id]["matching"].max(("earlier", "later")).values,
        "prefix": prefix.sum("head").values,
        "loss": -told,
    }
    progress = {name: _progress(values) for name, values in measures.items()}
    rise = {name: crossing(epochs, values, 0.5) for name, values in progress.items()}
    return {
        **{f"progress_{name}": values for name, values in progress.items()},
        **{f"rise_{name}": epoch for name, epoch in rise.items()},
        "lag": rise["prefix"] - rise["previous"],
        "bump": steepest(epochs, told),
        "head_previous": int(np.argmax(previous.values[-1])),
        "head_prefix": int(np.argmax(prefix.values[-1])),
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


def _progress(values: np.ndarray) -> np.ndarray:
    moved = values[-1] - values[0]
    if not moved > 0:
        return np.full(len(values), np.nan)
    progress: np.ndarray = (values - values[0]) / moved
    return progress
