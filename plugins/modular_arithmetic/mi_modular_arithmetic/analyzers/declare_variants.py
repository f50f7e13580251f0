"""Analyzers over the variants of a family; light, like all declarations."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed
from mi.domain.output import Output
from mi.domain.values import Option
from mi_modular_arithmetic.analyzers.declare_answers import LOGIT_SPECTRUM, PACKAGE, PROGRESS_MEASURES

_NEVER = "-1 for never"

GROK_SUMMARY = Analyzer(
    id="modular_arithmetic.grok_summary",
    version=2,
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
        "onset": Output(
            ("variant",),
            dtype="int32",
            fill=-2,
            units="epoch",
            description="where the test loss begins to fall: the last epoch before the turn at which it "
            f"fell slower than a tenth of that; {_NEVER}",
        ),
        "turn": Output(
            ("variant",),
            dtype="int32",
            fill=-2,
            units="epoch",
            description="epoch of the steepest fall of the smoothed log10 of the test loss, where test pairs "
            f"were ever answered right; {_NEVER}",
        ),
        "rebound": Output(
            ("variant",),
            units="decades",
            description="how far the smoothed test loss ends above its minimum after the onset",
            gaps=True,
        ),
        "key_count": Output(
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

FREQUENCY_SETS = Analyzer(
    id="modular_arithmetic.frequency_sets",
    version=1,
    title="Key frequencies by variant",
    description="The key frequencies of each variant's last checkpoint, canonicalized: multiplying all "
    "frequencies by a unit of Z_n permutes residues, so sets are compared up to a unit (Nanda et al. 2023, "
    "Chughtai et al. 2023).",
    function=f"{PACKAGE}.frequency_sets:frequency_sets",
    scope="family",
    artifacts=(
        ArtifactNeed(PROGRESS_MEASURES.id, at="reference"),
        ArtifactNeed(LOGIT_SPECTRUM.id, at="reference"),
    ),
    options={
        "anchor": Option(
            type="str",
            default="",
            description="variant that the others are matched with; the first of each period when empty",
        )
    },
    coordinates=f"{PACKAGE}.frequency_sets:coordinates",
    summary=("key_frequencies", "canonical_frequencies", "margin"),
    outputs={
        "key_frequencies": Output(
            ("variant", "place"), gaps=True, description="key frequencies, ascending; then nothing"
        ),
        "canonical_frequencies": Output(
            ("variant", "place"),
            gaps=True,
            description="the lexicographically least image of the set under k → uk over the units u of Z_n",
        ),
        "unit": Output(("variant",), dtype="int16", fill=-1, description="the unit that gives it"),
        "margin": Output(
            ("variant",),
            units="logit",
            description="min over d ≠ 0 of Σ a_k (1 − cos(w_k d)), a_k the logits' trig coefficients",
        ),
        "matched_frequencies": Output(
            ("variant", "place"),
            gaps=True,
            description="the set's image that shares most with the anchor's own frequencies",
        ),
        "matched_unit": Output(
            ("variant",), dtype="int16", fill=-1, description="the unit that gives it; 0 for another period"
        ),
        "overlap": Output(
            ("variant",),
            units="1",
            description="Jaccard index of matched frequencies and the anchor's; missing for another period",
            gaps=True,
        ),
        "raw_overlap": Output(
            ("variant",), units="1", description="the same of the frequencies as they are", gaps=True
        ),
    },
)
