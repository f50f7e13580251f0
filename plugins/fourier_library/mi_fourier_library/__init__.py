"""Fourier analysis over cyclic and other groups, on numpy arrays and torch tensors, without `mi`.

Names are imported on first use: `mi` lists this distribution's plugin without paying for numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AmplitudePhase": "transform",
    "Basis": "basis",
    "Dominant": "fractions",
    "FiniteGroup": "groups",
    "Fractions": "fractions",
    "RowGroup": "basis",
    "Waves": "transform",
    "amplitude_phase": "transform",
    "basis_frequencies": "bases",
    "basis_labels": "bases",
    "character_coefficients": "grouped",
    "character_variance": "grouped",
    "canonical": "sets",
    "choose_key_frequencies": "selection",
    "circle": "basis",
    "class_mean": "classes",
    "component": "classes",
    "components": "classes",
    "dominant": "fractions",
    "energy": "spectra",
    "energy_share": "spectra",
    "fold": "sets",
    "fraction_of_variance": "classes",
    "frequencies": "bases",
    "frequency_fractions": "fractions",
    "from_basis": "transform",
    "gini": "spectra",
    "grid_coefficients": "grids",
    "grid_component": "grids",
    "group_cells": "grouped",
    "group_energy": "grouped",
    "group_fractions": "grouped",
    "group_share": "grouped",
    "in_order": "order",
    "jaccard": "sets",
    "margin": "sets",
    "matched": "sets",
    "normalization": "bases",
    "real_basis": "bases",
    "regular_basis": "basis",
    "split_waves": "transform",
    "symmetric_group": "symmetric",
    "to_basis": "transform",
    "trig_coefficients": "classes",
    "units": "sets",
    "waves": "transform",
    "without_frequency": "grids",
}

__all__ = [
    "AmplitudePhase",
    "Basis",
    "Dominant",
    "FiniteGroup",
    "Fractions",
    "RowGroup",
    "Waves",
    "amplitude_phase",
    "basis_frequencies",
    "basis_labels",
    "canonical",
    "character_coefficients",
    "character_variance",
    "choose_key_frequencies",
    "circle",
    "class_mean",
    "component",
    "components",
    "dominant",
    "energy",
    "energy_share",
    "fold",
    "fraction_of_variance",
    "frequencies",
    "frequency_fractions",
    "from_basis",
    "gini",
    "grid_coefficients",
    "grid_component",
    "group_cells",
    "group_energy",
    "group_fractions",
    "group_share",
    "in_order",
    "jaccard",
    "margin",
    "matched",
    "normalization",
    "real_basis",
    "regular_basis",
    "split_waves",
    "symmetric_group",
    "to_basis",
    "trig_coefficients",
    "units",
    "waves",
    "without_frequency",
]

if TYPE_CHECKING:
    from mi_fourier_library.bases import basis_frequencies as basis_frequencies
    from mi_fourier_library.bases import basis_labels as basis_labels
    from mi_fourier_library.bases import frequencies as frequencies
    from mi_fourier_library.bases import normalization as normalization
    from mi_fourier_library.bases import real_basis as real_basis
    from mi_fourier_library.basis import Basis as Basis
    from mi_fourier_library.basis import RowGroup as RowGroup
    from mi_fourier_library.basis import circle as circle
    from mi_fourier_library.basis import regular_basis as regular_basis
    from mi_fourier_library.classes import class_mean as class_mean
    from mi_fourier_library.classes import component as component
    from mi_fourier_library.classes import components as components
    from mi_fourier_library.classes import fraction_of_variance as fraction_of_variance
    from mi_fourier_library.classes import trig_coefficients as trig_coefficients
    from mi_fourier_library.fractions import Dominant as Dominant
    from mi_fourier_library.fractions import Fractions as Fractions
    from mi_fourier_library.fractions import dominant as dominant
    from mi_fourier_library.fractions import frequency_fractions as frequency_fractions
    from mi_fourier_library.grids import grid_coefficients as grid_coefficients
    from mi_fourier_library.grids import grid_component as grid_component
    from mi_fourier_library.grids import without_frequency as without_frequency
    from mi_fourier_library.grouped import character_coefficients as character_coefficients
    from mi_fourier_library.grouped import character_variance as character_variance
    from mi_fourier_library.grouped import group_cells as group_cells
    from mi_fourier_library.grouped import group_energy as group_energy
    from mi_fourier_library.grouped import group_fractions as group_fractions
    from mi_fourier_library.grouped import group_share as group_share
    from mi_fourier_library.groups import FiniteGroup as FiniteGroup
    from mi_fourier_library.order import in_order as in_order
    from mi_fourier_library.selection import choose_key_frequencies as choose_key_frequencies
    from mi_fourier_library.sets import canonical as canonical
    from mi_fourier_library.sets import fold as fold
    from mi_fourier_library.sets import jaccard as jaccard
    from mi_fourier_library.sets import margin as margin
    from mi_fourier_library.sets import matched as matched
    from mi_fourier_library.sets import units as units
    from mi_fourier_library.spectra import energy as energy
    from mi_fourier_library.spectra import energy_share as energy_share
    from mi_fourier_library.spectra import gini as gini
    from mi_fourier_library.symmetric import symmetric_group as symmetric_group
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
