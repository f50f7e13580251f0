"""Analyzers over the variants of a family; light, like all declarations."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed
from mi.domain.output import Output
from mi.domain.values import Option
from mi_modular_arithmetic.analyzers.declare_answers import PACKAGE, PROGRESS_MEASURES

_NEVER = "-1 for never"

GROK_SUMMARY = Analyzer(
    id="modular_arithmetic.grok_summary",
    version=1,
    title="Grokking by variant",
    description="When each variant memorized, turned and generalized, where its losses ended, in how many "
    "key frequencies: one row a variant.",
    function=f"{PACKAGE}.summary:grok_summary",
    scope="family",
    artifacts=(ArtifactNeed(PROGRESS_MEASURES.id, at="reference"),),
    losses=True,
    options={
        "sigma": Option(
            type="float",
            default=25.0,
            minimum=0,
            description="epochs over which log10 of the test loss is smoothed (Gaussian); not a share of the "
            "length, or the same trajectory trained longer would turn elsewhere",
        ),
        "accuracy": Option(
            type="float", default=0.99, minimum=0, maximum=1, description="what counts as right"
        ),
    },
    coordinates=f"{PACKAGE}.summary:coordinates",
    outputs={
        "memorized": Output(
            ("variant",),
            dtype="int32",
            fill=-2,
            units="epoch",
            description=f"first epoch at which the train accuracy is that high; {_NEVER}",
        ),
        "grokked": Output(
            ("variant",),
            dtype="int32",
            fill=-2,
            units="epoch",
            description=f"epoch from which the test accuracy stays that high to the end; {_NEVER}",
        ),
        "turn": Output(
            ("variant",),
            dtype="int32",
            fill=-2,
            units="epoch",
            description="epoch of the steepest fall of the smoothed log10 of the test loss, where it "
            "grokked; -1 where it did not",
        ),
        "key_frequencies": Output(
            ("variant",), dtype="int16", fill=-1, description="key frequencies of the last checkpoint"
        ),
        "epochs": Output(
            ("variant",), dtype="int32", fill=-1, units="epoch", description="the last epoch measured"
        ),
        "final": Output(
            ("variant", "metric"),
            dtype="float64",
            description="each metric's last measured value; missing where a variant has none",
            gaps=True,
        ),
        "parameter": Output(
            ("variant", "parameter_name"),
            dtype="float64",
            description="domain parameters that are numbers; true is 1",
            gaps=True,
        ),
    },
)
