"""The loss around checkpoints as figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import ParameterError

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
SHARPNESS = "geometry_library.sharpness"
CURVATURE = "geometry_library.top_curvature"
QUANTILES = {"lowest": 0.0, "lower": 0.25, "median": 0.5, "upper": 0.75, "highest": 1.0}


def around_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: for each subset, quantiles over directions and the loss at the weights; ``train|median``.

    Raises:
        ParameterError: there are not so many radii.
    """
    artifacts = data.artifacts[SHARPNESS]
    which, radii = options["radius"], artifacts["radius"].values
    if which > len(radii):
        raise ParameterError(f"radius is {which}, expected at most {len(radii)}, the number of radii")
    columns: dict[str, Any] = {"epoch": artifacts["epoch"].values}
    for i, subset in enumerate(artifacts["subset"].values.tolist()):
        loss = artifacts["loss"].values[:, i, which - 1]  # (epochs, directions); 0 is the last
        for name, share in QUANTILES.items():
            columns[f"{subset}|{name}"] = np.quantile(loss, share, axis=-1)
        columns[f"{subset}|base"] = artifacts["base"].values[:, i]
    return {"lines": columns}


def around_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """A line between two bands a subset, and its loss at the weights below."""
    from mi.views.recipes import epoch_lines

    artifacts = context.data.artifacts[SHARPNESS]
    radius = float(artifacts["radius"].values[options["radius"] - 1])
    subsets = artifacts["subset"].values.tolist()
    labels = {f"{s}|median": f"{s}, moved by {radius:g}" for s in subsets}
    labels |= {f"{s}|base": f"{s}, as it is" for s in subsets}
    plot = epoch_lines(
        sources,
        context,
        "lines",
        labels,
        y="loss",
        colors={name: context.color_of(name.split("|")[0]) for name in labels},
        dashes={f"{s}|base": "dotted" for s in subsets},
    )
    every = [f"{s}|{name}" for s in subsets for name in (*QUANTILES, "base")]
    plot.y_range.start, plot.y_range.end = context.value_range("lines", *every)
    for s in subsets:
        for low, high, alpha in (("lowest", "highest", 0.12), ("lower", "upper", 0.25)):
            plot.varea(
                x="epoch",
                y1=f"{s}|{low}",
                y2=f"{s}|{high}",
                source=sources["lines"],
                fill_color=context.color_of(s),
                fill_alpha=alpha,
                level="underlay",
            )
    return plot


def curvature_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``eigenvalue``: all, and those not converged; ``residual``, with the tolerance beside it."""
    artifacts = data.artifacts[CURVATURE]
    epochs = artifacts["epoch"].values
    value, residual = artifacts["eigenvalue"].values, artifacts["residual"].values
    return {
        "eigenvalue": {
            "epoch": epochs,
            "eigenvalue": value,
            "unconverged": np.where(residual > options["tolerance"], value, np.nan),
        },
        "residual": {
            "epoch": epochs,
            "residual": residual,
            "tolerance": np.full(len(epochs), options["tolerance"]),
        },
    }


def curvature_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """The eigenvalue above its residual."""
    from bokeh.layouts import column

    from mi.views.recipes import epoch_lines

    color = context.color_of("eigenvalue")
    above = epoch_lines(
        sources,
        context,
        "eigenvalue",
        {"eigenvalue": "top eigenvalue"},
        y="top eigenvalue",
        colors={"eigenvalue": color},
    )
    above.scatter(x="epoch", y="eigenvalue", source=sources["eigenvalue"], size=5, color=color)
    above.scatter(
        x="epoch",
        y="unconverged",
        source=sources["eigenvalue"],
        size=9,
        fill_color=None,
        line_color=color,
        line_width=2,
        legend_label="not converged",
    )
    below = epoch_lines(
        sources, context, "residual", ["residual", "tolerance"], y="residual", dashes={"tolerance": "dotted"}
    )
    above.height = max(context.height * 3 // 5, 180)
    below.height = max(context.height * 2 // 5, 140)
    above.xaxis.axis_label = None
    return column(above, below, sizing_mode="stretch_width")
