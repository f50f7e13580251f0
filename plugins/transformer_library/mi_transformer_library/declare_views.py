"""Visualizations; light, like all declarations. Each says what it tells and when it misleads."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_transformer_library.declare_heads import ATTENTION_PATTERN, COPYING, PREFIX_MATCHING, PREVIOUS_TOKEN
from mi_transformer_library.declare_logits import DIRECT_LOGIT_ATTRIBUTION, LOGIT_LENS, POSITION_LOSS
from mi_transformer_library.declare_patching import ACTIVATION_PATCHING

_HEADS, _LOGITS, _PATCHING = (
    f"mi_transformer_library.{name}" for name in ("view_heads", "view_logits", "view_patching")
)
_LAYER = Option(type="int", default=0, minimum=0, role="selector", dim="layer", description="layer, from 0")
_HEAD = Option(type="int", default=0, minimum=0, role="selector", dim="head", description="head, from 0")

PATTERN_VIEW = Visualization(
    id=ATTENTION_PATTERN.id,
    title="Attention pattern",
    description="From which query (row) a head attends to which key (column), at the cursor. A mean over "
    "rows shows what depends on position; what depends on the tokens is blurred in it, so look "
    "at one row too. Attention says where a head looks, not what it does with it.",
    reads=(ATTENTION_PATTERN.id,),
    fields={"pattern": Field("image", dims=("query", "key"), range=(0, 1), units="1")},
    frame=f"{_HEADS}:pattern_frame",
    figure=f"{_HEADS}:pattern_figure",
    options={"layer": _LAYER, "head": _HEAD},
)


def _scores(id: str, title: str, says: str, low: float) -> tuple[Visualization, Visualization]:
    """Two visualizations of a score per head: all heads at the cursor, and each over training."""
    scale = "symmetric" if low < 0 else "linear"
    grid = Visualization(
        id=id,
        title=title,
        description=f"{says} Every head at the cursor.",
        reads=(id,),
        fields={"score": Field("image", dims=("layer", "head"), scale=scale, range=(low, 1), units="1")},
        frame=f"{_HEADS}:score_frame",
        figure=f"{_HEADS}:score_figure",
    )
    history = Visualization(
        id=f"{id}_history",
        title=f"{title} over training",
        description=f"{says} One row a head.",
        reads=(id,),
        fields={
            "history": Field(
                "image", dims=("layer and head", "epoch"), scale=scale, range=(low, 1), static=True, units="1"
            )
        },
        static=f"{_HEADS}:history_static",
        figure=f"{_HEADS}:history_figure",
        x="epoch",
    )
    return grid, history


SCORES = (
    *_scores(
        PREVIOUS_TOKEN.id,
        "Previous-token score",
        "Mean attention to the token before. It misleads where rows are short: a head that spreads its "
        "attention evenly over n positions scores the mean of 1/i, not 0.",
        0,
    ),
    *_scores(
        PREFIX_MATCHING.id,
        "Prefix-matching score",
        "Mean attention to what followed earlier occurrences of the present token; an induction head's "
        "mark. It says where a head looks, not that it copies (see the copying score), and means little on "
        "rows whose repeats a fixed distance would find too.",
        0,
    ),
    *_scores(
        COPYING.id,
        "Copying score",
        "Whether attending to a token raises that token's logit. Read from weights alone: LayerNorm, other "
        "layers and whether the head ever attends are left out, and a head that does nothing scores as "
        "well.",
        -1,
    ),
)

LOSS_VIEW = Visualization(
    id=POSITION_LOSS.id,
    title="Loss by position",
    description="Mean cross-entropy at each position, at the cursor. A fall along the row is what the "
    "context is worth; rows whose tokens differ in difficulty by position (a fixed first "
    "token) make steps of their own.",
    reads=(POSITION_LOSS.id,),
    fields={"loss": Field("line", dims=("position",), value="loss", range=(0, None), units="nats")},
    frame=f"{_LOGITS}:loss_frame",
    figure=f"{_LOGITS}:loss_figure",
)

LOSS_HISTORY = Visualization(
    id=f"{POSITION_LOSS.id}_history",
    title="Loss by position over training",
    description="Mean cross-entropy at each position and checkpoint: what is learned from context appears "
    "as a dark region at late positions.",
    reads=(POSITION_LOSS.id,),
    fields={
        "history": Field("image", dims=("position", "epoch"), range=(0, None), static=True, units="nats")
    },
    static=f"{_LOGITS}:loss_history_static",
    figure=f"{_LOGITS}:loss_history_figure",
    x="epoch",
)

LENS_VIEW = Visualization(
    id=LOGIT_LENS.id,
    title="Logit lens",
    description="What the right answer is worth when the residual stream before a layer is decoded as if "
    "it were the last, at the cursor. Early layers may hold the answer in another basis: a bad "
    "value there does not say that it is absent.",
    reads=(LOGIT_LENS.id,),
    fields={"lens": Field("image", dims=("stage", "position"), range=(0, None))},
    frame=f"{_LOGITS}:lens_frame",
    figure=f"{_LOGITS}:lens_figure",
    options={
        "quantity": Option(
            type="str",
            default="loss",
            choices=("loss", "probability", "rank"),
            description="cross-entropy, probability or rank of the right answer",
        )
    },
)

ATTRIBUTION_VIEW = Visualization(
    id=DIRECT_LOGIT_ATTRIBUTION.id,
    title="Direct logit attribution",
    description="What each component writes towards the right answer, at the cursor; bars sum to the right "
    "logit minus the mean one. Only direct effects: a head that others build on may have no "
    "bar, and two large opposite bars may be one mechanism that cancels.",
    reads=(DIRECT_LOGIT_ATTRIBUTION.id,),
    fields={"bars": Field("bars", dims=("component",), value="contribution", units="logit")},
    frame=f"{_LOGITS}:attribution_frame",
    figure=f"{_LOGITS}:attribution_figure",
)

ATTRIBUTION_HISTORY = Visualization(
    id=f"{DIRECT_LOGIT_ATTRIBUTION.id}_history",
    title="Direct logit attribution over training",
    description="Each component's contribution to the right logit minus the mean one, at every checkpoint; "
    "direct effects alone.",
    reads=(DIRECT_LOGIT_ATTRIBUTION.id,),
    fields={
        "history": Field("image", dims=("component", "epoch"), scale="symmetric", static=True, units="logit")
    },
    static=f"{_LOGITS}:attribution_history_static",
    figure=f"{_LOGITS}:attribution_history_figure",
    x="epoch",
)

PATCHING_VIEW = Visualization(
    id=ACTIVATION_PATCHING.id,
    title="Activation patching",
    description="Where the clean row's answer is: 1 where one clean activation in the corrupt pass brings "
    "the whole logit difference back, 0 where nothing, at the cursor. It is about these two "
    "rows; before the network tells them apart (see its clean and corrupt difference) the "
    "quotient is noise.",
    reads=(ACTIVATION_PATCHING.id,),
    fields={
        "recovery": Field("image", dims=("layer", "position"), scale="symmetric", range=(-1, 1), units="1")
    },
    frame=f"{_PATCHING}:recovery_frame",
    figure=f"{_PATCHING}:recovery_figure",
    options={
        "kind": Option(
            type="str",
            default="residual",
            choices=("residual", "attention", "mlp"),
            description="the residual stream before a layer, or what its attention or MLP writes",
        )
    },
)

PATCHING_HEADS = Visualization(
    id=f"{ACTIVATION_PATCHING.id}_heads",
    title="Activation patching by head",
    description="The same for the output of single heads of one layer. Heads that do one thing together "
    "each recover little.",
    reads=(ACTIVATION_PATCHING.id,),
    fields={
        "recovery": Field("image", dims=("head", "position"), scale="symmetric", range=(-1, 1), units="1")
    },
    frame=f"{_PATCHING}:heads_frame",
    figure=f"{_PATCHING}:heads_figure",
    options={"layer": _LAYER},
)

VISUALIZATIONS = (
    PATTERN_VIEW,
    *SCORES,
    LOSS_VIEW,
    LOSS_HISTORY,
    LENS_VIEW,
    ATTRIBUTION_VIEW,
    ATTRIBUTION_HISTORY,
    PATCHING_VIEW,
    PATCHING_HEADS,
)
