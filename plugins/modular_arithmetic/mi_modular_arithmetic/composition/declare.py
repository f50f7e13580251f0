"""Analyzers and visualizations of networks that compose permutations; light, like all declarations."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed, Derived, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers.declare_answers import key_options

PACKAGE = "mi_modular_arithmetic.composition"
SIDES = ("left", "right")

LOGITS_AND_MEANS = Derived(
    id="modular_arithmetic.irrep_logits_and_means",
    version=1,
    function=f"{PACKAGE}.analyzers:logits_and_means",
    sites=(Site("unembed.hook_out", -1),),
)

IRREP_WEIGHTS = Analyzer(
    id="modular_arithmetic.irrep_weights",
    version=1,
    title="Irreps of the weights",
    description="Energy share of each irrep of S_n in the embeddings, in what the neurons read of them and "
    "in the unembedding.",
    function=f"{PACKAGE}.analyzers:irrep_weights",
    cost=f"{PACKAGE}.costs:irrep_weights",
    weights=True,
    context=("degree",),
    coordinates=f"{PACKAGE}.analyzers:matrices",
    outputs={
        "share": Output(
            ("matrix", "irrep"),
            units="1",
            description="energy of the irrep over that of all but the trivial; missing where nothing varies",
            gaps=True,
        )
    },
)

IRREP_NEURONS = Analyzer(
    id="modular_arithmetic.irrep_neurons",
    version=1,
    title="Irreps of the neurons",
    description="Share of each neuron's activation energy over (left, right) in each irrep of S_n; the "
    "strongest one.",
    function=f"{PACKAGE}.analyzers:irrep_neurons",
    cost=f"{PACKAGE}.costs:irrep_neurons",
    sites=(Site("blocks.0.mlp.hook_post", -1),),
    probe=ProbeNeed(axes=SIDES, complete=True),
    context=("degree",),
    outputs={
        "fraction": Output(
            ("neuron", "irrep"),
            units="1",
            description="share of the neuron's energy in the irrep; missing for a dead neuron",
            gaps=True,
        ),
        "rest": Output(("neuron",), units="1", description="share that mixes irreps", gaps=True),
        "dominant": Output(
            ("neuron",),
            dtype="int16",
            fill=-1,
            description="number of the strongest irrep, from 1; 0 for a dead neuron",
        ),
        "dominant_fraction": Output(("neuron",), units="1", description="its share", gaps=True),
    },
)

IRREP_LOGITS = Analyzer(
    id="modular_arithmetic.irrep_logits",
    version=1,
    title="Irreps of the logits",
    description="How much of the character χ_ρ(a b c⁻¹) is in the logits, and how much of each irrep over "
    "the answers c (Chughtai, Chan & Nanda 2023).",
    function=f"{PACKAGE}.analyzers:irrep_logits",
    cost=f"{PACKAGE}.costs:irrep_logits",
    probe=ProbeNeed(axes=SIDES, complete=True, labels=True),
    context=("degree",),
    derived=(LOGITS_AND_MEANS,),
    outputs={
        "coefficient": Output(
            ("irrep",), units="logit", description="coefficient of χ_ρ(a b c⁻¹) in the logits"
        ),
        "fve": Output(
            ("irrep",),
            units="1",
            description="fraction of the logits' variance explained by χ_ρ(a b c⁻¹)",
        ),
        "share": Output(
            ("irrep",), units="1", description="share of the logits' variance in the irrep over answers"
        ),
        "within_class": Output(
            (), units="1", description="fraction of the logits' variance that is no function of a b"
        ),
    },
)

IRREP_PROGRESS = Analyzer(
    id="modular_arithmetic.irrep_progress",
    version=1,
    title="Progress measures by irrep",
    description="Restricted and excluded loss for the key irreps of the reference checkpoint (Nanda et al. "
    "2023, with characters for waves; Chughtai, Chan & Nanda 2023).",
    function=f"{PACKAGE}.analyzers:irrep_progress",
    cost=f"{PACKAGE}.costs:irrep_progress",
    probe=ProbeNeed(axes=SIDES, complete=True, masks=("train", "test"), labels=True),
    context=("degree",),
    artifacts=(ArtifactNeed(IRREP_LOGITS.id, at="reference"),),
    derived=(LOGITS_AND_MEANS,),
    options=key_options("irrep", "irreps"),
    outputs={
        "key": Output(
            ("irrep",),
            dtype="int8",
            fill=-1,
            description="1 for the key irreps of the reference checkpoint",
        ),
        "restricted_loss_test": Output(
            (), units="nats", description="test loss of the key irreps' characters alone"
        ),
        "restricted_loss_all": Output(
            (), units="nats", description="loss on all pairs of the key irreps' characters alone"
        ),
        "excluded_loss": Output(
            ("irrep",), units="nats", description="train loss without the irrep's character"
        ),
        "excluded_loss_key": Output(
            (), units="nats", description="train loss without the characters of all key irreps"
        ),
    },
)

_OF = {
    "of": Option(
        type="str",
        default="logits: characters",
        choices=(
            "logits: characters",
            "logits: answers",
            "neurons",
            "left embedding",
            "right embedding",
            "left into neurons",
            "right into neurons",
            "unembedding",
        ),
        description="variance of the logits that each character explains, or in each irrep over answers; "
        "mean share of the neurons that are not dead; or a weight matrix",
    )
}

IRREP_SPECTRUM = Visualization(
    id="modular_arithmetic.irrep_spectrum",
    title="Irreps",
    description="How much of the network lies in each irrep at the cursor. Noise shows each in proportion to "
    "the square of its dimension, so that a tall bar of a large irrep alone means nothing.",
    reads=(IRREP_WEIGHTS.id, IRREP_NEURONS.id, IRREP_LOGITS.id),
    fields={"spectrum": Field("bars", dims=("irrep",), range=(0, 1), units="1")},
    frame=f"{PACKAGE}.views:spectrum_frame",
    figure=f"{PACKAGE}.views:spectrum_figure",
    options=_OF,
)

IRREP_HISTORY = Visualization(
    id="modular_arithmetic.irrep_history",
    title="Irreps over training",
    description="How much of the network lies in each irrep at every checkpoint.",
    reads=(IRREP_WEIGHTS.id, IRREP_NEURONS.id, IRREP_LOGITS.id),
    fields={"history": Field("line", dims=("epoch",), value="irrep 1", range=(0, 1), static=True, units="1")},
    static=f"{PACKAGE}.views:history_static",
    figure=f"{PACKAGE}.views:history_figure",
    options=_OF,
    x="epoch",
)

IRREP_NEURON_MAP = Visualization(
    id="modular_arithmetic.irrep_neurons",
    title="Irreps of the neurons",
    description="Share of each neuron's energy in each irrep at the cursor. The order of neurons is that of "
    "the last checkpoint at every epoch, so that a row is one neuron throughout.",
    reads=(IRREP_NEURONS.id,),
    fields={"spectrum": Field("image", dims=("place", "irrep"), range=(0, 1), units="1")},
    frame=f"{PACKAGE}.views:neurons_frame",
    figure=f"{PACKAGE}.views:neurons_figure",
)

IRREP_MEASURES = Visualization(
    id="modular_arithmetic.irrep_progress",
    title="Progress measures by irrep",
    description="Restricted loss falls when the characters of the key irreps alone answer test pairs; "
    "excluded loss rises when train pairs depend on them.",
    reads=(IRREP_PROGRESS.id,),
    losses=True,
    fields={"measures": Field("line", dims=("epoch",), scale="log", value="test", static=True, units="nats")},
    static=f"{PACKAGE}.views:measures_static",
    figure=f"{PACKAGE}.views:measures_figure",
    x="epoch",
)

ANALYZERS = (IRREP_WEIGHTS, IRREP_NEURONS, IRREP_LOGITS, IRREP_PROGRESS)
VISUALIZATIONS = (IRREP_MEASURES, IRREP_SPECTRUM, IRREP_HISTORY, IRREP_NEURON_MAP)
