"""What this distribution contributes to `mi`: the spectrum of a weight matrix over a cyclic axis.

Light, so that listing plugins costs no second. It knows no task: a family.json names the weight and
the axis.
"""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.output import Output
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi.hookspecs import hookimpl

WEIGHT_SPECTRUM = Analyzer(
    id="fourier_library.weight_spectrum",
    version=2,
    title="Frequencies of a weight matrix",
    description="Energy of a weight matrix in each frequency of a cyclic axis.",
    function="mi_fourier_library.weight_spectrum:weight_spectrum",
    weights=True,
    coordinates="mi_fourier_library.weight_spectrum:coordinates",
    options={
        "weight": Option(type="str", default="W_E", description="name of the weight"),
        "along": Option(type="int", default=0, description="the weight's dimension that is cyclic"),
        "axis": Option(
            type="str",
            default="",
            description="the probe's axis or the family's dimension whose coordinates are the "
            "indices of the group's elements along the weight, in group order; when empty, the "
            "dimension `element`, or else the probe's first axis",
        ),
    },
    outputs={
        "energy": Output(
            ("freq",), description="|cos_k·W|² + |sin_k·W|², summed over the other dimension"
        ),
        "share": Output(
            ("freq",), units="1", description="energy of frequency k over that of all frequencies"
        ),
        "gini": Output(
            (), units="1", description="Gini coefficient of the energies: 0 when all are equal"
        ),
    },
)

_QUANTITY = {
    "quantity": Option(
        type="str",
        default="share",
        choices=("share", "energy"),
        description="share of all frequencies' energy, or the energy itself",
    )
}

SPECTRUM = Visualization(
    id="fourier_library.weight_spectrum",
    title="Frequencies of a weight matrix",
    description="Energy in each frequency at the cursor. Noise shows about the same everywhere; "
    "a circuit made of few frequencies leaves few bars.",
    reads=(WEIGHT_SPECTRUM.id,),
    fields={"spectrum": Field("bars", dims=("freq",), range=(0, None))},
    frame="mi_fourier_library.views:spectrum_frame",
    figure="mi_fourier_library.views:spectrum_figure",
    options=_QUANTITY,
)

HISTORY = Visualization(
    id="fourier_library.weight_spectrum_history",
    title="Frequencies of a weight matrix over training",
    description="Energy in each frequency at every checkpoint.",
    reads=(WEIGHT_SPECTRUM.id,),
    fields={"history": Field("image", dims=("freq", "epoch"), range=(0, None), static=True)},
    static="mi_fourier_library.views:history_static",
    figure="mi_fourier_library.views:history_figure",
    options=_QUANTITY,
    x="epoch",
)


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Offered to every family."""
    return [WEIGHT_SPECTRUM]


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Offered to every family."""
    return [SPECTRUM, HISTORY]
