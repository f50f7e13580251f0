"""What several figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.data import ViewData

PROGRESS = "modular_arithmetic.progress_measures"
SPECTRUM = "modular_arithmetic.logit_spectrum"
NEURONS = "modular_arithmetic.neuron_frequencies"
TIMELINE = "modular_arithmetic.neuron_timeline"
SCORES = "modular_arithmetic.attention_scores"
PATTERN = "modular_arithmetic.attention_pattern"
ANSWERS = "modular_arithmetic.accuracy_grid"
GRADUATION = "modular_arithmetic.graduation"
DIMENSION = "modular_arithmetic.effective_dimension"


def key_frequencies(progress: xr.Dataset) -> list[int]:
    """The key frequencies of the reference checkpoint."""
    key = progress["key"].values[-1] == 1  # (p//2,), the same at every epoch
    return [int(k) for k in progress["freq"].values[key]]


def over_epochs(data: ViewData, analyzer: str, output: str, dim: str) -> np.ndarray:
    """An artifact over all its epochs as the image of an epoch heatmap, (dim, epochs)."""
    image: np.ndarray = data.artifacts[analyzer][output].transpose(dim, "epoch").values
    return image


def epochs_of(data: ViewData, analyzer: str) -> np.ndarray:
    """Epochs at which an analyzer's artifacts exist."""
    epochs: np.ndarray = data.artifacts[analyzer]["epoch"].values
    return epochs


def name_rows(plot: Any, names: Sequence[str], title: str) -> None:
    """Let a heatmap's tooltip name its rows, from bottom to top, and its y axis keep plain positions."""
    from bokeh.models import HoverTool

    from mi.views.axis import CellAxis
    from mi.views.hover import cell_hover

    axis = CellAxis(
        plot.y_range.start, (plot.y_range.end - plot.y_range.start) / len(names), len(names), tuple(names)
    )
    hover = plot.select_one(HoverTool)
    hover.formatters = hover.formatters | {"$y": cell_hover(axis)}
    hover.tooltips = [
        (title, value) if value == "$y{custom}" else (label, value) for label, value in hover.tooltips
    ]
