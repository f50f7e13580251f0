"""Analyzers of attention heads: what they look at, and what they copy; light, like all declarations."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.output import Output
from mi.domain.values import Option

_ATTENTION = "mi_transformer_library.attention"
_PATTERN = {
    "pattern": Option(
        type="str",
        default="blocks.*.attn.hook_pattern",
        description="sites of the attention patterns, (rows, head, query, key) each",
    )
}
_SCORE = ("layer", "head")

ATTENTION_PATTERN = Analyzer(
    id="transformer_library.attention_pattern",
    version=2,
    title="Attention patterns",
    description="How much each position attends to each, by layer and head: the mean over the probe's "
    "rows, or one row.",
    function=f"{_ATTENTION}:AttentionPattern",
    streaming=True,
    site_options=("pattern",),
    options=_PATTERN
    | {
        "row": Option(
            type="int", default=-1, minimum=-1, description="a row of the probe; -1 for the mean over all"
        )
    },
    coordinates=f"{_ATTENTION}:pattern_coordinates",
    outputs={
        "pattern": Output(
            (*_SCORE, "query", "key"),
            units="1",
            description="attention from query to key; sums to 1 over keys",
        )
    },
)

PREVIOUS_TOKEN = Analyzer(
    id="transformer_library.previous_token_score",
    version=2,
    title="Previous-token score",
    description="Mean attention from each position to the one before it.",
    function=f"{_ATTENTION}:PreviousTokenScore",
    streaming=True,
    site_options=("pattern",),
    options=_PATTERN,
    coordinates=f"{_ATTENTION}:previous_coordinates",
    outputs={
        "score": Output(_SCORE, units="1", description="mean over rows and positions from the second on")
    },
)

PREFIX_MATCHING = Analyzer(
    id="transformer_library.prefix_matching_score",
    version=2,
    title="Prefix-matching score",
    description="Mean attention from a token that occurred before to whatever followed its earlier "
    "occurrences (Olsson et al. 2022); high for induction heads.",
    function=f"{_ATTENTION}:PrefixMatchingScore",
    streaming=True,
    site_options=("pattern",),
    options=_PATTERN
    | {
        "ignore": Option(
            type="int",
            default=-1,
            minimum=-1,
            description="a token whose repetition does not count, such as the beginning of a sequence; -1 "
            "for none",
        )
    },
    coordinates=f"{_ATTENTION}:prefix_coordinates",
    outputs={"score": Output(_SCORE, units="1", description="mean over queries whose token occurred before")},
)

COPYING = Analyzer(
    id="transformer_library.copying_score",
    version=1,
    title="Copying score",
    description="Sum of the eigenvalues of W_E W_V W_O W_U over the sum of their moduli (Elhage et al. "
    "2021): 1 where attending to a token raises that token's own logit. LayerNorm is left out.",
    function="mi_transformer_library.copying:copying_score",
    model=True,
    coordinates="mi_transformer_library.copying:coordinates",
    outputs={
        "score": Output(
            _SCORE,
            units="1",
            description="-1 to 1; positive: copies; missing for a circuit of zeros",
            gaps=True,
        )
    },
)

HEADS = (ATTENTION_PATTERN, PREVIOUS_TOKEN, PREFIX_MATCHING, COPYING)
