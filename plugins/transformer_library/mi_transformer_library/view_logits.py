"""Figures of losses by position, of the logit lens and of direct logit attribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

LOSS = "transformer_library.position_loss"
LENS = "transformer_library.logit_lens"
ATTRIBUTION = "transformer_library.direct_logit_attribution"
Options = Mapping[str, Any]
_LENS_TITLES = {
    "loss": "cross-entropy (nats)",
    "probability": "probability of the answer",
    "rank": "tokens above the answer",
}


def loss_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``loss``: columns ``position`` and ``loss``."""
    loss = data.at(LOSS, epoch)["loss"]
    return {"loss": {"position": loss["position"].values, "loss": loss.values}}


def loss_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Loss against position."""
    from mi.views.recipes import lines

    return lines(sources, context, "loss", x="position", x_label="position", y="cross-entropy (nats)")


def loss_history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``history``: loss over all epochs, (position, epochs)."""
    return {"history": data.artifacts[LOSS]["loss"].transpose("position", "epoch").values}


def loss_history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Position by epoch."""
    from mi.views.recipes import epoch_heatmap

    epochs = context.data.artifacts[LOSS]["epoch"].values
    return epoch_heatmap(sources, context, "history", epochs=epochs, title=_LENS_TITLES["loss"])


def lens_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``lens``: the chosen quantity, (stage, position)."""
    return {"lens": data.at(LENS, epoch)[options["quantity"]].values}


def lens_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Stage by position."""
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "lens", y="residual stream", title=_LENS_TITLES[options["quantity"]])


def attribution_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``bars``: columns ``component`` (names) and ``contribution``."""
    found = data.at(ATTRIBUTION, epoch)["contribution"]
    return {"bars": {"component": [str(c) for c in found["component"].values], "contribution": found.values}}


def attribution_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One bar a component."""
    from mi.views.recipes import bars

    plot = bars(sources, context, "bars", x="component", x_label="component", y="right minus mean logit")
    plot.xaxis.major_label_orientation = 0.9  # radians: names of many heads do not overlap
    return plot


def attribution_history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``history``: contributions over all epochs, (component, epochs)."""
    return {"history": data.artifacts[ATTRIBUTION]["contribution"].transpose("component", "epoch").values}


def attribution_history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Component by epoch."""
    from mi.views.recipes import epoch_heatmap

    epochs = context.data.artifacts[ATTRIBUTION]["epoch"].values
    return epoch_heatmap(sources, context, "history", epochs=epochs, title="right minus mean logit")
