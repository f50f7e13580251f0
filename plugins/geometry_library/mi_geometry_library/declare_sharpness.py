"""What this library declares of the loss around a checkpoint; light, like all declarations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mi.domain.analyzer import Analyzer
from mi.domain.needs import GradientNeed
from mi.domain.output import Output
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization

FEW = 25  # checkpoints by default: one takes seconds
_VIEWS = "mi_geometry_library.sharpness_views"
_HERE = "mi_geometry_library.declare_sharpness"
_SEED = Option(type="int", default=0, minimum=0, maximum=2**32 - 1, description="seed of what is drawn")


def sharpness_cost(sizes: Mapping[str, int], **options: Any) -> float:
    """A pass for each direction and radius, and one more; two operations a weight and row.

    An upper bound: networks look rows up in tables, and work out once what rows share.
    """
    passes: int = options["directions"] * options["steps"] + 1
    return 2.0 * sizes["numbers"] * sizes["row"] * passes


def curvature_cost(sizes: Mapping[str, int], *, iterations: int, **options: Any) -> float:
    """Products: each about three passes, as many as there may be, over all rows; an upper bound, as above."""
    return 2.0 * sizes["numbers"] * sizes["row"] * 3 * iterations


SHARPNESS = Analyzer(
    id="geometry_library.sharpness",
    version=1,
    title="Loss along random directions",
    description="The family's loss at θ + r d along random directions d that are as long as the weights, "
    "filter by filter (Li et al. 2018), on each of the probe's subsets. The same random numbers at every "
    "checkpoint.",
    function="mi_geometry_library.sharpness:sharpness",
    weights=True,
    model=True,
    checkpoints=FEW,
    cost=f"{_HERE}:sharpness_cost",
    coordinates="mi_geometry_library.sharpness:coordinates",
    options={
        "directions": Option(type="int", default=32, minimum=1, maximum=1000, description="how many"),
        "radius": Option(
            type="float",
            default=0.1,
            minimum=1e-6,
            maximum=10,
            description="largest r: the share of its own norm by which each filter moves",
        ),
        "steps": Option(
            type="int",
            default=1,
            minimum=1,
            maximum=50,
            description="radii, equally far apart up to the largest",
        ),
        "seed": _SEED,
    },
    outputs={
        "loss": Output(
            ("subset", "radius", "direction"), "float64", description="mean loss over the subset at θ + r d"
        ),
        "base": Output(("subset",), "float64", description="mean loss over the subset at θ"),
    },
)

TOP_CURVATURE = Analyzer(
    id="geometry_library.top_curvature",
    version=1,
    title="Top eigenvalue of the Hessian",
    description="The largest eigenvalue of the Hessian of the loss over some rows, by power iteration "
    "on Hessian-vector products, with the residual that says how far it got.",
    function="mi_geometry_library.sharpness:top_curvature",
    weights=True,
    model=True,
    gradients=(GradientNeed(weights=True, rows_option="rows"),),
    checkpoints=FEW,
    cost=f"{_HERE}:curvature_cost",
    options={
        "rows": Option(
            type="str",
            default="train",
            description="mask over the probe's rows that the loss is the mean over; all when empty",
        ),
        "iterations": Option(
            type="int",
            default=50,
            minimum=1,
            maximum=10_000,
            description="most products (twice as many where "
            "the eigenvalue of the largest absolute value is negative)",
        ),
        "tolerance": Option(
            type="float", default=0.01, minimum=0, maximum=1, description="residual at which it ends"
        ),
        "seed": _SEED,
    },
    outputs={
        "eigenvalue": Output((), "float64", description="vᵀHv, whatever the residual"),
        "residual": Output(
            (),
            "float64",
            units="1",
            description="‖Hv − λv‖ / |λ|: above the tolerance where iterations ran out",
        ),
        "products": Output((), "int32", fill=-1, description="Hessian-vector products that were made"),
        "gradient_cosine": Output(
            (),
            units="1",
            description="|cosine| of gradient and v; missing where there is no gradient",
            gaps=True,
        ),
        "loss": Output((), "float64", description="the loss that the Hessian is of"),
    },
)

AROUND = Visualization(
    id="geometry_library.sharpness",
    title="Loss around the weights",
    description="Solid, the median over random directions of the loss at the radius; the dark band holds the "
    "middle half of the directions, the light one all; dotted, the loss at the weights themselves. What "
    "counts is the gap between the two, not the height. Directions are as long as the weights, filter by "
    "filter, so weights that merely shrink look no sharper.",
    reads=(SHARPNESS.id,),
    fields={"lines": Field("line", ("epoch",), scale="log", static=True)},
    static=f"{_VIEWS}:around_static",
    figure=f"{_VIEWS}:around_figure",
    options={
        "radius": Option(
            type="int", default=0, minimum=0, description="which radius, from 1; the largest when 0"
        )
    },
    x="epoch",
)

CURVATURE = Visualization(
    id="geometry_library.top_curvature",
    title="Top eigenvalue of the Hessian",
    description="Above, the eigenvalue; a hollow ring marks one whose residual did not reach the tolerance "
    "below, so that it is a lower bound and no more. Below, the residual on the same epochs. An eigenvalue "
    "that is not positive has no place on the logarithmic axis.",
    reads=(TOP_CURVATURE.id,),
    fields={
        "eigenvalue": Field("line", ("epoch",), scale="log", static=True),
        "residual": Field("line", ("epoch",), scale="log", units="1", static=True),
    },
    static=f"{_VIEWS}:curvature_static",
    figure=f"{_VIEWS}:curvature_figure",
    options={
        "tolerance": Option(
            type="float",
            default=0.01,
            minimum=0,
            maximum=1,
            description="residual up to which an eigenvalue counts as found",
        )
    },
    x="epoch",
)
