"""When variants grokked, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.data import METRICS

if TYPE_CHECKING:
    import xarray as xr

    from mi.engine.family_data import FamilyData, FamilySubject

PROGRESS = "modular_arithmetic.progress_measures"
NEVER = -1


def coordinates(subject: FamilySubject, *, sigma: float, accuracy: float) -> dict[str, list[str]]:
    """``metric``: those of the training; ``parameter_name``: domain parameters that are numbers, sorted."""
    numbers = {
        name
        for parameters in subject.parameters.values()
        for name, value in parameters.items()
        if isinstance(value, int | float)
    }
    return {"metric": list(METRICS), "parameter_name": sorted(numbers)}


def grok_summary(data: FamilyData, *, sigma: float, accuracy: float) -> dict[str, Any]:
    """One row a variant, in the order of ``data.variants``; see the declaration."""
    names = coordinates(data.subject, sigma=sigma, accuracy=accuracy)
    rows = [_row(data.losses[name], sigma, accuracy) for name in data.variants]
    found = {key: [row[key] for row in rows] for key in ("memorized", "grokked", "turn", "epochs")}
    return found | {
        "key_frequencies": [int((data.reference[PROGRESS][n]["key"] == 1).sum()) for n in data.variants],
        "final": [_last(data.losses[n], names["metric"]) for n in data.variants],
        "parameter": [
            [float(data.parameters[n].get(p, np.nan)) for p in names["parameter_name"]] for n in data.variants
        ],
    }


def _row(losses: xr.Dataset, sigma: float, accuracy: float) -> dict[str, int]:
    train_epochs, train = measured(losses, "train_accuracy")
    test_epochs, test = measured(losses, "test_accuracy")
    grokked = held(test_epochs, test >= accuracy)
    right = train_epochs[train >= accuracy]
    return {
        "memorized": int(right[0]) if len(right) else NEVER,
        "grokked": grokked,
        "turn": turn(*measured(losses, "test_loss"), sigma) if grokked != NEVER else NEVER,
        "epochs": int(max(train_epochs.max(initial=NEVER), test_epochs.max(initial=NEVER))),
    }


def measured(losses: Mapping[str, Any], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs at which a metric was measured, and its values there; both empty where it never was."""
    if metric not in losses:
        return np.empty(0, dtype=np.int64), np.empty(0)
    epochs, values = np.asarray(losses["epoch"].values), np.asarray(losses[metric].values, dtype=np.float64)
    there = ~np.isnan(values)
    return epochs[there], values[there]


def held(epochs: np.ndarray, right: np.ndarray) -> int:
    """The first epoch from which ``right`` holds to the end; -1 where it does not hold at the end."""
    if not len(right) or not right[-1]:
        return NEVER
    wrong = np.flatnonzero(~right)
    return int(epochs[wrong[-1] + 1 if len(wrong) else 0])


def turn(epochs: np.ndarray, loss: np.ndarray, sigma: float) -> int:
    """Epoch of the steepest fall of log10(loss), smoothed by a Gaussian of ``sigma`` epochs; -1 for none.

    Between measurements the logarithm is interpolated linearly; a loss of 0 counts as the smallest one above
    0, and beyond the ends the curve goes on as its mirror image.
    """
    if len(epochs) < 2:
        return NEVER
    finite = np.isfinite(loss)
    positive = loss[finite & (loss > 0)]
    if not len(positive):
        return NEVER
    axis = np.arange(epochs[0], epochs[-1] + 1)
    y = np.interp(axis, epochs[finite], np.log10(np.maximum(loss[finite], positive.min())))
    slope = np.gradient(smoothed(y, sigma))
    return int(axis[slope.argmin()]) if slope.min() < 0 else NEVER


def smoothed(y: np.ndarray, sigma: float) -> np.ndarray:
    """``y`` convolved with a Gaussian of standard deviation ``sigma``, cut off at 4 sigma: (n,)."""
    reach = int(np.ceil(4 * sigma))
    if reach == 0:
        return y
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(y, reach, mode="symmetric")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _last(losses: xr.Dataset, metrics: list[str]) -> list[float]:
    found = (measured(losses, metric)[1] for metric in metrics)
    return [float(values[-1]) if len(values) else np.nan for values in found]
