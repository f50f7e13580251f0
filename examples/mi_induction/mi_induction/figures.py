"""Visualizations of induction; light: functions are named, not imported."""

from __future__ import annotations

from mi import Field, Option, Visualization
from mi_induction.analyses import (
    COMPOSITION,
    DUPLICATE_TOKEN,
    FORMATION,
    HEAD_ABLATION,
    LOSS_BY_DEPTH,
    PATTERN,
)

LOSSES = Visualization(
    id="induction.losses",
    title="Losses, by what the row tells",
    description="On the repeat the loss falls abruptly; on all other targets it cannot fall below "
    "ln(vocabulary), the dotted line, since they are drawn at random.",
    losses=True,
    fields={"losses": Field("line", ("epoch",), value="repeat", range=(0, None), static=True, units="nats")},
    static="mi_induction.views:losses_static",
    figure="mi_induction.views:losses_figure",
    x="epoch",
)

FORMATION_LINES = Visualization(
    id="induction.formation",
    title="What comes first",
    description="Each from its value at the first checkpoint (0) to the last one (1): attention of layer 0 "
    "to the token before, how well its keys match the queries of layer 1, attention of layer 1 to what "
    "followed, and the loss on the repeat. A tick marks where a line passes one half.",
    reads=(FORMATION.id,),
    fields={
        "progress": Field("line", ("epoch",), value="loss", static=True, units="share of the way"),
        "rises": Field("points", ("event",), value="share", difference="none", static=True),
    },
    static="mi_induction.views:formation_static",
    figure="mi_induction.views:formation_figure",
    x="epoch",
)

DEPTH = Visualization(
    id="induction.loss_by_depth",
    title="Loss along the repeat",
    description="At the cursor. Depth 1 is the token with which the repeat begins; from depth 2 on the "
    "first copy tells the target. The dotted line is chance.",
    reads=(LOSS_BY_DEPTH.id,),
    fields={
        "loss": Field("line", ("depth of the match",), value="loss", range=(0, None), units="nats"),
        "chance": Field("line", ("depth of the match",), value="loss", static=True, units="nats"),
    },
    static="mi_induction.views:chance_static",
    frame="mi_induction.views:depth_frame",
    figure="mi_induction.views:depth_figure",
)

DEPTH_HISTORY = Visualization(
    id="induction.loss_by_depth_history",
    title="Loss along the repeat, over training",
    description="Mean loss of the targets of each depth of match: 0 new, 1 where the repeat begins.",
    reads=(LOSS_BY_DEPTH.id,),
    fields={"loss": Field("image", ("depth", "epoch"), range=(0, None), static=True, units="nats")},
    static="mi_induction.views:depth_history_static",
    figure="mi_induction.views:depth_history_figure",
    x="epoch",
)

ABLATION = Visualization(
    id="induction.head_ablation",
    title="Loss without each head",
    description="Rise of the loss on the repeat when one head writes its mean whatever it reads. Heads that "
    "do the same work hide one another: each can be spared as long as the other is there.",
    reads=(HEAD_ABLATION.id,),
    fields={"increase": Field("line", ("epoch",), value="L0H0", static=True, units="nats")},
    static="mi_induction.views:ablation_static",
    figure="mi_induction.views:ablation_figure",
    x="epoch",
)

DUPLICATE = Visualization(
    id="induction.duplicate_token_score",
    title="Attention to the same token",
    description="Share of its attention that each head gives to earlier places of the token it stands on.",
    reads=(DUPLICATE_TOKEN.id,),
    fields={"score": Field("line", ("epoch",), value="L0H0", range=(0, None), static=True, units="1")},
    static="mi_induction.views:duplicate_static",
    figure="mi_induction.views:duplicate_figure",
    x="epoch",
)

COMPOSITION_MAP = Visualization(
    id="induction.composition",
    title="Which heads compose",
    description="At the cursor, from the weights: how much more of what a head of layer 0 writes a head of "
    "layer 1 reads as its key (query, value) than if they knew nothing of one another; or the share of "
    "tokens that find themselves through the two. Nothing says that the pair is used.",
    reads=(COMPOSITION.id,),
    fields={
        "excess": Field("image", ("earlier", "later"), scale="symmetric", units="1"),
        "matching": Field("image", ("earlier", "later"), range=(0, 1), units="1"),
    },
    frame="mi_induction.views:composition_frame",
    figure="mi_induction.views:composition_figure",
    options={
        "show": Option(
            type="str",
            default="key",
            choices=("key", "query", "value", "matching"),
            description="read as key, query or value; or the share of tokens that find themselves",
        )
    },
)

PATTERN_OF_BEST = Visualization(
    id="induction.best_pattern",
    title="Attention of the best head",
    description="From which query (row) to which key (column), at the cursor, mean over the rows: the head "
    "that ends with the best score of its kind. A previous-token head fills the diagonal below the main one; "
    "a prefix-matching head runs along the first copy while the query runs along the second.",
    reads=(FORMATION.id, PATTERN),
    fields={"pattern": Field("image", ("query", "key"), range=(0, 1), units="1")},
    frame="mi_induction.views:pattern_frame",
    figure="mi_induction.views:pattern_figure",
    options={
        "score": Option(
            type="str",
            default="prefix",
            choices=("previous", "prefix"),
            description="previous-token score, in layer 0; or prefix-matching score, in layer 1",
        )
    },
)

VISUALIZATIONS = (
    LOSSES,
    FORMATION_LINES,
    PATTERN_OF_BEST,
    DEPTH,
    DEPTH_HISTORY,
    ABLATION,
    DUPLICATE,
    COMPOSITION_MAP,
)
