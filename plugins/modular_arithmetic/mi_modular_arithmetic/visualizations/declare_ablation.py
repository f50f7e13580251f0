"""Visualizations of ablation; light, like all declarations."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers.declare_ablation import (
    FREQUENCY_ABLATION,
    HEAD_ABLATION,
    PLACES,
    SETS,
)
from mi_modular_arithmetic.visualizations.declare_circuit import PACKAGE

_WHAT = {
    "measure": Option(
        type="str", default="loss", choices=("loss", "accuracy"), description="what changes without it"
    ),
    "pairs": Option(type="str", default="test", choices=SETS[::-1], description="pairs that count"),
}
_WHERE = {
    "place": Option(
        type="str",
        default="logits",
        choices=PLACES,
        description="where it is taken out: the embedding, the neurons' part of the logits, the logits "
        "(all directions of the frequency, or r_k alone), or its neurons, held at their means",
    )
}

ABLATION_MAP = Visualization(
    id="modular_arithmetic.ablation_map",
    title="Ablation of frequencies over training",
    description="Change of loss or accuracy when a frequency is taken out, at the checkpoints that were "
    "ablated. A frequency that is present and costs nothing to lose is not used; where the loss falls, it "
    "was in the way.",
    reads=(FREQUENCY_ABLATION.id,),
    fields={"change": Field("image", dims=("freq", "epoch"), scale="symmetric", static=True)},
    static=f"{PACKAGE}.ablation:map_static",
    figure=f"{PACKAGE}.ablation:map_figure",
    options=_WHERE | _WHAT,
    x="epoch",
)

ABLATION_BARS = Visualization(
    id="modular_arithmetic.ablation_bars",
    title="Ablation of frequencies",
    description="Change of loss or accuracy without each frequency at the cursor, in the colour of the "
    "frequency.",
    reads=(FREQUENCY_ABLATION.id,),
    fields={"bars": Field("bars", dims=("freq",))},
    frame=f"{PACKAGE}.ablation:bars_frame",
    figure=f"{PACKAGE}.ablation:bars_figure",
    options=_WHERE | _WHAT,
)

HEADS = Visualization(
    id="modular_arithmetic.head_ablation",
    title="Ablation of heads over training",
    description="Change of loss or accuracy when one head writes its mean over all pairs. Heads that make up "
    "for one another each look dispensable alone.",
    reads=(HEAD_ABLATION.id,),
    fields={"heads": Field("line", dims=("epoch",), value="head 0", static=True)},
    static=f"{PACKAGE}.ablation:heads_static",
    figure=f"{PACKAGE}.ablation:heads_figure",
    options=_WHAT,
    x="epoch",
)
