"""What can be seen of a network that adds modulo p. Light: functions are named, not imported."""

from __future__ import annotations

from mi_modular_arithmetic.visualizations.declare_ablation import ABLATION_BARS, ABLATION_MAP, HEADS
from mi_modular_arithmetic.visualizations.declare_behaviour import (
    ACCURACY,
    ATTENTION_SPECTRUM,
    CROSSOVERS,
    DIMENSION,
    GRADUATION_MAP,
    MEAN_ATTENTION,
    PATTERN_MAP,
    RESIDUES,
    SINGULAR_HISTORY,
    SINGULAR_VALUES,
)
from mi_modular_arithmetic.visualizations.declare_circuit import (
    EXCLUDED,
    FREQUENCY_STRENGTH,
    NEURON_MAP,
    NEURON_SPECTRUM,
    PROGRESS,
    SPARSITY,
    TIMELINE,
    TRIG_COEFFICIENTS,
    WEIGHTS,
)
from mi_modular_arithmetic.visualizations.declare_geometry import GEOMETRY
from mi_modular_arithmetic.visualizations.declare_gradients import GRADIENT_COSINE, GRADIENT_MAP
from mi_modular_arithmetic.visualizations.declare_weights import (
    ATTENTION_HISTORY,
    BOARD,
    LOCALIZATION,
    MISALIGNMENT,
    PAIR_TRACE,
    PHASE_SCATTER,
    PHASE_SPREAD,
    SCORES,
    STATIONS,
    WEIGHT_WAVES,
)

VISUALIZATIONS = (
    *GEOMETRY,
    ABLATION_MAP,
    ABLATION_BARS,
    HEADS,
    GRADIENT_MAP,
    GRADIENT_COSINE,
    PHASE_SCATTER,
    MISALIGNMENT,
    PHASE_SPREAD,
    LOCALIZATION,
    WEIGHT_WAVES,
    BOARD,
    STATIONS,
    PAIR_TRACE,
    SCORES,
    ATTENTION_HISTORY,
    PROGRESS,
    TRIG_COEFFICIENTS,
    FREQUENCY_STRENGTH,
    EXCLUDED,
    NEURON_SPECTRUM,
    TIMELINE,
    NEURON_MAP,
    PATTERN_MAP,
    MEAN_ATTENTION,
    ATTENTION_SPECTRUM,
    ACCURACY,
    RESIDUES,
    GRADUATION_MAP,
    DIMENSION,
    SINGULAR_VALUES,
    SINGULAR_HISTORY,
    CROSSOVERS,
    SPARSITY,
    WEIGHTS,
)
