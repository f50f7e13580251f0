"""Geometry of activations and weights, on numpy arrays and torch tensors, without `mi`.

Names are imported on first use: `mi` lists this distribution's plugin without paying for numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Clouds": "clouds",
    "Components": "pca",
    "Eigen": "power",
    "Fisher": "clouds",
    "Path": "paths",
    "PathSums": "paths",
    "Quadric": "surface",
    "aligned": "pca",
    "alignment": "pca",
    "by_difference": "distances",
    "centroid_dimension": "clouds",
    "circularity": "distances",
    "class_clouds": "clouds",
    "entropy_rank": "spectra",
    "epoch_weights": "paths",
    "filter_normalized": "directions",
    "filter_norms": "directions",
    "fisher": "clouds",
    "fit_quadric": "surface",
    "participation_of": "spectra",
    "participation_ratio": "spectra",
    "path_components": "paths",
    "path_sums": "paths",
    "principal_components": "pca",
    "product_singular_values": "spectra",
    "random_direction": "directions",
    "signal_to_noise": "clouds",
    "singular_values": "spectra",
    "speed": "paths",
    "squared_distances": "distances",
    "stable_rank": "spectra",
    "top_eigenvalue": "power",
    "turning": "paths",
}

__all__ = [
    "Clouds",
    "Components",
    "Eigen",
    "Fisher",
    "Path",
    "PathSums",
    "Quadric",
    "aligned",
    "alignment",
    "by_difference",
    "centroid_dimension",
    "circularity",
    "class_clouds",
    "entropy_rank",
    "epoch_weights",
    "filter_normalized",
    "filter_norms",
    "fisher",
    "fit_quadric",
    "participation_of",
    "participation_ratio",
    "path_components",
    "path_sums",
    "principal_components",
    "product_singular_values",
    "random_direction",
    "signal_to_noise",
    "singular_values",
    "speed",
    "squared_distances",
    "stable_rank",
    "top_eigenvalue",
    "turning",
]

if TYPE_CHECKING:
    from mi_geometry_library.clouds import Clouds as Clouds
    from mi_geometry_library.clouds import Fisher as Fisher
    from mi_geometry_library.clouds import centroid_dimension as centroid_dimension
    from mi_geometry_library.clouds import class_clouds as class_clouds
    from mi_geometry_library.clouds import fisher as fisher
    from mi_geometry_library.clouds import signal_to_noise as signal_to_noise
    from mi_geometry_library.directions import filter_normalized as filter_normalized
    from mi_geometry_library.directions import filter_norms as filter_norms
    from mi_geometry_library.directions import random_direction as random_direction
    from mi_geometry_library.distances import by_difference as by_difference
    from mi_geometry_library.distances import circularity as circularity
    from mi_geometry_library.distances import squared_distances as squared_distances
    from mi_geometry_library.paths import Path as Path
    from mi_geometry_library.paths import PathSums as PathSums
    from mi_geometry_library.paths import epoch_weights as epoch_weights
    from mi_geometry_library.paths import path_components as path_components
    from mi_geometry_library.paths import path_sums as path_sums
    from mi_geometry_library.paths import speed as speed
    from mi_geometry_library.paths import turning as turning
    from mi_geometry_library.pca import Components as Components
    from mi_geometry_library.pca import aligned as aligned
    from mi_geometry_library.pca import alignment as alignment
    from mi_geometry_library.pca import principal_components as principal_components
    from mi_geometry_library.power import Eigen as Eigen
    from mi_geometry_library.power import top_eigenvalue as top_eigenvalue
    from mi_geometry_library.spectra import entropy_rank as entropy_rank
    from mi_geometry_library.spectra import participation_of as participation_of
    from mi_geometry_library.spectra import participation_ratio as participation_ratio
    from mi_geometry_library.spectra import product_singular_values as product_singular_values
    from mi_geometry_library.spectra import singular_values as singular_values
    from mi_geometry_library.spectra import stable_rank as stable_rank
    from mi_geometry_library.surface import Quadric as Quadric
    from mi_geometry_library.surface import fit_quadric as fit_quadric


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"mi_geometry_library.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'mi_geometry_library' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
