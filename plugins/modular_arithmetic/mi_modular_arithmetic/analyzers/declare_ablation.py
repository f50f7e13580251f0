"""Analyzers that take something out of the network and look at what is lost; light, like all declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option
from mi_modular_arithmetic.analyzers.declare_answers import CLASS_MEANS, PACKAGE, PAIRS
from mi_modular_arithmetic.analyzers.declare_circuit import NEURON_FREQUENCIES
from mi_modular_arithmetic.circuit import kind_of, needs_attention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi.engine.data import Subject

FEW = 25  # checkpoints by default: one takes seconds
PLACES = ("embedding", "neurons", "logits", "class_logits", "group")
SETS = ("train", "test")


def places(subject: Subject, **options: object) -> dict[str, Sequence[str]]:
    """``place``: where a frequency is taken out; ``pairs``: train, test.

    Raises:
        NotApplicableError: the network is of another kind.
    """
    kind_of(subject)
    left_out = ("class_logits",) if subject.context["structure"] == "none" else ()
    return {"place": [p for p in PLACES if p not in left_out], "pairs": SETS}


def sets(subject: Subject, **options: object) -> dict[str, Sequence[str]]:
    """``pairs``: train, test.

    Raises:
        NotApplicableError: there is no attention of one layer.
    """
    needs_attention(subject)
    return {"pairs": SETS}


FREQUENCY_ABLATION = Analyzer(
    id="modular_arithmetic.frequency_ablation",
    version=1,
    title="Ablation of frequencies",
    description="Change of loss and accuracy when one frequency is taken out of the embedding, the neurons' "
    "output or the logits, or its neurons are held at their means: what is used, and not merely present.",
    function=f"{PACKAGE}.ablation:frequency_ablation",
    checkpoints=FEW,
    cost=f"{PACKAGE}.costs:frequency_ablation",
    sites=(Site("blocks.0.mlp.hook_post", -1), Site("unembed.hook_out", -1)),
    weights=True,
    model=True,
    context=("period", "elements", "classes", "residues", "train", "structure"),
    probe=ProbeNeed(axes=PAIRS, complete=True),
    artifacts=(ArtifactNeed(NEURON_FREQUENCIES.id, at="reference"),),
    derived=(CLASS_MEANS,),
    options={
        "threshold": Option(
            type="float",
            default=0.5,
            minimum=0,
            maximum=1,
            description="a neuron is in a frequency's group where that holds this share of its energy at the "
            "reference checkpoint",
        )
    },
    coordinates=f"{PACKAGE}.declare_ablation:places",
    outputs={
        "loss_change": Output(
            ("place", "pairs", "freq"),
            units="nats",
            description="loss without frequency k minus loss with it; missing for a group without neurons",
            gaps=True,
        ),
        "accuracy_change": Output(
            ("place", "pairs", "freq"),
            units="1",
            description="accuracy without frequency k minus accuracy with it",
            gaps=True,
        ),
        "loss": Output(("pairs",), dtype="float64", units="nats", description="loss as the network is"),
        "accuracy": Output(("pairs",), units="1", description="accuracy as the network is"),
        "group": Output(
            ("freq",), dtype="int32", fill=-1, description="neurons in the group of each frequency"
        ),
    },
)

HEAD_ABLATION = Analyzer(
    id="modular_arithmetic.head_ablation",
    version=1,
    title="Ablation of heads",
    description="Change of loss and accuracy when one head writes its mean over all pairs instead.",
    function=f"{PACKAGE}.ablation:head_ablation",
    checkpoints=FEW,
    cost=f"{PACKAGE}.costs:head_ablation",
    sites=(
        Site("blocks.0.attn.hook_z", -1),
        Site("blocks.0.mlp.hook_pre", -1),
        Site("blocks.0.mlp.hook_post", -1),
        Site("unembed.hook_out", -1),
    ),
    weights=True,
    context=("classes", "residues", "train"),
    probe=ProbeNeed(axes=PAIRS, complete=True),
    coordinates=f"{PACKAGE}.declare_ablation:sets",
    outputs={
        "loss_change": Output(
            ("pairs", "head"), units="nats", description="loss without the head minus loss with it"
        ),
        "accuracy_change": Output(
            ("pairs", "head"), units="1", description="accuracy without the head minus accuracy with it"
        ),
        "loss": Output(("pairs",), dtype="float64", units="nats", description="loss as the network is"),
        "accuracy": Output(("pairs",), units="1", description="accuracy as the network is"),
    },
)
