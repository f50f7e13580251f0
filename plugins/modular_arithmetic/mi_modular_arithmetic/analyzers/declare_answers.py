"""Analyzers of the logits and of the answers read from them; light, like everything that is declared."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed, Derived, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option

PACKAGE = "mi_modular_arithmetic.analyzers"
PAIRS = ("a", "b")


def key_options(one: str, many: str) -> dict[str, Option]:
    """What decides which of the frequencies, or of their like, are key."""
    return {
        name: Option(type="float", default=default, minimum=0, maximum=1, description=description)
        for name, default, description in (
            ("reach", 0.95, f"key {many} together explain this share of what all {many} explain"),
            ("floor", 0.01, f"each key {one} explains at least this share of it"),
        )
    }


CENTRED_LOGITS = Derived(
    id="modular_arithmetic.centred_logits",
    version=1,
    function=f"{PACKAGE}.shared:centred_logits",
    sites=(Site("unembed.hook_out", -1),),
    context=("classes",),
)
CLASS_MEANS = Derived(
    id="modular_arithmetic.class_means",
    version=1,
    function=f"{PACKAGE}.shared:class_means",
    derived=(CENTRED_LOGITS,),
    context=("classes",),
)
NEURON_FRACTIONS = Derived(
    id="modular_arithmetic.neuron_fractions",
    version=1,
    function=f"{PACKAGE}.shared:neuron_fractions",
    sites=(Site("blocks.0.mlp.hook_post", -1),),
)

LOGIT_SPECTRUM = Analyzer(
    id="modular_arithmetic.logit_spectrum",
    version=1,
    title="Frequencies of the logits",
    description="How much of cos(w_k (s − c)) is in the logits, s = a + b or a − b in group order: trig "
    "coefficients and the fraction of variance that each frequency explains (Nanda et al. 2023).",
    function=f"{PACKAGE}.logits:logit_spectrum",
    cost=f"{PACKAGE}.costs:logit_spectrum",
    context=("classes",),
    coordinates=f"{PACKAGE}.shared:needs_classes",
    probe=ProbeNeed(axes=PAIRS, complete=True, labels=True),
    derived=(CENTRED_LOGITS, CLASS_MEANS),
    outputs={
        "trig_coefficient": Output(
            ("freq",), units="logit", description="coefficient of cos(w_k (s − c)) in the logits"
        ),
        "fve": Output(
            ("freq",), units="1", description="fraction of the logits' variance explained by frequency k"
        ),
        "within_class": Output(
            (), units="1", description="fraction of the logits' variance that is no function of s"
        ),
    },
)

PROGRESS_MEASURES = Analyzer(
    id="modular_arithmetic.progress_measures",
    version=3,
    title="Progress measures",
    description="Restricted and excluded loss for the key frequencies of the reference checkpoint, Gini "
    "coefficients and the sum of squared weights (Nanda et al. 2023).",
    function=f"{PACKAGE}.logits:progress_measures",
    cost=f"{PACKAGE}.costs:progress_measures",
    context=("classes", "elements"),
    coordinates=f"{PACKAGE}.shared:needs_classes",
    weights=True,
    probe=ProbeNeed(axes=PAIRS, complete=True, masks=("train", "test"), labels=True),
    artifacts=(ArtifactNeed(LOGIT_SPECTRUM.id, at="reference"),),
    derived=(CENTRED_LOGITS, CLASS_MEANS, NEURON_FRACTIONS),
    options=key_options("frequency", "frequencies"),
    outputs={
        "key": Output(
            ("freq",),
            dtype="int8",
            fill=-1,
            description="1 for the key frequencies of the reference checkpoint",
        ),
        "restricted_loss_test": Output(
            (), units="nats", description="test loss of the key frequencies alone"
        ),
        "restricted_loss_all": Output(
            (), units="nats", description="loss on all pairs of the key frequencies alone"
        ),
        "excluded_loss": Output(("freq",), units="nats", description="train loss without frequency k"),
        "excluded_loss_key": Output((), units="nats", description="train loss without all key frequencies"),
        "gini_embedding": Output(
            (), units="1", description="Gini coefficient of the embedding's energy by frequency"
        ),
        "gini_neurons": Output(
            (),
            units="1",
            description="Gini coefficient of the first layer's neurons' mean share by frequency",
        ),
        "sum_squared_weights": Output((), units="1", description="sum of squares of all weights"),
    },
)

ACCURACY_GRID = Analyzer(
    id="modular_arithmetic.accuracy_grid",
    version=1,
    title="Answers by pair",
    description="For each pair (a, b): is the answer right, by what margin, with what probability; accuracy "
    "by right answer.",
    function=f"{PACKAGE}.answers:accuracy_grid",
    cost=f"{PACKAGE}.costs:accuracy_grid",
    context=("classes",),
    probe=ProbeNeed(axes=PAIRS, complete=True, masks=("test",), labels=True),
    derived=(CENTRED_LOGITS,),
    outputs={
        "correct": Output(PAIRS, dtype="int8", fill=-1, description="1 where the right logit is the largest"),
        "margin": Output(PAIRS, units="logit", description="right logit minus the largest other logit"),
        "p_correct": Output(PAIRS, units="1", description="probability of the right answer"),
        "residue_accuracy": Output(
            ("residue",), units="1", description="accuracy over all pairs by right answer", gaps=True
        ),
        "residue_accuracy_test": Output(
            ("residue",), units="1", description="accuracy over test pairs by right answer", gaps=True
        ),
    },
)

GRADUATION = Analyzer(
    id="modular_arithmetic.graduation",
    version=1,
    title="When each pair was learned",
    description="A pair graduates at the first of several consecutive checkpoints that answer it right.",
    function=f"{PACKAGE}.answers:graduation",
    cost=f"{PACKAGE}.costs:graduation",
    scope="trajectory",
    probe=ProbeNeed(axes=PAIRS, complete=True, masks=("train", "test")),
    artifacts=(ArtifactNeed(ACCURACY_GRID.id, at="all"),),
    options={
        "run": Option(
            type="int", default=3, minimum=1, description="consecutive right checkpoints to graduate"
        )
    },
    outputs={
        "graduation": Output(
            PAIRS, dtype="int32", fill=-2, units="epoch", description="epoch of graduation, -1 for never"
        ),
        "regressions": Output(
            PAIRS, dtype="int16", fill=-1, description="turns from right to wrong after graduation"
        ),
        "graduated_train": Output(
            ("epoch",), units="1", description="share of train pairs that have graduated"
        ),
        "graduated_test": Output(
            ("epoch",), units="1", description="share of test pairs that have graduated"
        ),
    },
)
