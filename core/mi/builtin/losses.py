"""Loss and accuracy over every epoch of training, with the checkpoints marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, GlyphRenderer, HoverTool
from bokeh.plotting import figure as BokehFigure

from mi.errors import ParameterError
from mi.views import theme
from mi.views.recipes import epoch_lines, thin

if TYPE_CHECKING:
    import xarray as xr
    from bokeh.models import LayoutDOM

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

GROUPS = {"loss": "loss", "accuracy": "accuracy"}  # field -> the metric it shows, of every set that has it
_BESIDE = ("epoch", "checkpoint", "checkpoint_epoch")


def static(data: ViewData, options: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Both fields' columns: ``epoch``, the nearest checkpoint's index and epoch, and one a set of data.

    Columns are thinned to some thousands of rows without losing an extreme; checkpoints' rows are kept.

    Raises:
        ParameterError: no metric is a loss or an accuracy.
    """
    assert data.losses is not None  # declared by the visualization
    names = [str(name) for name in data.losses.data_vars]
    if not any(name.rpartition("_")[2] in GROUPS.values() for name in names):
        raise ParameterError(
            f"the family's metrics are {', '.join(names) or 'none'}; expected one named SET_loss or "
            "SET_accuracy"
        )
    return {field: _columns(data.losses, metric, data.epochs) for field, metric in GROUPS.items()}


def figure(
    sources: Mapping[str, ColumnDataSource], context: FigureContext, options: Mapping[str, Any]
) -> LayoutDOM:
    """Loss on a logarithmic axis above accuracy, with one epoch axis."""
    shown = [field for field in GROUPS if _metrics(sources[field])]
    plots = [_plot(sources, context, field, context.height // len(shown)) for field in shown]
    if context.phases and plots:
        theme.name_bands(plots[0], context.phases)
    for upper in plots[:-1]:
        upper.xaxis.axis_label = None
    return column(*plots, sizing_mode="stretch_width") if len(plots) > 1 else plots[0]


def _columns(losses: xr.Dataset, metric: str, checkpoints: np.ndarray) -> dict[str, np.ndarray]:
    epochs = losses["epoch"].values
    names = [str(n) for n in losses.data_vars if str(n).rpartition("_")[2] == metric]
    names.sort(key=lambda name: (not name.startswith("train"), name))
    columns = {name: losses[name].values for name in names}
    measured = (
        np.any([~np.isnan(v) for v in columns.values()], axis=0) if columns else np.zeros(len(epochs), bool)
    )
    columns = {"epoch": epochs[measured]} | {name: values[measured] for name, values in columns.items()}
    kept = thin(columns)["epoch"] if names else columns["epoch"]
    rows = np.isin(columns["epoch"], np.union1d(kept, checkpoints))
    columns = {name: values[rows] for name, values in columns.items()}
    if not len(checkpoints):
        nowhere = np.full(len(columns["epoch"]), np.nan)
        return columns | {"checkpoint": nowhere, "checkpoint_epoch": nowhere}
    nearest = _nearest(columns["epoch"], checkpoints)
    return columns | {"checkpoint": nearest, "checkpoint_epoch": checkpoints[nearest]}


def _nearest(epochs: np.ndarray, checkpoints: np.ndarray) -> np.ndarray:
    """Index of the checkpoint nearest to each epoch, the earlier of two equally near."""
    right = np.searchsorted(checkpoints, epochs)
    left, right = np.maximum(right - 1, 0), np.minimum(right, len(checkpoints) - 1)
    return np.where(epochs - checkpoints[left] <= checkpoints[right] - epochs, left, right)


def _metrics(source: ColumnDataSource) -> list[str]:
    return [name for name in source.data if name not in _BESIDE]


def _plot(
    sources: Mapping[str, ColumnDataSource], context: FigureContext, field: str, height: int
) -> BokehFigure:
    names = _metrics(sources[field])
    labels = {name: name.removesuffix(f"_{GROUPS[field]}").replace("_", " ") for name in names}
    colors = {name: context.color_of(labels[name]) for name in names}
    plot = epoch_lines(sources, context, field, labels, y=field, colors=colors)
    plot.height = max(height, 160)
    for renderer in plot.renderers:
        _bridge_gaps(renderer)
    for tool in plot.select(HoverTool):
        tool.tooltips = [
            *tool.tooltips,
            ("nearest", "checkpoint @checkpoint at epoch @checkpoint_epoch{0,0}"),
        ]
    epochs = context.data.epochs
    plot.scatter(
        x=epochs.astype(float),
        y=np.full(len(epochs), plot.y_range.start),
        marker="dash",
        angle=np.pi / 2,
        size=9,
        line_color="#888888",
    )
    return plot


def _bridge_gaps(renderer: GlyphRenderer) -> None:
    """Draw a metric that is measured every n-th epoch as a line through what was measured, not as dots."""
    columns = renderer.data_source.data
    measured = np.isfinite(columns[renderer.glyph.y])
    if not measured.all():
        renderer.data_source = ColumnDataSource(
            {name: np.asarray(v)[measured] for name, v in columns.items()}
        )
