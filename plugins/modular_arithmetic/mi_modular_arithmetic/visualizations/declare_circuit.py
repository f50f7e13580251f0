"""Visualizations of the circuit: progress measures, frequencies, neurons; light, like all declarations."""

from __future__ import annotations

from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi_modular_arithmetic.analyzers import (
    LOGIT_SPECTRUM,
    NEURON_FREQUENCIES,
    NEURON_TIMELINE,
    PROGRESS_MEASURES,
)

PACKAGE = "mi_modular_arithmetic.visualizations"
_THRESHOLD = {
    "threshold": Option(
        type="float",
        default=0.75,
        minimum=0,
        maximum=1,
        description="a neuron is committed where one frequency holds this share of its energy",
    )
}

PROGRESS = Visualization(
    id="modular_arithmetic.progress_measures",
    title="Progress measures",
    description="Restricted loss falls when the key frequencies alone answer test pairs; excluded loss "
    "rises when "
    "train pairs depend on them. Both move before the test loss does.",
    reads=(PROGRESS_MEASURES.id,),
    losses=True,
    fields={"measures": Field("line", dims=("epoch",), scale="log", value="test", static=True, units="nats")},
    static=f"{PACKAGE}.progress:measures_static",
    figure=f"{PACKAGE}.progress:measures_figure",
    x="epoch",
)

TRIG_COEFFICIENTS = Visualization(
    id="modular_arithmetic.trig_coefficients",
    title="Frequencies of the logits over training",
    description="How much of cos(w_k (a + b − c)) is in the logits at every checkpoint.",
    reads=(LOGIT_SPECTRUM.id,),
    fields={"strength": Field("image", dims=("freq", "epoch"), static=True)},
    static=f"{PACKAGE}.progress:strength_static",
    figure=f"{PACKAGE}.progress:strength_figure",
    options={
        "quantity": Option(
            type="str",
            default="fve",
            choices=("fve", "trig_coefficient"),
            description="fraction of the logits' variance, or the coefficient itself",
        )
    },
    x="epoch",
)

FREQUENCY_STRENGTH = Visualization(
    id="modular_arithmetic.frequency_strength",
    title="Strength of the key frequencies",
    description="Fraction of the logits' variance that each key frequency of the last checkpoint explains, "
    "and all "
    "others together.",
    reads=(LOGIT_SPECTRUM.id, PROGRESS_MEASURES.id),
    fields={
        "lines": Field("line", dims=("epoch",), value="all others", range=(0, None), static=True, units="1")
    },
    static=f"{PACKAGE}.progress:key_lines_static",
    figure=f"{PACKAGE}.progress:key_lines_figure",
    x="epoch",
)

EXCLUDED = Visualization(
    id="modular_arithmetic.excluded_by_frequency",
    title="Loss without each frequency",
    description="Train loss after one frequency is taken out of the logits: bright rows are frequencies "
    "that the "
    "network has come to need.",
    reads=(PROGRESS_MEASURES.id,),
    fields={"excluded": Field("image", dims=("freq", "epoch"), scale="log", static=True, units="nats")},
    static=f"{PACKAGE}.progress:excluded_static",
    figure=f"{PACKAGE}.progress:excluded_figure",
    x="epoch",
)

SPARSITY = Visualization(
    id="modular_arithmetic.sparsity",
    title="Sparsity of the spectra",
    description="Gini coefficient of the embedding's energy and of the neurons' mean share by frequency: 0 "
    "where all "
    "frequencies are alike, towards 1 where few hold everything.",
    reads=(PROGRESS_MEASURES.id,),
    fields={"gini": Field("line", dims=("epoch",), value="embedding", range=(0, 1), static=True, units="1")},
    static=f"{PACKAGE}.progress:sparsity_static",
    figure=f"{PACKAGE}.progress:sparsity_figure",
    x="epoch",
)

WEIGHTS = Visualization(
    id="modular_arithmetic.sum_squared_weights",
    title="Sum of squared weights",
    description="Falls in the clean-up phase, when weight decay takes away what memorized.",
    reads=(PROGRESS_MEASURES.id,),
    fields={"weights": Field("line", dims=("epoch",), range=(0, None), static=True)},
    static=f"{PACKAGE}.progress:weights_static",
    figure=f"{PACKAGE}.progress:weights_figure",
    x="epoch",
)

NEURON_SPECTRUM = Visualization(
    id="modular_arithmetic.neuron_spectrum",
    title="Frequencies of the neurons",
    description="Share of each neuron's energy in each frequency at the cursor. The order of neurons is "
    "that of the "
    "last checkpoint at every epoch, so that a row is one neuron throughout.",
    reads=(NEURON_FREQUENCIES.id, NEURON_TIMELINE.id),
    fields={"spectrum": Field("image", dims=("place", "freq"), range=(0, 1), units="1")},
    frame=f"{PACKAGE}.neurons:spectrum_frame",
    figure=f"{PACKAGE}.neurons:spectrum_figure",
)

TIMELINE = Visualization(
    id="modular_arithmetic.neuron_timeline",
    title="Neurons by frequency over training",
    description="Neurons committed to each frequency; dashed where the frequency came and went, dotted for "
    "live "
    "neurons without commitment. Frequencies that never held 1 % of the neurons have no line.",
    reads=(NEURON_FREQUENCIES.id,),
    fields={"counts": Field("line", dims=("epoch",), value="uncommitted", range=(0, None), static=True)},
    static=f"{PACKAGE}.neurons:timeline_static",
    figure=f"{PACKAGE}.neurons:timeline_figure",
    options=_THRESHOLD,
    x="epoch",
)

NEURON_MAP = Visualization(
    id="modular_arithmetic.neuron_map",
    title="Each neuron over training",
    description="The frequency that each neuron is committed to, in its colour; hatched where it is "
    "committed to none.",
    reads=(NEURON_FREQUENCIES.id, NEURON_TIMELINE.id),
    fields={
        "map": Field("image", dims=("place", "epoch"), scale="categorical", difference="none", static=True)
    },
    static=f"{PACKAGE}.neurons:map_static",
    figure=f"{PACKAGE}.neurons:map_figure",
    options=_THRESHOLD,
    x="epoch",
)
