"""Visualizations of the gradient by frequency; light, like all declarations."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers.declare_gradients import GRADIENT_SPECTRUM, PLACES
from mi_modular_arithmetic.visualizations.declare_circuit import PACKAGE

GRADIENT_MAP = Visualization(
    id="modular_arithmetic.gradient_map",
    title="Frequencies of the gradient over training",
    description="Which frequencies the train loss pulls at, at one place. Their signs are lost: a bright row "
    "is pushed up or down. Where the loss and weight decay balance, it is the rows that are held up.",
    reads=(GRADIENT_SPECTRUM.id,),
    fields={"gradient": Field("image", dims=("freq", "epoch"), range=(0, None), static=True)},
    static=f"{PACKAGE}.gradients:map_static",
    figure=f"{PACKAGE}.gradients:map_figure",
    options={
        "place": Option(
            type="str",
            default="embedding",
            choices=PLACES,
            description="the embedding, the attention scores of '=', what neurons read, or the unembedding",
        ),
        "quantity": Option(
            type="str",
            default="share",
            choices=("share", "energy"),
            description="share of all frequencies' energy, or the energy itself",
        ),
    },
    x="epoch",
)

GRADIENT_COSINE = Visualization(
    id="modular_arithmetic.gradient_cosine",
    title="Does the gradient pull at what is there?",
    description="Cosine of the gradient's spectrum and the weights', place by place: 1 where it pulls at "
    "the frequencies that the weights hold, in their proportions; near initialization both are flat, and two "
    "flat spectra have a cosine near 1 too, so read it beside the map.",
    reads=(GRADIENT_SPECTRUM.id,),
    fields={"lines": Field("line", dims=("epoch",), value="output", range=(0, 1), units="1", static=True)},
    static=f"{PACKAGE}.gradients:cosine_static",
    figure=f"{PACKAGE}.gradients:cosine_figure",
    x="epoch",
)
