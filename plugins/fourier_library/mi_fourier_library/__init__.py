"""Fourier analysis over cyclic groups, on numpy arrays and torch tensors, without `mi`.

Names are imported on first use: `mi` lists this distribution's plugin without paying for numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AmplitudePhase": "transform",
    "Dominant": "fractions",
    "Fractions": "fractions",
    "Waves": "transform",
    "amplitude_phase": "transform",
    "basis_frequencies": "bases",
    "basis_labels": "bases",
    "choose_key_frequencies": "selection",
    "class_mean": "classes",
    "component": "classes",
    "components": "classes",
    "dominant": "fractions",
    "energy": "spectra",
    "energy_share": "spectra",
    "fraction_of_variance": "classes",
    "frequencies": "bases",
    "frequency_fractions": "fractions",
    "from_basis": "transform",
    "gini": "spectra",
    "normalization": "bases",
    "real_basis": "bases",
    "split_waves": "transform",
    "to_basis": "transform",
    "trig_coefficients": "classes",
    "waves": "transform",
}

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

if TYPE_CHECKING:
    from mi_fourier_library.bases import basis_frequencies as basis_frequencies
    from mi_fourier_library.bases import basis_labels as basis_labels
    from mi_fourier_library.bases import frequencies as frequencies
    from mi_fourier_library.bases import normalization as normalization
    from mi_fourier_library.bases import real_basis as real_basis
    from mi_fourier_library.classes import class_mean as class_mean
    from mi_fourier_library.classes import component as component
    from mi_fourier_library.classes import components as components
    from mi_fourier_library.classes import fraction_of_variance as fraction_of_variance
    from mi_fourier_library.classes import trig_coefficients as trig_coefficients
    from mi_fourier_library.fractions import Dominant as Dominant
    from mi_fourier_library.fractions import Fractions as Fractions
    from mi_fourier_library.fractions import dominant as dominant
    from mi_fourier_library.fractions import frequency_fractions as frequency_fractions
    from mi_fourier_library.selection import choose_key_frequencies as choose_key_frequencies
    from mi_fourier_library.spectra import energy as energy
    from mi_fourier_library.spectra import energy_share as energy_share
    from mi_fourier_library.spectra import gini as gini
    from mi_fourier_library.transform import AmplitudePhase as AmplitudePhase
    from mi_fourier_library.transform import Waves as Waves
    from mi_fourier_library.transform import amplitude_phase as amplitude_phase
    from mi_fourier_library.transform import from_basis as from_basis
    from mi_fourier_library.transform import split_waves as split_waves
    from mi_fourier_library.transform import to_basis as to_basis
    from mi_fourier_library.transform import waves as waves


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"mi_fourier_library.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'mi_fourier_library' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
