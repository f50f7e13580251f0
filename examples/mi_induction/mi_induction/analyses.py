"""Analyzers of induction; light: functions are named, not imported.

What any transformer can be asked is the library's, `transformer_library`; here is what takes a word of
repeats.
"""

from __future__ import annotations

from mi import Analyzer, ArtifactNeed, Output, Site

LOSS_BY_DEPTH = Analyzer(
    id="induction.loss_by_depth",
    version=2,
    title="Loss by depth of the match",
    description="Loss of targets by how many tokens, the target last, have stood in this order earlier in "
    "the row: 0 for a new token, 1 where a repeat begins, from 2 on the row tells the target.",
    function="mi_induction.behaviour:loss_by_depth",
    sites=(Site("unembed.hook_out"),),
    coordinates="mi_induction.behaviour:depths",
    outputs={
        "loss": Output(("depth",), units="nats", gaps=True, description="mean over these targets"),
        "in_context_score": Output(
            (),
            units="nats",
            gaps=True,
            description="late minus early in the repeat: mean over deeper half, less that where it begins",
        ),
    },
)

DUPLICATE_TOKEN = Analyzer(
    id="induction.duplicate_token_score",
    version=2,
    title="Duplicate-token score",
    description="Attention of tokens that have stood earlier in the row to the places where they have, all "
    "of them together: 1 for a head that looks at nothing else.",
    function="mi_induction.behaviour:duplicate_token_score",
    sites=(Site("blocks.0.attn.hook_pattern"), Site("blocks.1.attn.hook_pattern")),
    outputs={
        "score": Output(("layer", "head"), units="1", gaps=True, description="mean over rows and positions")
    },
)

HEAD_ABLATION = Analyzer(
    id="induction.head_ablation",
    version=2,
    title="Loss without each head",
    description="How much the loss on the repeat rises when a head writes its mean over the probe's rows, at "
    "each position, whatever it reads: what the head is used for, where a score tells only what it does.",
    function="mi_induction.behaviour:head_ablation",
    sites=(
        Site("unembed.hook_out"),
        Site("blocks.0.attn.hook_z"),
        Site("blocks.1.attn.hook_z"),
    ),
    model=True,
    outputs={
        "increase": Output(("layer", "head"), units="nats", description="on targets that the row tells")
    },
)

COMPOSITION = Analyzer(
    id="induction.composition",
    version=1,
    title="Composition of heads",
    description="How much of what a head of layer 0 writes is read by a head of layer 1 as its query, key or "
    "value: ‖A B‖ / (‖A‖ ‖B‖), Elhage et al. 2021. Matrices that know nothing of one another give "
    "1 / sqrt(d_model).",
    function="mi_induction.weights:composition",
    weights=True,
    coordinates="mi_induction.weights:coordinates",
    outputs={
        "score": Output(
            ("read_as", "earlier", "later"), units="1", description="heads of layer 0 by heads of layer 1"
        ),
        "matching": Output(
            ("earlier", "later"),
            units="1",
            description="share of tokens that, as queries, score highest where the earlier head has written "
            "this same token into the key",
        ),
    },
)

PATTERN = "transformer_library.attention_pattern"
PREVIOUS, PREFIX = "transformer_library.previous_token_score", "transformer_library.prefix_matching_score"

_PARTS = {
    "previous": "attention to the token before, all heads of layer 0 together",
    "matching": "matching of keys and queries, the best pair of heads",
    "prefix": "attention to what followed, all heads of layer 1 together",
    "loss": "fall of the loss on the repeat",
}

FORMATION = Analyzer(
    id="induction.formation",
    version=1,
    title="Formation of induction",
    description="When the loss on the repeat falls fastest, and when each part of the circuit has risen "
    "half-way: progress is (x - first) / (last - first).",
    function="mi_induction.formation:formation",
    scope="trajectory",
    artifacts=(
        ArtifactNeed(LOSS_BY_DEPTH.id, at="all"),
        ArtifactNeed(COMPOSITION.id, at="all"),
        ArtifactNeed(PREVIOUS, at="all"),
        ArtifactNeed(PREFIX, at="all"),
    ),
    outputs={
        **{
            f"progress_{name}": Output(("epoch",), units="1", gaps=True, description=text)
            for name, text in _PARTS.items()
        },
        **{
            f"rise_{name}": Output(
                (), units="epoch", gaps=True, description=f"from here progress_{name} stays above one half"
            )
            for name in _PARTS
        },
        "lag": Output((), units="epoch", gaps=True, description="rise_prefix less rise_previous"),
        "bump": Output(
            (), units="epoch", gaps=True, description="middle of the steepest fall of the loss on the repeat"
        ),
        "head_previous": Output(
            (), dtype="int32", fill=-1, description="head of layer 0 that ends with the best score"
        ),
        "head_prefix": Output(
            (), dtype="int32", fill=-1, description="head of layer 1 that ends with the best score"
        ),
    },
)

ANALYZERS = (LOSS_BY_DEPTH, DUPLICATE_TOKEN, HEAD_ABLATION, COMPOSITION, FORMATION)
