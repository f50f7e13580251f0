"""Analyzers of what computes the answer: neurons, attention, weights; light, like all declarations."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed, ProbeNeed
from mi.domain.output import Output
from mi.domain.values import Option
from mi_modular_arithmetic.analyzers.declare_answers import NEURON_FRACTIONS, PACKAGE, PAIRS
from mi_modular_arithmetic.sites import NEURONS, PATTERN

NEURON_FREQUENCIES = Analyzer(
    id="modular_arithmetic.neuron_frequencies",
    version=1,
    title="Frequencies of the neurons",
    description="Share of each neuron's activation energy over (a, b) in each frequency; the strongest "
    "frequency and the runner-up.",
    function=f"{PACKAGE}.neurons:neuron_frequencies",
    cost=f"{PACKAGE}.costs:neuron_frequencies",
    coordinates=f"{PACKAGE}.shared:check_layer",
    site_options=("site",),
    options={
        "site": Option(
            type="str",
            default=NEURONS,
            description="the neurons: by default the first layer's; the second's are "
            "blocks.1.mlp.hook_post@-1",
        )
    },
    probe=ProbeNeed(axes=PAIRS, complete=True),
    derived=(NEURON_FRACTIONS,),
    outputs={
        "fraction": Output(
            ("neuron", "freq"),
            units="1",
            description="share of the neuron's energy in frequency k; missing for a dead neuron",
            gaps=True,
        ),
        "rest": Output(("neuron",), units="1", description="share that mixes frequencies", gaps=True),
        "dominant": Output(
            ("neuron",), dtype="int16", fill=-1, description="strongest frequency, 0 for a dead neuron"
        ),
        "dominant_fraction": Output(("neuron",), units="1", description="its share", gaps=True),
        "runner_up": Output(
            ("neuron",), dtype="int16", fill=-1, description="second frequency, 0 where there is none"
        ),
        "runner_up_fraction": Output(("neuron",), units="1", description="its share", gaps=True),
    },
)

NEURON_TIMELINE = Analyzer(
    id="modular_arithmetic.neuron_timeline",
    version=1,
    title="Neurons over training",
    description="How many neurons are committed to each frequency, which frequencies come and go, and how "
    "neurons switch.",
    function=f"{PACKAGE}.neurons:neuron_timeline",
    cost=f"{PACKAGE}.costs:neuron_timeline",
    scope="trajectory",
    artifacts=(ArtifactNeed(NEURON_FREQUENCIES.id, at="all"),),
    options={
        "threshold": Option(
            type="float",
            default=0.75,
            minimum=0,
            maximum=1,
            description="a neuron is committed where one frequency holds this share of its energy",
        )
    },
    coordinates=f"{PACKAGE}.neurons:timeline_coordinates",
    outputs={
        "count": Output(
            ("epoch", "freq"), dtype="int32", fill=-1, description="neurons committed to frequency k"
        ),
        "live": Output(("epoch",), dtype="int32", fill=-1, description="neurons that are not dead"),
        "uncommitted": Output(
            ("epoch",), dtype="int32", fill=-1, description="live neurons without commitment"
        ),
        "homeless": Output(
            ("epoch",), dtype="int32", fill=-1, description="uncommitted neurons that were committed before"
        ),
        "switched": Output(
            ("epoch",), dtype="int32", fill=-1, description="neurons that have left one frequency for another"
        ),
        "transient": Output(
            ("freq",), dtype="int8", fill=-1, description="1 for frequencies that came and went"
        ),
        "switches": Output(("neuron",), dtype="int32", fill=-1, description="how often the neuron switched"),
        "settled": Output(
            ("neuron",),
            dtype="int32",
            fill=-2,
            units="epoch",
            description="epoch from which it keeps its final frequency, -1 for never",
        ),
        "order": Output(
            ("place",),
            dtype="int32",
            fill=-1,
            description="neurons sorted by final frequency, then by its share",
        ),
    },
)

ATTENTION_SCORES = Analyzer(
    id="modular_arithmetic.attention_scores",
    version=1,
    title="Attention scores from '='",
    description="The scores that make the attention row of '=', one vector over numbers for each head and "
    "operand; their frequencies and those of what the head writes.",
    function=f"{PACKAGE}.attention:attention_scores",
    cost=f"{PACKAGE}.costs:attention_scores",
    context=("elements",),
    weights=True,
    coordinates=f"{PACKAGE}.attention:coordinates",
    outputs={
        "score": Output(
            ("head", "operand", "residue"), description="score of each number at the operand's position"
        ),
        "score_equals": Output(("head",), description="score of '=' itself"),
        "share": Output(
            ("head", "operand", "freq"), units="1", description="energy share of frequency k in the scores"
        ),
        "phase": Output(
            ("head", "operand", "freq"), units="rad", description="phase of frequency k in the scores"
        ),
        "ov_share": Output(
            ("head", "freq"), units="1", description="energy share of frequency k in W_E W_V W_O W_in"
        ),
    },
)

ATTENTION_PATTERN = Analyzer(
    id="modular_arithmetic.attention_pattern",
    version=2,
    title="Attention from '='",
    description="Mean attention from '=' to each position, and the frequencies of its map over (a, b).",
    function=f"{PACKAGE}.attention:attention_pattern",
    cost=f"{PACKAGE}.costs:attention_pattern",
    coordinates=f"{PACKAGE}.attention:pattern_coordinates",
    site_options=("site",),
    options={
        "site": Option(
            type="str",
            default=PATTERN,
            description="the patterns: by default the first layer's; the second's are "
            "blocks.1.attn.hook_pattern@-1",
        )
    },
    probe=ProbeNeed(axes=PAIRS, complete=True),
    outputs={
        "mean": Output(("head", "position"), units="1", description="mean attention to the position"),
        "spread": Output(("head", "position"), units="1", description="its standard deviation over pairs"),
        "fraction": Output(
            ("head", "position", "freq"),
            units="1",
            description="share of the map's variance in frequency k; missing for a constant map",
            gaps=True,
        ),
        "rest": Output(
            ("head", "position"), units="1", description="share that mixes frequencies", gaps=True
        ),
    },
)

EFFECTIVE_DIMENSION = Analyzer(
    id="modular_arithmetic.effective_dimension",
    version=2,
    title="Singular values and effective dimension",
    description="Singular values of each weight matrix and how many dimensions they make: participation "
    "ratio, stable rank, entropy rank.",
    function=f"{PACKAGE}.dimension:effective_dimension",
    cost=f"{PACKAGE}.costs:effective_dimension",
    weights=True,
    coordinates=f"{PACKAGE}.dimension:coordinates",
    outputs={
        "singular_values": Output(
            ("matrix", "rank"),
            description="singular values, the largest first; missing beyond the matrix's own rank",
            gaps=True,
        ),
        "participation_ratio": Output(("matrix",), units="dimensions", description="(Σs²)² / Σs⁴"),
        "stable_rank": Output(("matrix",), units="dimensions", description="Σs² / max s²"),
        "entropy_rank": Output(("matrix",), units="dimensions", description="exp of the entropy of s / Σs"),
    },
)
