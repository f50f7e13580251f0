"""The analyzer of the train loss's gradient by frequency; light, like all declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi.domain.analyzer import Analyzer
from mi.domain.needs import GradientNeed, ProbeNeed
from mi.domain.output import Output
from mi_modular_arithmetic.analyzers.declare_answers import PACKAGE
from mi_modular_arithmetic.circuit import TRANSFORMER, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi.engine.data import Subject

PLACES = ("embedding", "attention", "input", "output")


def places(subject: Subject, **options: object) -> dict[str, Sequence[str]]:
    """``place``: those that the network has, in the order of the circuit.

    Raises:
        NotApplicableError: the network is of another kind.
    """
    lacking = set() if kind_of(subject) == TRANSFORMER else {"attention"}
    if not any(name.startswith("W_E") for name in subject.weights):
        lacking.add("embedding")
    return {"place": [name for name in PLACES if name not in lacking]}


GRADIENT_SPECTRUM = Analyzer(
    id="modular_arithmetic.gradient_spectrum",
    version=1,
    title="Frequencies of the gradient",
    description="Energy of the train loss's gradient in each frequency, in the embedding, the attention "
    "scores of '=', what neurons read and the unembedding, and its cosine with the spectrum that is there.",
    function=f"{PACKAGE}.gradient_spectrum:gradient_spectrum",
    cost=f"{PACKAGE}.costs:gradient_spectrum",
    weights=True,
    gradients=(GradientNeed(weights=True, rows="train"),),
    probe=ProbeNeed(masks=("train",), labels=True),
    context=("elements", "classes"),
    coordinates=f"{PACKAGE}.declare_gradients:places",
    outputs={
        "energy": Output(
            ("place", "freq"),
            "float64",
            description="|cos_k · G|² + |sin_k · G|² of the gradient G, over operands or answers",
        ),
        "share": Output(
            ("place", "freq"),
            units="1",
            description="energy of frequency k over that of all; missing where the gradient has none",
            gaps=True,
        ),
        "cosine": Output(
            ("place",),
            units="1",
            description="cosine of the spectra of gradient and weights; missing where one is zero",
            gaps=True,
        ),
    },
)
