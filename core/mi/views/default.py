"""The figure of a visualization that declares none: one plot a field, drawn as its kind says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bokeh.core.properties import value
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, LayoutDOM
from bokeh.plotting import figure

from mi.views import recipes, theme
from mi.views.axis import EPOCH_LABEL

if TYPE_CHECKING:
    from mi.domain.visualization import Field
    from mi.views.context import FigureContext

Sources = Mapping[str, ColumnDataSource]
TEXT_HEIGHT = 60


def default_figure(sources: Sources, context: FigureContext, options: Mapping[str, Any]) -> LayoutDOM:
    """A heatmap for an image, lines, bars and points for columns, a line of text for a text.

    Along x goes the column ``x`` (or ``epoch``, else the first), up go the others: for bars and points the
    field's ``value`` where there is such a column, else the first that is left. A static image whose last
    dimension is ``epoch``, and static lines over the column ``epoch``, get an epoch axis with the cursor.
    """
    plots = [_plot(sources, context, name, field) for name, field in context.visualization.fields.items()]
    return plots[0] if len(plots) == 1 else column(plots, sizing_mode="stretch_width")


def _plot(sources: Sources, context: FigureContext, name: str, field: Field) -> LayoutDOM:
    if field.kind == "text":
        return _text(sources[name], context)
    if field.kind == "image":
        over_epochs = field.static and field.dims[-1:] == (EPOCH_LABEL,)
        draw = recipes.epoch_heatmap if over_epochs else recipes.heatmap
        return draw(sources, context, name)
    columns = list(sources[name].data)
    x = next((c for c in ("x", EPOCH_LABEL) if c in columns), columns[0])
    rest = [c for c in columns if c != x]
    up = field.value if field.value in rest else (rest or [x])[0]
    if field.kind == "bars":
        return recipes.bars(sources, context, name, x=x, top=up)
    if field.kind == "points":
        return recipes.points(sources, context, name, x=x, y=up)
    if field.static and x == EPOCH_LABEL:
        return recipes.epoch_lines(sources, context, name, x=x)
    return recipes.lines(sources, context, name, x=x)


def _text(source: ColumnDataSource, context: FigureContext) -> figure:
    plot = context.figure(x_range=(0, 1), y_range=(-1, 1), height=TEXT_HEIGHT)
    plot.axis.visible = plot.grid.visible = False
    plot.toolbar_location = None
    plot.text(
        x=0, y=0, text="text", source=source, text_baseline="middle", text_color=theme.TEXT,
        text_font=value(theme.FONT), text_font_size="13px",
    )  # fmt: skip
    return plot
