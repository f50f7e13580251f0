"""What a visualization's ``figure`` function is given: themed figures, scales, colours, the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field
from bokeh.models import (
    ColorBar,
    ColorMapper,
    CustomJS,
    HoverTool,
    LinearColorMapper,
    LogColorMapper,
    NumeralTickFormatter,
    Range1d,
    Span,
    Title,
)
from bokeh.plotting import figure as Figure

from mi.domain.visualization import Visualization
from mi.errors import unknown
from mi.outcome import Phase
from mi.views import theme
from mi.views.axis import EPOCH_LABEL, CellAxis, epoch_edges
from mi.views.frames import Extent
from mi.views.palettes import MISSING, NAN_COLOR, ColorBook
from mi.views.scale import MISSING_CODE, Scale

if TYPE_CHECKING:
    from mi.views.data import ViewData

HEIGHT = 320
_BESIDE, _LETTER = 64, 7  # pixels: of a plot's height, what its labels take; about a letter of a title
_TAP = "window.__mi?.tap(cb_obj.x)"
CURSOR = "mi-cursor"  # the name by which the page's script finds the lines to move


def epoch_range(epochs: np.ndarray) -> Range1d:
    """The x range that all epoch axes of a page share, from the first cell's edge to the last one's."""
    edges = epoch_edges(epochs) if len(epochs) else np.array([0.0, 1.0])
    return Range1d(float(edges[0]), float(edges[-1]), syncable=False)


@define(eq=False)
class FigureContext:
    """One panel's figure: made once, its sources then change from frame to frame.

    Attributes:
        visualization: what is drawn.
        data: what it reads (parameters, coordinates, epochs).
        scales: field -> scale, fixed over all epochs.
        extents: field -> {column: (smallest, smallest positive, largest)} over all epochs.
        epoch: the epoch shown first.
        x_epochs: range shared by every epoch axis of the page.
        colors: the page's colours of keys.
        width: columns of the 12-column grid that the panel spans.
        height: of the figure, pixels.
        phases: of the variant's training, drawn behind every epoch axis; none where they are not known.
    """

    visualization: Visualization
    data: ViewData
    scales: Mapping[str, Scale]
    extents: Mapping[str, Mapping[str, Extent]]
    epoch: int
    x_epochs: Range1d
    colors: ColorBook = field(factory=ColorBook)
    width: int = 6
    height: int = HEIGHT
    phases: tuple[Phase, ...] = ()
    _mappers: dict[str, ColorMapper] = field(factory=dict)

    def figure(
        self,
        x: str = "",
        y: str = "",
        *,
        x_range: Any = None,
        y_range: Any = None,
        x_axis_type: Any = "linear",
        y_axis_type: Any = "linear",
        square: bool = False,
        height: int | None = None,
    ) -> Figure:
        """An empty themed figure; with the epoch along x, the page's range, phases and cursor come with it.

        Args:
            x, y: axis labels. ``x`` defaults to the visualization's declared ``x``; ``epoch`` makes the axis
                an epoch axis: a tap jumps to the nearest checkpoint, the cursor is drawn as a line.
            x_range, y_range: (start, end), a list of factors or a range; the data's own by default. Give one,
                from ``extent`` or ``scale(field).axis()``, where frames change the data: axes must not jump.
            x_axis_type, y_axis_type: ``linear`` or ``log``.
            square: keep the plot about as wide as it is high.
            height: pixels; the panel's by default.
        """
        height = height or self.height
        over_epochs = (x or self.visualization.x) == EPOCH_LABEL
        given: dict[str, Any] = {"x_range": self.x_epochs if over_epochs else x_range, "y_range": y_range}
        plot = Figure(
            height=height,
            sizing_mode="stretch_width",
            tools="box_zoom,pan,wheel_zoom,reset,save",
            active_drag="box_zoom",
            active_scroll=None,
            toolbar_location="above",
            toolbar_inner=True,  # outside it would keep an empty row above every plot
            x_axis_type="auto" if isinstance(x_range, list) else x_axis_type,  # factors have no numbers
            y_axis_type="auto" if isinstance(y_range, list) else y_axis_type,
            x_axis_label=x or self.visualization.x or None,
            y_axis_label=y or None,
            **{k: v for k, v in given.items() if v is not None},
        )
        if square:
            plot.max_width = round(height * 1.3)
        theme.apply(plot)
        if over_epochs:
            theme.bands(plot, self.phases)
            plot.xaxis.formatter = NumeralTickFormatter(format="0,0")
            self.cursor(plot)
            plot.js_on_event("tap", CustomJS(code=_TAP))
        return plot

    def cursor(self, plot: Figure) -> Span:
        """The line that marks the current epoch; the page's script moves it."""
        span = Span(
            dimension="height",
            location=self.epoch,
            name=CURSOR,
            level="overlay",  # its own canvas: moving it repaints nothing else
            line_color=theme.CURSOR_COLOR,
            line_width=2,
            syncable=False,
        )
        plot.add_layout(span)
        return span

    def scale(self, field: str) -> Scale:
        """The scale of a field: one range over all epochs.

        Raises:
            UnknownNameError: the visualization declares no such field.
        """
        if field not in self.scales:
            raise unknown(f"field of {self.visualization.id}", field, self.scales)
        return self.scales[field]

    def extent(self, field: str, column: str, pad: float = 0.04) -> tuple[float, float]:
        """Start and end of a linear axis of positions that shows a column at every epoch.

        ``pad`` is the share of room left on both sides.

        Raises:
            UnknownNameError: the field has no such column of numbers.
        """
        return _room("linear", *self._extent(field, column)[::2], pad)

    def value_range(self, field: str, *columns: str) -> tuple[float, float]:
        """Start and end of an axis of values, on the field's scale, that shows these columns at every epoch.

        An end that the field declares as its ``range`` is kept.

        Raises:
            UnknownNameError: the field has no such column of numbers.
        """
        declared = self.visualization.fields[field]
        kind = "log" if declared.scale == "log" else "linear"
        ends = [self._extent(field, column) for column in columns]
        low = min(e[1] if kind == "log" else e[0] for e in ends)
        high = max(e[2] for e in ends)
        low = low if declared.range[0] is None else declared.range[0]
        high = high if declared.range[1] is None else declared.range[1]
        if kind == "log" and low > high:  # nothing positive to show
            low, high = 0.1, 1.0
        return _room(kind, low, high, 0.04)

    def _extent(self, field: str, column: str) -> tuple[float, float, float]:
        known = self.extents.get(field, {})
        if column not in known:
            raise unknown(f"column of field {field} of {self.visualization.id}", column, known)
        return known[column]

    def palette(self, field: str) -> tuple[str, ...]:
        """The 255 colours of a field's scale, low to high."""
        return self.scale(field).palette

    def mapper(self, field: str) -> ColorMapper:
        """What colours a field: codes 0-255 of an image, or the values of columns."""
        if field not in self._mappers:
            scale = self.scale(field)
            if self.visualization.fields[field].kind == "image":
                self._mappers[field] = LinearColorMapper(
                    palette=(*scale.palette, MISSING), low=0, high=MISSING_CODE
                )
            else:
                self._mappers[field] = _value_mapper(scale)
        return self._mappers[field]

    def color(self, field: str, column: str) -> dict[str, Any]:
        """A glyph's colour by a column of a field, on the field's scale."""
        return {"field": column, "transform": self.mapper(field)}

    def color_of(self, key: int | str, period: int | None = None) -> str:
        """The colour of a key (a neuron group, a class, a metric): the same in every panel of the page.

        Args:
            key: a whole number, or a name.
            period: for a key that is an angle or a class of a cycle: its length; the palette is cyclic then.
        """
        return self.colors.color_of(key, period)

    def color_bar(self, plot: Figure, field: str, title: str = "") -> None:
        """A colour bar to the right of ``plot``, in values; none for categories, whose colours are names.

        Args:
            plot: the figure, of the height that it will keep: a title longer than that takes several lines.
            field: the image field.
            title: beside the bar; the field's units by default.
        """
        scale = self.scale(field)
        if scale.kind == "categorical":
            return
        # A mapper of its own: the image's maps codes, and touching it would repaint the image.
        bar = ColorBar(color_mapper=_value_mapper(scale), width=10, padding=6, margin=0, name=f"bar-{field}")
        theme.apply_bar(plot, bar)
        plot.add_layout(bar, "right")
        said = title or scale.units
        if said:
            title_model = Title(text=_broken(said, plot.height), align="center")
            theme.apply_title(title_model)
            plot.add_layout(title_model, "right")

    def cells(self, dim: str, count: int) -> CellAxis:
        """Where ``count`` cells along a named dimension lie, and what they are called."""
        return CellAxis.of(self.data.coordinates(dim) if dim else None, count)

    def hover(self, plot: Figure, renderer: Any, rows: list[tuple[str, str]], **more: Any) -> HoverTool:
        """A hover tool on one renderer; ``rows`` are (label, template) as in Bokeh's tooltips."""
        tool = HoverTool(renderers=[renderer], tooltips=rows, visible=False, **more)
        plot.add_tools(tool)
        return tool


def _broken(title: str, height: int | None) -> str:
    """A title that stands beside a plot of so many pixels, in lines that are no longer than that."""
    room = (height or HEIGHT) - _BESIDE
    return "\n".join(wrap(title, max(room // _LETTER, 8), break_long_words=False))


def _room(kind: str, low: float, high: float, pad: float) -> tuple[float, float]:
    if not low < high:
        low, high = (low / 2, low * 2) if kind == "log" else (low - 0.5, low + 0.5)
    return Scale(kind, low, high).axis(pad)


def _value_mapper(scale: Scale) -> ColorMapper:
    kind = LogColorMapper if scale.kind == "log" else LinearColorMapper
    low, high = (
        (0.0, float(len(scale.palette) - 1)) if scale.kind == "categorical" else (scale.low, scale.high)
    )
    return kind(palette=scale.palette, low=low, high=high, nan_color=NAN_COLOR)
