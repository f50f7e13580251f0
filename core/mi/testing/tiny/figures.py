"""The tiny family's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

COLORS = {"blue": "#1f77b4", "grey": "#7f7f7f"}


def activity_frame(data: ViewData, epoch: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """``activity``: columns ``x`` (unit) and ``y`` (mean activation)."""
    mean = data.at("testing.activity", epoch)["mean"]
    return {"activity": {"x": mean["unit"].values, "y": mean.values}}


def activity_figure(sources: Any, context: FigureContext, options: Mapping[str, Any]) -> Any:
    """One bar a unit."""
    from mi.views.recipes import bars

    return bars(
        sources,
        context,
        "activity",
        x_label="unit",
        y="mean activation",
        color=COLORS[options["color"]],
    )


def answers_frame(data: ViewData, epoch: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """``right``: (y, x), y from bottom to top."""
    return {"right": data.at("testing.answers", epoch)["right"].transpose("y", "x").values}


def answers_figure(sources: Any, context: FigureContext, options: Mapping[str, Any]) -> Any:
    """The grid as a map."""
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "right", square=True, title="logit")
