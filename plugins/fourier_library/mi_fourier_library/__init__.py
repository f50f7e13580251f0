"""Fourier analysis over cyclic groups, on numpy arrays and torch tensors, without `mi`."""

from mi_fourier_library.bases import (
    basis_frequencies,
    basis_labels,
    frequencies,
    normalization,
    real_basis,
)
from mi_fourier_library.classes import (
    class_mean,
    component,
    components,
    fraction_of_variance,
    trig_coefficients,
)
from mi_fourier_library.fractions import Dominant, Fractions, dominant, frequency_fractions
from mi_fourier_library.selection import choose_key_frequencies
from mi_fourier_library.spectra import energy, energy_share, gini
from mi_fourier_library.transform import (
    AmplitudePhase,
    Waves,
    amplitude_phase,
    from_basis,
    split_waves,
    to_basis,
    waves,
)

__all__ = [
    "AmplitudePhase",
    "Dominant",
    "Fractions",
    "Waves",
    "amplitude_phase",
    "basis_frequencies",
    "basis_labels",
    "choose_key_frequencies",
    "class_mean",
    "component",
    "components",
    "dominant",
    "energy",
    "energy_share",
    "fraction_of_variance",
    "frequencies",
    "frequency_fractions",
    "from_basis",
    "gini",
    "normalization",
    "real_basis",
    "split_waves",
    "to_basis",
    "trig_coefficients",
    "waves",
]
