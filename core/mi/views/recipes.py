"""Recipes: whole figures in one call, so that a visualization's ``figure`` function is a few lines.

Each takes the panel's sources and context first, then the names of the fields that it draws::

    def figure(sources, context, options):
        return heatmap(sources, context, "pattern")

``heatmap`` draws an image field, ``epoch_heatmap`` a static one with an epoch axis, ``epoch_lines`` static
columns over epochs; ``lines``, ``bars`` and ``points`` draw columns of the current frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, Legend, LegendItem
from bokeh.plotting import figure

from mi.views import theme
from mi.views.axis import EPOCH_LABEL, CellAxis, epoch_edges, thin
from mi.views.hover import cell_hover, epoch_hover, value_hover

if TYPE_CHECKING:
    from mi.views.context import FigureContext

__all__ = ["bars", "epoch_heatmap", "epoch_lines", "heatmap", "lines", "points", "thin"]
Sources = Mapping[str, ColumnDataSource]
_SEAM = 1.5e-3  # share of the axis by which columns overlap, about a pixel: no seams between them


def heatmap(
    sources: Sources,
    context: FigureContext,
    field: str,
    *,
    x: str = "",
    y: str = "",
    rows: Sequence[str] = (),
    square: bool = False,
    color_bar: bool = True,
    title: str = "",
) -> figure:
    """An image field; its dims are (rows, columns), rows from bottom to top.

    Args:
        sources, context: as given to ``figure``.
        field: the image field.
        x, y: axis labels; the dims' names by default.
        rows: names of the rows, from bottom to top; the dimension's coordinates by default.
        square: keep cells about square for a grid over two like axes.
        color_bar: whether to show one.
        title: of the colour bar; the field's units by default.
    """
    source = sources[field]
    height, columns = np.shape(source.data["image"][0])
    y_dim, x_dim = (*context.visualization.fields[field].dims, "", "")[:2]
    across, up = context.cells(x_dim, columns), _rows(context, y_dim, height, rows)
    plot = context.figure(
        x or x_dim, y or y_dim, x_range=(across.start, across.end), y_range=(up.start, up.end), square=square
    )
    theme.hatch(plot)
    renderer = plot.image(
        image="image",
        source=source,
        x=across.start,
        y=up.start,
        dw=across.end - across.start,
        dh=up.end - up.start,
        color_mapper=context.mapper(field),
        level="overlay",  # a canvas of its own: a frame repaints no axis, label or colour bar
    )
    _label(plot.xaxis[0], across)
    _label(plot.yaxis[0], up)
    rows_shown = [(x or x_dim or "column", "$x{custom}"), (y or y_dim or "row", "$y{custom}")]
    context.hover(
        plot,
        renderer,
        [*rows_shown, (title or _value_name(context, field), "@value{custom}")],
        formatters={"$x": cell_hover(across), "$y": cell_hover(up), "@value": value_hover(source)},
    )
    if color_bar:
        context.color_bar(plot, field, title)
    return plot


def epoch_heatmap(
    sources: Sources,
    context: FigureContext,
    field: str,
    *,
    y: str = "",
    rows: Sequence[str] = (),
    epochs: Sequence[int] | np.ndarray | None = None,
    color_bar: bool = True,
    title: str = "",
    height: int | None = None,
) -> figure:
    """A static image field with dims (something, epoch): one column a checkpoint at its true epoch.

    A column reaches halfway to its neighbours, since checkpoints are not equally spaced.

    Args:
        sources, context, field, y, rows, color_bar, title: as for :func:`heatmap`.
        epochs: of the columns, sorted; all framed checkpoints by default.
        height: pixels; the panel's by default.
    """
    source = sources[field]
    codes, values = np.asarray(source.data["image"][0]), np.asarray(source.data["value"][0])
    at = np.asarray(context.data.epochs if epochs is None else epochs)
    edges = epoch_edges(at)
    y_dim = (*context.visualization.fields[field].dims, "")[0]
    up = _rows(context, y_dim, codes.shape[0], rows)
    overlap = (edges[-1] - edges[0]) * _SEAM
    # One narrow image a column: cells of any width, and a repaint costs one drawImage each.
    source.data = {
        "image": [np.ascontiguousarray(codes[:, i : i + 1]) for i in range(codes.shape[1])],
        "value": [np.ascontiguousarray(values[:, i : i + 1]) for i in range(codes.shape[1])],
        "exact": [1] * len(at),
        "epoch": at.astype(np.float64),
        "left": edges[:-1],
        "width": np.diff(edges) + np.where(np.arange(len(at)) < len(at) - 1, overlap, 0),
    }
    plot = context.figure(EPOCH_LABEL, y or y_dim, y_range=(up.start, up.end), height=height)
    theme.hatch(plot)
    renderer = plot.image(
        image="image",
        source=source,
        x="left",
        dw="width",
        y=up.start,
        dh=up.end - up.start,
        color_mapper=context.mapper(field),
    )
    _label(plot.yaxis[0], up)
    context.hover(
        plot,
        renderer,
        [
            ("epoch", "@epoch{custom}"),
            (y or y_dim or "row", "$y{custom}"),
            (title or _value_name(context, field), "@value{custom}"),
        ],
        formatters={
            "$y": cell_hover(up),
            "@value": value_hover(source),
            "@epoch": epoch_hover(context.data.epochs),
        },
    )
    if color_bar:
        context.color_bar(plot, field, title)
    return plot


def epoch_lines(
    sources: Sources,
    context: FigureContext,
    field: str,
    columns: Sequence[str] | Mapping[str, str] = (),
    *,
    x: str = EPOCH_LABEL,
    y: str = "",
    colors: Mapping[str, Any] | None = None,
    dashes: Mapping[str, Any] | None = None,
) -> figure:
    """Static columns against epochs, with the cursor; the y axis is logarithmic where the field's scale is.

    Args:
        sources, context: as given to ``figure``.
        field: the static field.
        columns: which to draw: names, or name -> label; all but ``x`` by default.
        x: the column of epochs.
        y: axis label; the field's units by default.
        colors: column -> colour; ``context.color_of(column)`` by default.
        dashes: column -> line dash.
    """
    labels = _labels(sources[field], columns, x)
    plot = context.figure(EPOCH_LABEL, y or context.scale(field).units, **_y_axis(context, field, labels))
    _draw_lines(plot, sources[field], context, labels, x, colors, dashes or {})
    first = plot.renderers[0]
    tips = [("epoch", f"@{{{x}}}{{custom}}")]
    tips += [(label, f"@{{{name}}}{{0.0000a}}") for name, label in labels.items()]
    context.hover(plot, first, tips, mode="vline", formatters={f"@{{{x}}}": epoch_hover(context.data.epochs)})
    return plot


def lines(
    sources: Sources,
    context: FigureContext,
    field: str,
    columns: Sequence[str] | Mapping[str, str] = (),
    *,
    x: str = "x",
    x_label: str = "",
    y: str = "",
    colors: Mapping[str, Any] | None = None,
) -> figure:
    """Columns of the current frame against column ``x``; both ranges stay fixed over epochs.

    Arguments are those of :func:`epoch_lines`; ``x_label`` defaults to the field's dimension.
    """
    labels = _labels(sources[field], columns, x)
    plot = context.figure(
        x_label or _dim(context, field),
        y or context.scale(field).units,
        x_range=context.extent(field, x, pad=0.0),
        **_y_axis(context, field, labels),
    )
    _draw_lines(plot, sources[field], context, labels, x, colors, {})
    tips = [(x_label or _dim(context, field) or x, f"@{{{x}}}")]
    tips += [(label, f"@{{{name}}}{{0.0000a}}") for name, label in labels.items()]
    context.hover(plot, plot.renderers[0], tips, mode="vline")
    return plot


def bars(
    sources: Sources,
    context: FigureContext,
    field: str,
    *,
    x: str = "x",
    top: str = "",
    x_label: str = "",
    y: str = "",
    color: Any = None,
    width: float | None = None,
) -> figure:
    """One bar a row of the current frame, from 0 (or from the bottom of a log scale).

    Args:
        sources, context: as given to ``figure``.
        field: a field of columns.
        x: the column of positions, the same at every epoch; strings make a categorical axis.
        top: the column of heights; the field's ``value`` by default.
        x_label, y: axis labels; the field's dimension and units by default.
        color: a colour, or the name of a column that holds colours, or ``context.color(…)``.
        width: of a bar, in units of ``x``; 0.8 of the smallest gap by default.
    """
    source, scale = sources[field], context.scale(field)
    top = top or context.visualization.fields[field].value
    names = source.data[x]
    textual = len(names) > 0 and isinstance(names[0], str)
    gaps = np.diff(np.unique(np.asarray(names, dtype=float))) if not textual else np.array([])
    width = width if width is not None else 0.8 * (float(gaps.min()) if gaps.size else 1.0)
    at = None if textual else np.asarray(names, dtype=float)
    if at is None:
        across: Any = list(names)
    else:
        across = (float(at.min()) - width, float(at.max()) + width) if at.size else (0.0, 1.0)
    low, high = scale.axis()
    bottom = low if scale.kind == "log" else 0.0
    plot = context.figure(
        x_label or _dim(context, field),
        y or scale.units,
        x_range=across,
        y_range=(low if scale.kind == "log" or scale.low < 0 else 0.0, max(high, 0.0)),
        y_axis_type="log" if scale.kind == "log" else "linear",
    )
    plot.xgrid.visible = False
    renderer = plot.vbar(
        x=x, top=top, bottom=bottom, width=width, source=source, line_color=None,
        fill_color=context.color_of(field) if color is None else color,
    )  # fmt: skip
    tips = [(x_label or _dim(context, field) or x, f"@{{{x}}}"), (y or top, f"@{{{top}}}{{0.0000a}}")]
    context.hover(plot, renderer, tips)
    return plot


def points(
    sources: Sources,
    context: FigureContext,
    field: str,
    *,
    x: str = "x",
    y: str = "y",
    x_label: str = "",
    y_label: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    color: Any = None,
    size: float | str = 6,
    square: bool = False,
    tooltips: Sequence[tuple[str, str]] = (),
) -> figure:
    """One point a row of the current frame.

    Args:
        sources, context: as given to ``figure``.
        field: a field of columns.
        x, y: columns of positions.
        x_label, y_label: axis labels; the columns' names by default.
        x_range, y_range: fixed ends; over all epochs of the column by default.
        color: a colour, a column of colours, or ``context.color(field, column)``.
        size: pixels, or a column of sizes.
        square: keep the plot about square.
        tooltips: further rows of the hover.
    """
    source = sources[field]
    plot = context.figure(
        x_label or x,
        y_label or y,
        x_range=x_range or context.extent(field, x),
        y_range=y_range or context.extent(field, y),
        square=square,
    )
    renderer = plot.scatter(
        x=x, y=y, size=size, source=source, line_color=theme.LINE, line_width=0.6, fill_alpha=0.8,
        fill_color=context.color_of(field) if color is None else color,
    )  # fmt: skip
    tips = [(x_label or x, f"@{{{x}}}{{0.0000a}}"), (y_label or y, f"@{{{y}}}{{0.0000a}}"), *tooltips]
    context.hover(plot, renderer, tips)
    return plot


def _rows(context: FigureContext, dim: str, count: int, names: Sequence[str]) -> CellAxis:
    """Where the rows of an image lie: by name where they are given, else along the dimension."""
    return CellAxis.of(np.asarray(list(names)), count) if len(names) else context.cells(dim, count)


def _label(axis: Any, cells: CellAxis) -> None:
    """Names instead of numbers on an axis of named cells; few numbered cells have a tick each."""
    at, texts = cells.ticks()
    if cells.labels:
        axis.ticker = FixedTicker(ticks=at)
        axis.major_label_overrides = texts
    elif len(at) == cells.count:
        axis.ticker = FixedTicker(ticks=at)


def _dim(context: FigureContext, field: str) -> str:
    return (*context.visualization.fields[field].dims, "")[0]


def _value_name(context: FigureContext, field: str) -> str:
    return context.scale(field).units or "value"


def _labels(source: ColumnDataSource, columns: Sequence[str] | Mapping[str, str], x: str) -> dict[str, str]:
    """Columns to draw -> labels."""
    if isinstance(columns, Mapping):
        return dict(columns)
    return {name: name.replace("_", " ") for name in columns or [c for c in source.data if c != x]}


def _y_axis(context: FigureContext, field: str, columns: Mapping[str, str]) -> dict[str, Any]:
    """A y axis fixed over all epochs that shows all these columns."""
    log = context.scale(field).kind == "log"
    return {"y_range": context.value_range(field, *columns), "y_axis_type": "log" if log else "linear"}


def _draw_lines(
    plot: figure,
    source: ColumnDataSource,
    context: FigureContext,
    labels: Mapping[str, str],
    x: str,
    colors: Mapping[str, Any] | None,
    dashes: Mapping[str, Any],
) -> None:
    colors = colors or {}
    drawn = {
        name: plot.line(
            x=x,
            y=name,
            source=source,
            line_width=1.8,
            line_color=colors.get(name) or context.color_of(name),
            line_dash=dashes.get(name, "solid"),
        )
        for name in labels
    }
    if len(drawn) > 1:
        legend = Legend(items=[LegendItem(label=labels[n], renderers=[drawn[n]]) for n in drawn])
        theme.apply_legend(legend)
        plot.add_layout(legend, "above")
