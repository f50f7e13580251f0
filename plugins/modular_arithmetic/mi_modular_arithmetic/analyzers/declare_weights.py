"""Analyzers of the waves in the weights and along the circuit, and of one pair's history; light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ProbeNeed
from mi.domain.output import Output
from mi.domain.values import Option
from mi_modular_arithmetic.analyzers.declare_answers import CENTRED_LOGITS, CLASS_MEANS, PACKAGE, PAIRS
from mi_modular_arithmetic.circuit import TRANSFORMER, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi.engine.data import Subject

HARMONICS = (1, 2, 4)
STATIONS = ("embedding", "attention", "input", "output", "logits")


def harmonics(subject: Subject, **options: object) -> dict[str, Sequence[int]]:
    """``harmonic``: m of e^{imφ}.

    Raises:
        NotApplicableError: the network is of another kind, or its answer is no sum and no difference.
    """
    from mi_modular_arithmetic.analyzers.shared import needs_classes

    kind_of(subject)
    needs_classes(subject)
    return {"harmonic": HARMONICS}


def stations(subject: Subject, **options: object) -> dict[str, Sequence[str]]:
    """``station``: those that the network has, in the order of the circuit.

    Raises:
        NotApplicableError: the network is of another kind.
    """
    if kind_of(subject) == TRANSFORMER:
        return {"station": STATIONS}
    embedded = any(name.startswith("W_E") for name in subject.weights)
    lacking = {"attention"} if embedded else {"attention", "embedding"}
    return {"station": [name for name in STATIONS if name not in lacking]}


PHASE_ALIGNMENT = Analyzer(
    id="modular_arithmetic.phase_alignment",
    version=1,
    title="Phases of the neurons' weights",
    description="Amplitude and phase of each frequency in what neurons read and write, how far phases are "
    "from fitting, and how few frequencies each neuron uses.",
    function=f"{PACKAGE}.phases:phase_alignment",
    cost=f"{PACKAGE}.costs:phase_alignment",
    weights=True,
    context=("elements", "classes", "structure"),
    coordinates=f"{PACKAGE}.declare_weights:harmonics",
    options={
        "threshold": Option(
            type="float",
            default=0.5,
            minimum=0,
            maximum=1,
            description="a neuron counts for a frequency's group where that holds this share of its input",
        )
    },
    outputs={
        "input_amplitude": Output(
            ("neuron", "freq"), dtype="float16", description="√(α_a α_b) of what the neuron reads"
        ),
        "input_phase": Output(
            ("neuron", "freq"), dtype="float16", units="rad", description="φ_a + φ_b (a − b: φ_a − φ_b), 2φ"
        ),
        "output_amplitude": Output(
            ("neuron", "freq"), dtype="float16", description="β of what the neuron writes on the answers"
        ),
        "output_phase": Output(
            ("neuron", "freq"), dtype="float16", units="rad", description="ψ of what it writes"
        ),
        "dominant": Output(
            ("neuron",), dtype="int16", fill=-1, description="frequency of the largest α, 0 for none"
        ),
        "share": Output(("neuron",), units="1", description="its share of Σ α²", gaps=True),
        "phase": Output(("neuron",), units="rad", description="φ_a at the dominant frequency", gaps=True),
        "misalignment": Output(("neuron",), units="rad", description="|2φ − ψ| there, 0 to π", gaps=True),
        "weight": Output(("neuron",), description="α² β there, how much the neuron can do"),
        "ipr": Output(
            ("neuron",), units="1", description="Σ α⁴ / (Σ α²)²: 1 where one frequency holds all", gaps=True
        ),
        "mean_misalignment": Output(
            (), units="rad", description="mean over neurons weighted by α² β; π/2 by chance", gaps=True
        ),
        "misalignment_by_frequency": Output(
            ("freq",), units="rad", description="the same over neurons of one dominant frequency", gaps=True
        ),
        "rayleigh": Output(
            ("harmonic", "freq"),
            units="1",
            description="|mean e^{imφ}| over a frequency's group: 0 where phases are spread evenly",
            gaps=True,
        ),
    },
)

FREQUENCY_BOARD = Analyzer(
    id="modular_arithmetic.frequency_board",
    version=1,
    title="Frequencies along the circuit",
    description="Energy share of each frequency in the embedding, the attention scores, what the neurons "
    "read and write, and the logits.",
    function=f"{PACKAGE}.board:frequency_board",
    cost=f"{PACKAGE}.costs:frequency_board",
    weights=True,
    derived=(CENTRED_LOGITS,),
    context=("elements", "classes"),
    coordinates=f"{PACKAGE}.declare_weights:stations",
    outputs={
        "share": Output(
            ("station", "freq"),
            units="1",
            description="energy of frequency k over that of all; missing for what does not vary",
            gaps=True,
        )
    },
)

PAIR_PARTS = Analyzer(
    id="modular_arithmetic.pair_parts",
    version=1,
    title="Right logit by frequency",
    description="The right logit of every pair and the part r_k of it that each frequency gives.",
    function=f"{PACKAGE}.trace:pair_parts",
    cost=f"{PACKAGE}.costs:pair_parts",
    probe=ProbeNeed(axes=PAIRS, complete=True, labels=True),
    derived=(CENTRED_LOGITS, CLASS_MEANS),
    context=("classes",),
    coordinates=f"{PACKAGE}.shared:needs_classes",
    outputs={
        "right": Output(PAIRS, units="logit", description="centred logit of the right answer"),
        "part": Output(
            ("residue", "freq"), units="logit", description="r_k[s, s], what frequency k gives to it"
        ),
        "constant": Output(
            ("residue",), units="logit", description="mean over classes of the logit of answer s"
        ),
    },
)
