"""Spectra as figures: bars by frequency at the cursor, frequency by epoch; a colour a frequency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

ID = "fourier_library.weight_spectrum"


def spectrum_frame(data: ViewData, epoch: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """``spectrum``: columns ``k`` and ``y``, the chosen quantity at one epoch, (n//2,) each."""
    artifacts = data.at(ID, epoch)
    return {"spectrum": {"k": artifacts["freq"].values, "y": artifacts[options["quantity"]].values}}


def spectrum_figure(sources: Any, context: FigureContext, options: Mapping[str, Any]) -> Any:
    """One bar a frequency, in its own colour."""
    from mi.views.recipes import bars

    return bars(
        sources,
        context,
        "spectrum",
        x="k",
        x_label="frequency k",
        y=QUANTITIES[options["quantity"]],
        color=frequency_color(context, "k", sources["spectrum"].data["k"]),
    )


def history_static(data: ViewData, options: Mapping[str, Any]) -> dict[str, Any]:
    """``history``: the chosen quantity over all epochs, (n//2, epochs)."""
    return {"history": data.artifacts[ID][options["quantity"]].transpose("freq", "epoch").values}


def history_figure(sources: Any, context: FigureContext, options: Mapping[str, Any]) -> Any:
    """Frequency by epoch."""
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(
        sources,
        context,
        "history",
        y="frequency k",
        epochs=context.data.artifacts[ID]["epoch"].values,
        title=QUANTITIES[options["quantity"]],
    )


def frequency_color(context: FigureContext, column: str, ks: Any) -> dict[str, Any]:
    """A glyph's colour by a column of frequencies, the page's colour of each k.

    Args:
        context: the panel's, which knows the colours.
        column: the column that holds frequencies.
        ks: the frequencies, whole numbers in any order.
    """
    from bokeh.models import LinearColorMapper

    low, high = int(np.min(ks)), int(np.max(ks))
    palette = [context.color_of(k) for k in range(low, high + 1)]
    return {
        "field": column,
        "transform": LinearColorMapper(palette=palette, low=low - 0.5, high=high + 0.5),
    }


QUANTITIES = {"share": "share of energy", "energy": "energy"}
