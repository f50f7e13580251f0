"""Analyzers of what the logits owe to whom: loss by position, logit lens, direct logit attribution."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option

TARGET = {
    "target": Option(
        type="str",
        default="auto",
        choices=("auto", "next_token", "label"),
        description="the right answer: the next token at every position, or the row's label at the last one; "
        "auto: the label where the probe has labels",
    )
}
READ_LOGITS = {
    "logits": Option(
        type="str", default="unembed.hook_out", description="site of the logits, (rows, position, token)"
    )
}
_RESID_PRE, _RESID_POST = Site("blocks.*.hook_resid_pre"), Site("blocks.*.hook_resid_post")

POSITION_LOSS = Analyzer(
    id="transformer_library.position_loss",
    version=2,
    title="Loss by position",
    description="Mean cross-entropy of the right answer at each position: what context is worth.",
    function="mi_transformer_library.losses:PositionLoss",
    streaming=True,
    site_options=("logits",),
    options=TARGET | READ_LOGITS,
    coordinates="mi_transformer_library.losses:coordinates",
    outputs={
        "loss": Output(
            ("position",), units="nats", description="mean over rows; position i predicts token i + 1"
        ),
        "overall": Output((), units="nats", description="mean over rows and positions"),
    },
)

LOGIT_LENS = Analyzer(
    id="transformer_library.logit_lens",
    version=3,
    title="Logit lens",
    description="What the network would answer if it stopped there: the residual stream before each layer, "
    "and after the last, through the final norm and the unembedding (nostalgebraist 2020).",
    function="mi_transformer_library.lens:LogitLens",
    streaming=True,
    sites=(_RESID_PRE, _RESID_POST),
    model=True,
    options=TARGET,
    coordinates="mi_transformer_library.lens:coordinates",
    outputs={
        "loss": Output(
            ("stage", "position"), units="nats", description="mean cross-entropy of the right answer"
        ),
        "probability": Output(
            ("stage", "position"), units="1", description="mean probability of the right answer"
        ),
        "rank": Output(
            ("stage", "position"), units="1", description="mean number of tokens whose logit is higher"
        ),
    },
)

DIRECT_LOGIT_ATTRIBUTION = Analyzer(
    id="transformer_library.direct_logit_attribution",
    version=2,
    title="Direct logit attribution",
    description="What embedding, heads and MLPs each write along the right answer's unembedding minus the "
    "mean one, with the final norm's scale held fixed; they sum to the right logit minus the "
    "mean logit (Elhage et al. 2021).",
    function="mi_transformer_library.attribution:direct_logit_attribution",
    sites=(
        Site("hook_embed"),
        _RESID_PRE,
        _RESID_POST,
        Site("blocks.*.attn.hook_z"),
        Site("blocks.*.hook_attn_out"),
    ),
    site_options=("logits",),
    model=True,
    options=TARGET
    | READ_LOGITS
    | {
        "start": Option(
            type="int",
            default=0,
            minimum=0,
            description="the first position that counts; all positions for 0",
        )
    },
    coordinates="mi_transformer_library.attribution:coordinates",
    outputs={
        "contribution": Output(
            ("component",),
            units="logit",
            description="mean over rows and positions; 'L1H0' is head 0 of layer 1",
        ),
        "total": Output(
            (), units="logit", description="right logit minus mean logit; the contributions' sum"
        ),
    },
)

LOGITS = (POSITION_LOSS, LOGIT_LENS, DIRECT_LOGIT_ATTRIBUTION)
