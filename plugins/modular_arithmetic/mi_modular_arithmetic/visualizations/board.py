"""Figures of the frequencies along the circuit: every station on one view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

BOARD = "modular_arithmetic.frequency_board"
Options = Mapping[str, Any]
STATIONS = {
    "embedding": "embedding W_E",
    "attention": "attention scores from '='",
    "input": "read by neurons, θ",
    "output": "written by neurons, W_L",
    "logits": "logits",
}
OTHERS = "all others"
HEIGHT = 170


def board_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``board``: share of each frequency that matters at each station, columns ``station|k = 5``."""
    artifacts = data.artifacts[BOARD]
    shown = frequencies_shown(artifacts, options["least"])
    columns: dict[str, Any] = {"epoch": artifacts["epoch"].values}
    for i, station in enumerate(artifacts["station"].values.tolist()):
        share = artifacts["share"].values[:, i]  # (epochs, n//2)
        columns |= {f"{station}|k = {k}": share[:, k - 1] for k in shown}
        rest = ~np.isin(artifacts["freq"].values, shown)
        columns[f"{station}|{OTHERS}"] = share[:, rest].sum(axis=1)
    return {"board": columns}


def board_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """A strip of lines a station, one under the other, with one colour a frequency."""
    from bokeh.layouts import column
    from bokeh.models import Title

    from mi.views import theme
    from mi.views.recipes import epoch_lines

    artifacts = context.data.artifacts[BOARD]
    shown = frequencies_shown(artifacts, options["least"])
    names = [*(f"k = {k}" for k in shown), OTHERS]
    strips: list[Any] = []
    for station in artifacts["station"].values.tolist():
        plot = epoch_lines(
            sources,
            context,
            "board",
            {f"{station}|{name}": name for name in names},
            y="share",
            colors={f"{station}|k = {k}": context.color_of(k) for k in shown}
            | {f"{station}|{OTHERS}": context.color_of(OTHERS)},
            dashes={f"{station}|{OTHERS}": "dotted"},
        )
        plot.height = HEIGHT + (60 if not strips else 0)
        plot.y_range.start, plot.y_range.end = 0.0, 1.0
        # Along the axis a station's name would be longer than its strip.
        plot.add_layout(Title(text=STATIONS[station], align="left"), "above")
        theme.apply_title(plot.above[-1])
        if strips:
            for legend in plot.legend:
                legend.visible = False
        strips.append(plot)
    return column(*strips, sizing_mode="stretch_width")


def stations_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``stations``: share of each frequency at each station at the cursor, the first on top."""
    return {"stations": data.at(BOARD, epoch)["share"].values[::-1]}


def stations_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Station by frequency."""
    from mi.views.recipes import heatmap

    names = [STATIONS[name] for name in context.data.artifacts[BOARD]["station"].values.tolist()]
    return heatmap(
        sources, context, "stations", x="frequency k", y="station", rows=names[::-1], title="share of energy"
    )


def frequencies_shown(artifacts: xr.Dataset, least: float, most: int = 10) -> list[int]:
    """Frequencies that hold ``least`` at some station at the last checkpoint, the strongest few, rising."""
    last = np.nan_to_num(artifacts["share"].values[-1]).max(axis=0)  # (n//2,)
    order = np.argsort(-last, kind="stable")[:most]
    return sorted(int(i) + 1 for i in order if last[i] >= least)
