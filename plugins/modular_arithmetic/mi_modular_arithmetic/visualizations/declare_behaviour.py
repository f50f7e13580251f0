"""Visualizations of attention, answers and weights; light, like all declarations."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers import (
    ACCURACY_GRID,
    ATTENTION_PATTERN,
    ATTENTION_SCORES,
    EFFECTIVE_DIMENSION,
    GRADUATION,
    PROGRESS_MEASURES,
)
from mi_modular_arithmetic.visualizations.declare_circuit import PACKAGE

_HEAD = Option(type="int", default=0, minimum=0, role="selector", dim="head", description="attention head")

_LAYER = Option(
    type="int", default=-1, minimum=-16, description="layer, from 0, or from the last as -1; W_E is of none"
)


def _position(default: str) -> Option:
    return Option(
        type="str", default=default, choices=("a", "b", "="), description="position that '=' looks at"
    )


PATTERN_MAP = Visualization(
    id="modular_arithmetic.attention_pattern",
    title="Attention from '='",
    description="Attention of one head from '=' to a position, for every pair. Stripes that run with one "
    "operand mean "
    "that the head reads it by its value.",
    reads=(ATTENTION_SCORES.id,),
    fields={"pattern": Field("image", dims=("b", "a"), range=(0, 1), units="1")},
    frame=f"{PACKAGE}.attention:pattern_frame",
    figure=f"{PACKAGE}.attention:pattern_figure",
    options={"head": _HEAD, "position": _position("a")},
)

MEAN_ATTENTION = Visualization(
    id="modular_arithmetic.mean_attention",
    title="Mean attention over training",
    description="Each head's attention from '=' to a position, averaged over all pairs.",
    reads=(ATTENTION_PATTERN.id,),
    fields={"mean": Field("line", dims=("epoch",), value="head 0", range=(0, 1), static=True, units="1")},
    static=f"{PACKAGE}.attention:mean_static",
    figure=f"{PACKAGE}.attention:mean_figure",
    options={"position": _position("=")},
    x="epoch",
)

ATTENTION_SPECTRUM = Visualization(
    id="modular_arithmetic.attention_spectrum",
    title="Frequencies of the attention",
    description="Energy share by frequency of the scores that '=' gives to numbers, or of what each head "
    "writes into "
    "the neurons.",
    reads=(ATTENTION_SCORES.id,),
    fields={"spectrum": Field("image", dims=("", "freq"), range=(0, None), units="1")},
    frame=f"{PACKAGE}.attention:spectrum_frame",
    figure=f"{PACKAGE}.attention:spectrum_figure",
    options={
        "of": Option(
            type="str",
            default="scores",
            choices=("scores", "written"),
            description="scores from '=', or W_E W_V W_O W_in",
        )
    },
)

ACCURACY = Visualization(
    id="modular_arithmetic.accuracy_grid",
    title="Answers by pair",
    description="Every pair at the cursor; dots mark training pairs, unless the options say otherwise.",
    reads=(ACCURACY_GRID.id,),
    fields={
        "margin": Field("image", dims=("b", "a"), scale="symmetric", units="logit"),
        "share": Field("image", dims=("b", "a"), range=(0, 1), units="1"),
        "marks": Field("points", dims=("row",), value="a", difference="none", static=True),
    },
    static=f"{PACKAGE}.answers:grid_static",
    frame=f"{PACKAGE}.answers:grid_frame",
    figure=f"{PACKAGE}.answers:grid_figure",
    options={
        "quantity": Option(
            type="str",
            default="p_correct",
            choices=("p_correct", "margin", "correct"),
            description="probability of the right answer, its margin over the best other, or whether it is "
            "given",
        ),
        "mark": Option(
            type="str",
            default="train",
            choices=("train", "test", "none"),
            description="pairs that are dotted",
        ),
    },
)

RESIDUES = Visualization(
    id="modular_arithmetic.residue_accuracy",
    title="Accuracy by right answer",
    description="Accuracy at the cursor over the pairs that share a right answer.",
    reads=(ACCURACY_GRID.id,),
    fields={"accuracy": Field("bars", dims=("residue",), range=(0, 1), units="1")},
    frame=f"{PACKAGE}.answers:residue_frame",
    figure=f"{PACKAGE}.answers:residue_figure",
    options={
        "pairs": Option(type="str", default="test", choices=("test", "all"), description="pairs that count")
    },
)

GRADUATION_MAP = Visualization(
    id="modular_arithmetic.graduation",
    title="When each pair was learned",
    description="Epoch of the first of several consecutive checkpoints that answer the pair right; hatched "
    "for never.",
    reads=(GRADUATION.id,),
    fields={"graduation": Field("image", dims=("b", "a"), static=True, units="epoch")},
    static=f"{PACKAGE}.answers:graduation_static",
    figure=f"{PACKAGE}.answers:graduation_figure",
)

DIMENSION = Visualization(
    id="modular_arithmetic.effective_dimension",
    title="Effective dimension of the weights",
    description="How many dimensions each matrix uses, W_QK and W_OV on the mean of heads. A circuit of few "
    "frequencies needs two for each, the dotted line.",
    reads=(EFFECTIVE_DIMENSION.id, PROGRESS_MEASURES.id),
    fields={"dimension": Field("line", dims=("epoch",), value="W_E", range=(0, None), static=True)},
    static=f"{PACKAGE}.dimension:dimension_static",
    figure=f"{PACKAGE}.dimension:dimension_figure",
    options={
        "measure": Option(
            type="str",
            default="participation_ratio",
            choices=("participation_ratio", "stable_rank", "entropy_rank"),
            description="(Σs²)²/Σs⁴, Σs²/max s², or exp of the entropy of s/Σs",
        ),
        "layer": _LAYER,
    },
    x="epoch",
)

SINGULAR_VALUES = Visualization(
    id="modular_arithmetic.singular_values",
    title="Singular values of the weights",
    description="Singular values at the cursor, from the largest. W_QK and W_OV are those of one head.",
    reads=(EFFECTIVE_DIMENSION.id,),
    fields={"values": Field("line", dims=("rank",), value="W_E", range=(0, None))},
    frame=f"{PACKAGE}.dimension:singular_frame",
    figure=f"{PACKAGE}.dimension:singular_figure",
    options={"head": _HEAD, "layer": _LAYER},
)

SINGULAR_HISTORY = Visualization(
    id="modular_arithmetic.singular_history",
    title="Singular values over training",
    description="Singular values of one matrix, the largest at the bottom, on a logarithmic scale. Where a "
    "matrix is cleaned up, a gap opens above the ranks that its circuit uses.",
    reads=(EFFECTIVE_DIMENSION.id,),
    fields={"history": Field("image", ("rank", "epoch"), scale="log", static=True)},
    static=f"{PACKAGE}.dimension:history_static",
    figure=f"{PACKAGE}.dimension:history_figure",
    options={
        "matrix": Option(
            type="str",
            default="W_OV.0",
            role="selector",
            dim="matrix",
            description="matrix; W_QK and W_OV with their head",
        )
    },
    x="epoch",
)

CROSSOVERS = Visualization(
    id="modular_arithmetic.dimension_crossovers",
    title="When one matrix came to use fewer dimensions than another",
    description="The checkpoint from which the row's matrix uses fewer dimensions than the column's, to the "
    "end; the last column compares with two for each key frequency. Missing where it never did, or always. "
    "Lines that cross by less than they wobble have no date; look at them too.",
    reads=(EFFECTIVE_DIMENSION.id, PROGRESS_MEASURES.id),
    fields={"crossing": Field("image", ("matrix", "than"), units="epoch", static=True)},
    static=f"{PACKAGE}.dimension:crossing_static",
    figure=f"{PACKAGE}.dimension:crossing_figure",
    options=DIMENSION.options,
)
