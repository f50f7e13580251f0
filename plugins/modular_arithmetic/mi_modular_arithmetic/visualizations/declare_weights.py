"""Visualizations of the weights' waves, of the whole circuit, and of single pairs and heads; light."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers import (
    ACCURACY_GRID,
    ATTENTION_PATTERN,
    ATTENTION_SCORES,
    FREQUENCY_BOARD,
    NEURON_TIMELINE,
    PAIR_PARTS,
    PHASE_ALIGNMENT,
)
from mi_modular_arithmetic.visualizations.declare_circuit import PACKAGE

_FREQUENCY = Option(type="int", default=0, minimum=0, description="one frequency's neurons; 0 for all")
_SHARE = Option(
    type="float",
    default=0.5,
    minimum=0,
    maximum=1,
    description="neurons count whose dominant frequency holds this share of what they read",
)
_HEAD = Option(type="int", default=0, minimum=0, role="selector", dim="head", description="attention head")


def _operand(name: str, default: int) -> Option:
    told = f"place of {name} in group order, which for a + b is {name} itself"
    return Option(type="int", default=default, minimum=0, role="selector", dim=name, description=told)


PHASE_SCATTER = Visualization(
    id="modular_arithmetic.phase_scatter",
    title="Phases of the neurons",
    description="The phase that each neuron writes against twice the phase that it reads, at the frequency "
    "that it reads most. On the diagonal a neuron's part of the logits points at the right answer.",
    reads=(PHASE_ALIGNMENT.id,),
    fields={
        "points": Field("points", dims=("neuron",), value="output", range=(-3.1416, 3.1416), units="rad")
    },
    frame=f"{PACKAGE}.phases:scatter_frame",
    figure=f"{PACKAGE}.phases:scatter_figure",
    options={"frequency": _FREQUENCY, "threshold": _SHARE},
)

MISALIGNMENT = Visualization(
    id="modular_arithmetic.misalignment",
    title="Misalignment of phases over training",
    description="|2φ − ψ| weighted by α²β, over all neurons and by frequency. Phases that have nothing to do "
    "with each other lie at π/2.",
    reads=(PHASE_ALIGNMENT.id,),
    fields={"lines": Field("line", dims=("epoch",), value="all", range=(0, 3.2), static=True, units="rad")},
    static=f"{PACKAGE}.phases:misalignment_static",
    figure=f"{PACKAGE}.phases:misalignment_figure",
    x="epoch",
)

PHASE_SPREAD = Visualization(
    id="modular_arithmetic.phase_spread",
    title="Spread of phases over training",
    description="|mean e^(inφ)| over the neurons of a frequency: near 0 for n = 1, 2 and 4 where their "
    "phases are spread evenly, as cancelling all other terms takes. A small group is far from 0 by chance.",
    reads=(PHASE_ALIGNMENT.id,),
    fields={"spread": Field("line", dims=("epoch",), value="n = 1", range=(0, 1), static=True, units="1")},
    static=f"{PACKAGE}.phases:spread_static",
    figure=f"{PACKAGE}.phases:spread_figure",
    options={"frequency": _FREQUENCY},
    x="epoch",
)

LOCALIZATION = Visualization(
    id="modular_arithmetic.localization",
    title="Localization of neurons over training",
    description="Inverse participation ratio of what neurons read: 1 for one frequency alone, 1/m for m "
    "alike; and the share of neurons whose dominant frequency holds the threshold.",
    reads=(PHASE_ALIGNMENT.id,),
    fields={"lines": Field("line", dims=("epoch",), value="mean IPR", range=(0, 1), static=True, units="1")},
    static=f"{PACKAGE}.phases:localization_static",
    figure=f"{PACKAGE}.phases:localization_figure",
    options={"threshold": _SHARE},
    x="epoch",
)

WEIGHT_WAVES = Visualization(
    id="modular_arithmetic.weight_waves",
    title="Frequencies in the neurons' weights",
    description="Amplitude of each frequency in what a neuron reads or writes, at the cursor; neurons in "
    "their final order.",
    reads=(PHASE_ALIGNMENT.id, NEURON_TIMELINE.id),
    fields={"amplitude": Field("image", dims=("place", "freq"), range=(0, None))},
    frame=f"{PACKAGE}.phases:waves_frame",
    figure=f"{PACKAGE}.phases:waves_figure",
    options={
        "side": Option(
            type="str", default="read", choices=("read", "written"), description="what it reads, or writes"
        )
    },
)

BOARD = Visualization(
    id="modular_arithmetic.frequency_board",
    title="Frequencies along the circuit",
    description="Energy share of each frequency in the embedding, the attention scores, what neurons read "
    "and write, and the logits, one under the other: where a frequency comes in, and where it ends.",
    reads=(FREQUENCY_BOARD.id,),
    fields={
        "board": Field(
            "line", dims=("epoch",), value="logits|all others", range=(0, 1), static=True, units="1"
        )
    },
    static=f"{PACKAGE}.board:board_static",
    figure=f"{PACKAGE}.board:board_figure",
    options={
        "least": Option(
            type="float",
            default=0.05,
            minimum=0,
            maximum=1,
            description="frequencies have a line that end with this share at some station",
        )
    },
    x="epoch",
)

STATIONS = Visualization(
    id="modular_arithmetic.frequency_stations",
    title="Frequencies along the circuit at the cursor",
    description="Energy share by frequency at each station. Columns that go all the way are circuits.",
    reads=(FREQUENCY_BOARD.id,),
    fields={"stations": Field("image", dims=("", "freq"), range=(0, None), units="1")},
    frame=f"{PACKAGE}.board:stations_frame",
    figure=f"{PACKAGE}.board:stations_figure",
)

PAIR_TRACE = Visualization(
    id="modular_arithmetic.pair_trace",
    title="One pair over training",
    description="Margin and right logit of one pair (a, b), and how much of the right logit each frequency "
    "gives; what is left is shared by no other pair of the class: memorization, mostly.",
    reads=(PAIR_PARTS.id, ACCURACY_GRID.id),
    fields={"trace": Field("line", dims=("epoch",), value="margin", static=True, units="logit")},
    static=f"{PACKAGE}.trace:trace_static",
    figure=f"{PACKAGE}.trace:trace_figure",
    options={"a": _operand("a", 1), "b": _operand("b", 2)},
    x="epoch",
)

SCORES = Visualization(
    id="modular_arithmetic.attention_scores",
    title="Scores from '='",
    description="The scores that one head's '=' gives to each number at either operand's position, and to "
    "itself; their softmax is its attention.",
    reads=(ATTENTION_SCORES.id,),
    fields={"scores": Field("line", dims=("residue",), value="a")},
    frame=f"{PACKAGE}.trace:scores_frame",
    figure=f"{PACKAGE}.trace:scores_figure",
    options={"head": _HEAD},
)

ATTENTION_HISTORY = Visualization(
    id="modular_arithmetic.attention_history",
    title="Frequencies of the attention over training",
    description="Share of each frequency in one head's scores, in what it writes into the neurons (its OV "
    "circuit), or in its attention over pairs.",
    reads=(ATTENTION_SCORES.id, ATTENTION_PATTERN.id),
    fields={"history": Field("image", dims=("freq", "epoch"), range=(0, 1), static=True, units="1")},
    static=f"{PACKAGE}.trace:history_static",
    figure=f"{PACKAGE}.trace:history_figure",
    options={
        "of": Option(
            type="str",
            default="written",
            choices=("written", "scores", "pattern"),
            description="W_E W_V W_O W_in, the scores, or the attention",
        ),
        "head": _HEAD,
        "position": Option(
            type="str", default="a", choices=("a", "b", "="), description="position that '=' looks at"
        ),
    },
    x="epoch",
)
