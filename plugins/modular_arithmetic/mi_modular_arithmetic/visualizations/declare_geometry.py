"""Visualizations of geometry; light, like all declarations."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers import CLASS_GEOMETRY, CLASS_POSITIONS, GROUP_GEOMETRY
from mi_modular_arithmetic.visualizations.declare_circuit import PACKAGE

_CLASSES, _GROUPS = f"{PACKAGE}.class_geometry", f"{PACKAGE}.group_geometry"
_SITE = Option(
    type="str",
    default="mlp_post.0",
    role="selector",
    dim="site",
    description="site: resid_pre, attn_out, mlp_post or resid_post, and the layer",
)


def _component(default: int, most: int) -> Option:
    return Option(
        type="int",
        default=default,
        choices=tuple(range(1, most + 1)),
        role="selector",
        dim="component",
        description="principal component on this axis",
    )


CENTROIDS = Visualization(
    id="modular_arithmetic.class_centroids",
    title="Centroids of the classes",
    description="Where the classes of answers lie at a site of '=', in two principal components. Colours run "
    "round with k times the class: where frequency k is used, two components show one ring in the order of "
    "the colours. Basis projected keeps the last checkpoint's axes, and shows nothing that lies across "
    "them; aligned shows each checkpoint's own components, in the last one's order, signs and, where "
    "variances are within a quarter of one another, directions.",
    reads=(CLASS_POSITIONS.id,),
    fields={
        "centroids": Field(
            "points", ("residue",), scale="cyclic", value="angle", difference="none", units="rad"
        )
    },
    frame=f"{_CLASSES}:scatter_frame",
    figure=f"{_CLASSES}:scatter_figure",
    options={
        "site": _SITE,
        "basis": Option(
            type="str",
            default="projected",
            choices=("projected", "aligned"),
            description="the last checkpoint's axes, or each checkpoint's own, aligned with them",
        ),
        "x": _component(1, 6),
        "y": _component(2, 6),
        "frequency": Option(
            type="int", default=1, minimum=1, description="k: colours run round k times over all classes"
        ),
    },
)

SEPARATION = Visualization(
    id="modular_arithmetic.class_separation",
    title="How far apart the classes are",
    description="Signal to noise, Fisher's criterion or dimensions of the classes by site. A site that hands "
    "on what the operands are, as attention does, is noisy by design: only behind the neurons should the "
    "signal rise.",
    reads=(CLASS_GEOMETRY.id,),
    fields={"lines": Field("line", ("epoch",), static=True)},
    static=f"{_CLASSES}:separation_static",
    figure=f"{_CLASSES}:separation_figure",
    options={
        "measure": Option(
            type="str",
            default="snr",
            choices=(
                "snr",
                "fisher_mean",
                "fisher_least",
                "centroid_dimension",
                "cloud_dimension",
                "circularity",
                "spread",
            ),
            description="what is drawn",
        )
    },
    x="epoch",
)

DISTANCES = Visualization(
    id="modular_arithmetic.class_distances",
    title="Distance by class difference",
    description="Root mean square distance of the centroids of c and c + d. One circle of frequency k is a "
    "wave with k bumps; several circles add their squares. It is a mean over c: see circularity for how far "
    "that speaks for all.",
    reads=(CLASS_GEOMETRY.id,),
    fields={"distance": Field("line", ("residue",), range=(0, None))},
    frame=f"{_CLASSES}:distance_frame",
    figure=f"{_CLASSES}:distance_figure",
    options={"site": _SITE},
)

DISTANCE_TRANSFORM = Visualization(
    id="modular_arithmetic.class_distance_spectrum",
    title="Frequencies of the distances",
    description="Energy of the distances by class difference in each frequency. That of the squared "
    "distances is the circles' power again; the root adds overtones.",
    reads=(CLASS_GEOMETRY.id,),
    fields={"transform": Field("bars", ("freq",), range=(0, 1))},
    frame=f"{_CLASSES}:transform_frame",
    figure=f"{_CLASSES}:transform_figure",
    options={"site": _SITE},
)

CIRCLE_POWER = Visualization(
    id="modular_arithmetic.circle_power",
    title="Circles of the classes",
    description="Share of the centroids' variance that lies on circles of frequency k. A share: it also "
    "fills up where centroids hardly differ; see the spread and the signal to noise.",
    reads=(CLASS_GEOMETRY.id,),
    fields={"power": Field("image", ("freq", "epoch"), range=(0, None), static=True)},
    static=f"{_CLASSES}:power_static",
    figure=f"{_CLASSES}:power_figure",
    options={"site": _SITE},
    x="epoch",
)

_BASIS = Option(
    type="str",
    default="position",
    choices=("position", "aligned"),
    description="the last checkpoint's axes, or each checkpoint's own, aligned with them",
)

GROUP_POSITIONS = Visualization(
    id="modular_arithmetic.group_positions",
    title="Neurons of one frequency",
    description="What the neurons of one frequency read, columns of W_in about their mean, in two principal "
    "components, with the trails of their way. Groups are those of the last checkpoint: early positions show "
    "where its neurons came from, not that they were a group.",
    reads=(GROUP_GEOMETRY.id,),
    fields={
        "trails": Field("points", ("step",), difference="none", static=True),
        "neurons": Field("points", ("neuron",)),
    },
    static=f"{_GROUPS}:scatter_static",
    frame=f"{_GROUPS}:scatter_frame",
    figure=f"{_GROUPS}:scatter_figure",
    options={
        "frequency": Option(
            type="int",
            default=0,
            minimum=0,
            role="selector",
            dim="freq",
            description="the group's frequency; 0 for the largest group",
        ),
        "basis": _BASIS,
        "x": _component(1, 3),
        "y": _component(2, 3),
    },
)

GROUP_SHAPE = Visualization(
    id="modular_arithmetic.group_shape",
    title="Shape of the groups",
    description="Spread, dimensions and curvature of what each frequency's neurons read. R² of a quadratic "
    "reaches about 3 over the number of neurons by chance.",
    reads=(GROUP_GEOMETRY.id,),
    fields={"lines": Field("line", ("epoch",), static=True)},
    static=f"{_GROUPS}:shape_static",
    figure=f"{_GROUPS}:shape_figure",
    options={
        "measure": Option(
            type="str",
            default="spread",
            choices=(
                "spread",
                "center",
                "dimension",
                "captured",
                "r2",
                "r2_shared",
                "r2_linear",
                "determinant",
                "determinant_shared",
            ),
            description="what is drawn",
        )
    },
    x="epoch",
)

GROUP_KIND = Visualization(
    id="modular_arithmetic.group_kind",
    title="Saddles, bowls and flat groups",
    description="What the third principal component is as a function of the first two: a saddle where "
    "4ab − c² is below −0.05 in units of standard deviations, a bowl above 0.05, a trough between; flat "
    "where the quadratic explains too little.",
    reads=(GROUP_GEOMETRY.id,),
    fields={"kind": Field("image", ("freq", "epoch"), scale="categorical", difference="none", static=True)},
    static=f"{_GROUPS}:kind_static",
    figure=f"{_GROUPS}:kind_figure",
    options={
        "basis": _BASIS,
        "curved": Option(
            type="float",
            default=0.5,
            minimum=0,
            maximum=1,
            description="R² from which the quadratic says something",
        ),
    },
    x="epoch",
)

GEOMETRY = (
    CENTROIDS,
    SEPARATION,
    DISTANCES,
    DISTANCE_TRANSFORM,
    CIRCLE_POWER,
    GROUP_POSITIONS,
    GROUP_SHAPE,
    GROUP_KIND,
)
