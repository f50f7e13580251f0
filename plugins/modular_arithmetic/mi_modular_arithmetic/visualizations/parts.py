"""What several figures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
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


def four_losses(data: ViewData, progress: str) -> dict[str, np.ndarray]:
    """Columns ``epoch``, ``train``, ``test``, ``restricted``, ``excluded`` at each checkpoint, in nats.

    Args:
        data: with the loss history.
        progress: id of the analyzer of the restricted and excluded losses.
    """
    artifacts, losses = data.artifacts[progress], data.losses
    assert losses is not None, "declared by the visualization"
    at = losses.reindex(epoch=artifacts["epoch"].values)  # a loss that was not recorded is missing
    return {
        "epoch": artifacts["epoch"].values,
        "train": at["train_loss"].values,
        "test": at["test_loss"].values,
        "restricted": artifacts["restricted_loss_test"].values,
        "excluded": artifacts["excluded_loss_key"].values,
    }


def draw_four_losses(sources: Any, context: FigureContext, field: str, labels: Mapping[str, str]) -> Any:
    """They over epochs, restricted and excluded dashed; ``labels`` by column."""
    from mi.views.recipes import epoch_lines

    dashes = {"restricted": "dashed", "excluded": "dashed"}
    return epoch_lines(sources, context, field, labels, y="loss (nats)", dashes=dashes)


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
