"""The looks of figures: quiet axes, no clutter. The page's script recolours text and grid for a dark page."""

from __future__ import annotations

from collections.abc import Iterable

from bokeh.models import BoxAnnotation, ColorBar, ColumnDataSource, Legend, LegendItem, Title
from bokeh.plotting import figure

from mi.outcome import CLEANUP, FORMATION, MEMORIZATION, Phase

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
TEXT = "#4a5160"
GRID = "#e4e7ec"
LINE = "#b4bac5"
HATCH = "#b4bac5"
# Inside the plot Bokeh stretches it over the whole width and veils the data.
_TOOLBAR = (
    ":host(.bk-inner) { left: auto !important; right: 0; width: max-content !important; border-radius: 6px }"
)
CURSOR_COLOR = "#e0287d"
# Tints that no curve has, on light and dark ground.
PHASE_COLORS = {MEMORIZATION: "#e0a030", FORMATION: "#4c8fd6", CLEANUP: "#35a27a"}
PHASE_ALPHA = 0.13
BAND = "mi-phase"


def apply(plot: figure) -> None:
    """Dress a figure."""
    plot.toolbar.autohide = True
    plot.toolbar.logo = None
    plot.toolbar.stylesheets = [_TOOLBAR]
    plot.background_fill_color = None
    plot.border_fill_color = None
    plot.outline_line_color = LINE
    plot.min_border = 6
    plot.min_border_right = 14
    plot.axis.axis_label_text_font = FONT
    plot.axis.axis_label_text_font_size = "12px"
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_color = TEXT
    plot.axis.major_label_text_font = FONT
    plot.axis.major_label_text_font_size = "11px"
    plot.axis.major_label_text_color = TEXT
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = LINE
    plot.axis.major_tick_in = 0
    plot.axis.minor_tick_line_color = None
    plot.grid.grid_line_color = GRID


def hatch(plot: figure) -> None:
    """A hatched ground, which shows wherever a cell is missing; no grid, the cells are one."""
    # Not `background_hatch_pattern`: Bokeh 3.9 sets it before there is a canvas, and the page stays blank.
    ground = BoxAnnotation(
        level="underlay",
        fill_color=None,
        line_color=None,
        hatch_pattern="right_diagonal_line",
        hatch_color=HATCH,
        hatch_scale=10,
        hatch_weight=0.5,
        syncable=False,
    )
    plot.add_layout(ground)
    plot.grid.visible = False


def bands(plot: figure, phases: Iterable[Phase]) -> None:
    """Tint the phases of training behind a plot over epochs; cells of a map lie over it."""
    for phase in phases:
        band = BoxAnnotation(
            left=phase.start,
            right=phase.end,
            level="underlay",
            fill_color=PHASE_COLORS[phase.name],
            fill_alpha=PHASE_ALPHA,
            line_color=None,
            name=BAND,
            syncable=False,
        )
        plot.add_layout(band)


def name_bands(plot: figure, phases: Iterable[Phase]) -> None:
    """Name the tints of the phases in the plot's legend."""
    nowhere = ColumnDataSource({"at": [float("nan")]})  # the tint itself is behind the plot already
    for phase in phases:
        swatch = plot.vstrip(
            x0="at",
            x1="at",
            source=nowhere,
            fill_color=PHASE_COLORS[phase.name],
            fill_alpha=2 * PHASE_ALPHA,
            line_color=None,
        )
        plot.legend[0].items.append(LegendItem(label=phase.name, renderers=[swatch]))


def apply_bar(plot: figure, bar: ColorBar) -> None:
    """Dress a colour bar, and the plot that it belongs to."""
    # Bokeh 3.9 strokes the bar's box together with the plot's outline at the next repaint.
    plot.outline_line_color = None
    bar.background_fill_color = None
    bar.bar_line_color = None
    bar.border_line_color = None
    bar.major_label_text_font = FONT
    bar.major_label_text_font_size = "11px"
    bar.major_label_text_color = TEXT
    bar.major_tick_line_color = None


def apply_title(title: Title) -> None:
    """Dress the title of a colour bar."""
    title.text_font = FONT
    title.text_font_size = "12px"
    title.text_font_style = "normal"
    title.text_color = TEXT


def apply_legend(legend: Legend) -> None:
    """Dress a legend that stands above the plot."""
    legend.orientation = "horizontal"
    legend.click_policy = "hide"
    legend.background_fill_color = None
    legend.border_line_color = None
    legend.label_text_font = FONT
    legend.label_text_font_size = "11px"
    legend.label_text_color = TEXT
    legend.glyph_height, legend.label_height = 14, 14
    legend.glyph_width, legend.spacing, legend.padding, legend.margin = 14, 10, 0, 2
