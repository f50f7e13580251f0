"""Analyzers that change activations on the way and look what becomes of the logits."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.output import Output
from mi.domain.values import Option
from mi_transformer_library.declare_logits import READ_LOGITS, TARGET


def _row(default: int, description: str) -> Option:
    return Option(type="int", default=default, minimum=0, description=description)


def _token(description: str) -> Option:
    return Option(type="int", default=-1, minimum=-1, description=description)


ACTIVATION_PATCHING = Analyzer(
    id="transformer_library.activation_patching",
    version=2,
    title="Activation patching",
    description="Two rows of the probe, a clean and a corrupt one: how much of the clean row's logit "
    "difference comes back when one activation of the corrupt pass is replaced by the clean "
    "one (Meng et al. 2022; Heimersheim and Nanda 2024). Makes passes of its own.",
    function="mi_transformer_library.patching:activation_patching",
    model=True,
    options={
        "clean": _row(0, "the row whose activations are put in"),
        "corrupt": _row(1, "the row whose pass is patched"),
        "position": Option(
            type="int",
            default=-1,
            description="where the logits are read: a position that has a target; negative from the last "
            "of them",
        ),
        "answer": _token("the clean row's answer, a token; -1 for its target"),
        "against": _token("the corrupt row's answer, a token; -1 for its target"),
    }
    | TARGET
    | READ_LOGITS,
    coordinates="mi_transformer_library.patching:coordinates",
    outputs={
        "recovery": Output(
            ("kind", "layer", "position"),
            units="1",
            description="0: as the corrupt row, 1: as the clean one; kind: the residual stream before the "
            "layer, or what its attention or MLP writes",
            gaps=True,
        ),
        "head_recovery": Output(
            ("layer", "head", "position"), units="1", description="the same for each head's output", gaps=True
        ),
        "clean_difference": Output((), units="logit", description="answer minus against, clean row"),
        "corrupt_difference": Output((), units="logit", description="answer minus against, corrupt row"),
    },
)

PATCHING = (ACTIVATION_PATCHING,)
