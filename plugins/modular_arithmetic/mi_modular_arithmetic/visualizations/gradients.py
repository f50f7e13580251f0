"""Figures of the gradient by frequency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mi_modular_arithmetic.visualizations.parts import epochs_of

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

GRADIENT = "modular_arithmetic.gradient_spectrum"
Options = Mapping[str, Any]
PLACES = {
    "embedding": "embedding W_E",
    "attention": "attention scores from '='",
    "input": "read by neurons, through W_in",
    "output": "unembedding W_U",
}


def map_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``gradient``: share or energy of each frequency at the chosen place, (n//2, epochs).

    Missing at a place that the network lacks.
    """
    found = data.artifacts[GRADIENT][options["quantity"]].reindex(place=[options["place"]]).isel(place=0)
    return {"gradient": found.transpose("freq", "epoch").values}


def map_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Frequency by epoch."""
    from mi.views.recipes import epoch_heatmap

    quantity = "share of the gradient's energy" if options["quantity"] == "share" else "gradient's energy"
    return epoch_heatmap(
        sources,
        context,
        "gradient",
        y="frequency k",
        epochs=epochs_of(context.data, GRADIENT),
        title=f"{quantity}: {PLACES[options['place']]}",
    )


def cosine_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: cosine of the gradient's spectrum and the weights' at each place by epoch."""
    artifacts = data.artifacts[GRADIENT]
    places = {name: artifacts["cosine"].sel(place=name).values for name in artifacts["place"].values.tolist()}
    return {"lines": {"epoch": artifacts["epoch"].values, **places}}


def cosine_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a place."""
    from mi.views.recipes import epoch_lines

    names = context.data.artifacts[GRADIENT]["place"].values.tolist()
    return epoch_lines(
        sources,
        context,
        "lines",
        {n: PLACES[n] for n in names},
        y="cosine of gradient's and weights' spectrum",
    )
