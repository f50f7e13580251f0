"""What can be measured in a network that adds modulo p. Light: functions are named, not imported."""

from __future__ import annotations

from mi_modular_arithmetic.analyzers.declare_ablation import FREQUENCY_ABLATION, HEAD_ABLATION
from mi_modular_arithmetic.analyzers.declare_answers import (
    ACCURACY_GRID,
    GRADUATION,
    LOGIT_SPECTRUM,
    PROGRESS_MEASURES,
)
from mi_modular_arithmetic.analyzers.declare_circuit import (
    ATTENTION_PATTERN,
    ATTENTION_SCORES,
    EFFECTIVE_DIMENSION,
    NEURON_FREQUENCIES,
    NEURON_TIMELINE,
)
from mi_modular_arithmetic.analyzers.declare_geometry import (
    CLASS_GEOMETRY,
    CLASS_POSITIONS,
    GROUP_GEOMETRY,
    at_neurons_alone,
)
from mi_modular_arithmetic.analyzers.declare_gradients import GRADIENT_SPECTRUM
from mi_modular_arithmetic.analyzers.declare_variants import FREQUENCY_SETS, GROK_SUMMARY
from mi_modular_arithmetic.analyzers.declare_weights import FREQUENCY_BOARD, PAIR_PARTS, PHASE_ALIGNMENT

__all__ = [
    "ACCURACY_GRID",
    "ANALYZERS",
    "ATTENTION_PATTERN",
    "ATTENTION_SCORES",
    "CLASS_GEOMETRY",
    "CLASS_POSITIONS",
    "EFFECTIVE_DIMENSION",
    "FREQUENCY_ABLATION",
    "FREQUENCY_BOARD",
    "FREQUENCY_SETS",
    "GRADIENT_SPECTRUM",
    "GRADUATION",
    "GROK_SUMMARY",
    "GROUP_GEOMETRY",
    "HEAD_ABLATION",
    "LOGIT_SPECTRUM",
    "NEURON_FREQUENCIES",
    "NEURON_TIMELINE",
    "PAIR_PARTS",
    "PHASE_ALIGNMENT",
    "PROGRESS_MEASURES",
    "at_neurons_alone",
]

ANALYZERS = (
    LOGIT_SPECTRUM,
    PROGRESS_MEASURES,
    ACCURACY_GRID,
    GRADUATION,
    NEURON_FREQUENCIES,
    NEURON_TIMELINE,
    ATTENTION_SCORES,
    ATTENTION_PATTERN,
    EFFECTIVE_DIMENSION,
    GROK_SUMMARY,
    FREQUENCY_SETS,
    FREQUENCY_ABLATION,
    HEAD_ABLATION,
    PHASE_ALIGNMENT,
    FREQUENCY_BOARD,
    PAIR_PARTS,
    CLASS_GEOMETRY,
    CLASS_POSITIONS,
    GROUP_GEOMETRY,
    GRADIENT_SPECTRUM,
)
