"""When variants grokked, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi.outcome import Outcome, Thresholds, classify
from mi_modular_arithmetic.data import METRICS

if TYPE_CHECKING:
    from mi.engine.family_data import FamilyData, FamilySubject

PROGRESS = "modular_arithmetic.progress_measures"
NEVER = -1
EPOCHS = ("memorized", "onset", "turn", "grokked", "epochs")


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
    """One row a variant, in the order of ``data.variants``; see the declaration and :mod:`mi.outcome`."""
    names = coordinates(data.subject, sigma=sigma, accuracy=accuracy)
    limits = Thresholds(sigma=sigma, accuracy=accuracy)
    rows = [classify(data.losses[name], limits) for name in data.variants]
    return {key: [_epoch(row, key) for row in rows] for key in EPOCHS} | {
        "rebound": [row.rebound for row in rows],
        "key_count": [int((data.reference[PROGRESS][n]["key"] == 1).sum()) for n in data.variants],
        "final": [[row.final.get(metric, np.nan) for metric in names["metric"]] for row in rows],
        "parameter": [
            [float(data.parameters[n].get(p, np.nan)) for p in names["parameter_name"]] for n in data.variants
        ],
    }


def _epoch(row: Outcome, key: str) -> int:
    epoch = getattr(row, key)
    return NEVER if epoch is None else int(epoch)
