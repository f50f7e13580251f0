"""Analyzers of geometry: classes of answers in activations, groups of neurons in weights; light."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed, Derived, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option
from mi_modular_arithmetic.analyzers.declare_answers import PACKAGE, PAIRS
from mi_modular_arithmetic.analyzers.declare_circuit import NEURON_FREQUENCIES

_FUNCTIONS = f"{PACKAGE}.class_geometry"
_NOTHING = "missing where the site does not tell classes apart"

CLASS_CLOUDS = Derived(
    id="modular_arithmetic.class_clouds",
    version=1,
    function=f"{_FUNCTIONS}:transformer_clouds",
    sites=(
        Site("blocks.*.hook_resid_pre", -1),
        Site("blocks.*.hook_attn_out", -1),
        Site("blocks.*.mlp.hook_post", -1),
        Site("blocks.*.hook_resid_post", -1),
    ),
    context=("classes",),
)
NEURON_CLOUDS = evolve(
    CLASS_CLOUDS, function=f"{_FUNCTIONS}:neuron_clouds", sites=(Site("blocks.*.mlp.hook_post", -1),)
)

CLASS_GEOMETRY = Analyzer(
    id="modular_arithmetic.class_geometry",
    version=1,
    title="Geometry of the classes",
    description="How the classes of answers lie at each site of '=': centroids, their distance over the "
    "width of the classes, dimensions, distances by class difference, and the power of each circle, "
    "|Σ_c μ_c e^(-i w_k c)|². Classes are in group order.",
    function=f"{_FUNCTIONS}:class_geometry",
    probe=ProbeNeed(axes=PAIRS, complete=True, labels=True),
    derived=(CLASS_CLOUDS,),
    coordinates=f"{_FUNCTIONS}:coordinates",
    cost=f"{PACKAGE}.costs:class_geometry",
    outputs={
        "measures": Output(
            ("site", "measure"),
            description="spread: root mean square distance of centroids from their mean; snr: its square "
            "over mean squared radius; fisher_mean, fisher_least: |μ_c − μ_d|² / (r_c² + r_d²), mean and "
            "worst pair; centroid_dimension, cloud_dimension: participation ratio of the centroids, "
            "and of a class's rows, mean over classes; circularity: share of the variance of squared "
            "distances that the class difference explains. Missing where there is no width, or no "
            "class is told apart",
            gaps=True,
        ),
        "radius": Output(
            ("site", "residue"), description="root mean square distance of a class's rows to its centroid"
        ),
        "distance": Output(
            ("site", "residue"), description="|μ_c − μ_(c+d)|² by class difference d, mean over c"
        ),
        "circle_power": Output(
            ("site", "freq"),
            units="1",
            description=f"share of the centroids' variance on circles of frequency k; {_NOTHING}",
            gaps=True,
        ),
        "variance": Output(
            ("site", "component"),
            units="1",
            description=f"share of the centroids' variance in a principal component; {_NOTHING}",
            gaps=True,
        ),
        "score": Output(
            ("site", "residue", "component"), description="centroids in their own principal components"
        ),
        "axis": Output(
            ("site", "component", "channel"),
            description="their axes in the site's features, padded with 0 to the widest site",
        ),
    },
)

CLASS_POSITIONS = Analyzer(
    id="modular_arithmetic.class_positions",
    version=1,
    title="Centroids in a stable basis",
    description="The centroids of the classes on the reference checkpoint's principal axes, and on their own "
    "with the order, the signs and, where variances are within a quarter of one another, the directions "
    "nearest to the reference's.",
    function=f"{_FUNCTIONS}:class_positions",
    probe=ProbeNeed(axes=PAIRS, complete=True, labels=True),
    derived=(CLASS_CLOUDS,),
    artifacts=(
        ArtifactNeed(CLASS_GEOMETRY.id),
        ArtifactNeed(CLASS_GEOMETRY.id, at="reference"),
    ),
    coordinates=f"{_FUNCTIONS}:coordinates",
    cost=f"{PACKAGE}.costs:class_positions",
    outputs={
        "projected": Output(
            ("site", "residue", "component"), description="on the reference's principal axes"
        ),
        "aligned": Output(
            ("site", "residue", "component"), description="on their own, aligned with the reference's"
        ),
    },
)

_GROUP = "missing for a frequency without group"
GROUP_GEOMETRY = Analyzer(
    id="modular_arithmetic.group_geometry",
    version=1,
    title="Geometry of the frequency groups",
    description="What the neurons of one frequency read, the columns of W_in, as points: spread, dimension, "
    "principal components in a stable basis, and whether the third is a quadratic function of the first two. "
    "Groups are those of the last checkpoint, followed backwards.",
    function=f"{PACKAGE}.group_geometry:group_geometry",
    scope="trajectory",
    weights=True,
    artifacts=(ArtifactNeed(NEURON_FREQUENCIES.id, at="reference"),),
    options={
        "threshold": Option(
            type="float",
            default=0.7,
            minimum=0,
            maximum=1,
            description="a neuron belongs to its frequency's group where that holds this share of its energy "
            "at the end",
        ),
        "layer": Option(
            type="int",
            default=0,
            minimum=0,
            description="layer of the neurons: the one that neuron_frequencies looks at",
        ),
    },
    coordinates=f"{PACKAGE}.group_geometry:coordinates",
    cost=f"{PACKAGE}.costs:group_geometry",
    outputs={
        "measures": Output(
            ("epoch", "freq", "measure"),
            description="spread: root mean square distance from the group's mean; center: norm of the mean; "
            "dimension: participation ratio about it; captured: share of the variance on the last "
            "checkpoint's axes; r2, determinant: share of PC3 that a quadratic in PC1 and PC2 "
            "explains, and its 4ab − c² in units of standard deviations (missing below 7 neurons); "
            "r2_shared, determinant_shared: the same on the last checkpoint's axes, r2_linear what a "
            f"plane explains there; {_GROUP}",
            gaps=True,
        ),
        "member": Output(
            ("neuron",), dtype="int16", fill=-1, description="frequency of the neuron's group, 0 for none"
        ),
        "size": Output(
            ("freq",), dtype="int32", fill=-1, description="neurons of the group; 0 where fewer than 4"
        ),
        "share": Output(
            ("epoch", "freq", "component"),
            units="1",
            description=f"share of the group's variance in its own principal components; {_GROUP}",
            gaps=True,
        ),
        "position": Output(
            ("epoch", "neuron", "component"),
            description="on the last checkpoint's axes, about the group's mean; missing without group",
            gaps=True,
        ),
        "aligned": Output(
            ("epoch", "neuron", "component"),
            description="in its own principal components, aligned with the last checkpoint's; missing "
            "without group",
            gaps=True,
        ),
    },
)

GEOMETRY = (CLASS_GEOMETRY, CLASS_POSITIONS, GROUP_GEOMETRY)


def at_neurons_alone(analyzers: Iterable[Analyzer]) -> list[Analyzer]:
    """The same analyzers for a network whose one site with classes is its neurons."""
    return [
        evolve(one, derived=(NEURON_CLOUDS,)) if one.derived == (CLASS_CLOUDS,) else one for one in analyzers
    ]
