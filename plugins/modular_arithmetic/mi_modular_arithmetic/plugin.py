"""What this distribution contributes to `mi`; light, so that listing plugins costs no second."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode
from mi.domain.family import Family
from mi.domain.visualization import Visualization
from mi.hookspecs import hookimpl
from mi_modular_arithmetic.analyzers import ANALYZERS
from mi_modular_arithmetic.visualizations import VISUALIZATIONS


@hookimpl
def register_family() -> list[FamilyCode]:
    """Code of the families declared in ``families/``."""
    return [
        FamilyCode(
            id="modular_arithmetic.one_layer_transformer",
            implementation="mi_modular_arithmetic.family:OneLayerTransformer",
            title="One-layer transformer on modular addition",
            families=("mi_modular_arithmetic:families/modular_addition_1layer",),
        )
    ]


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Analyses of networks that add modulo p, for the families whose code is ours."""
    return list(ANALYZERS) if _is_ours(family) else []


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Figures of these analyses, for the same families."""
    return list(VISUALIZATIONS) if _is_ours(family) else []


def _is_ours(family: Family) -> bool:
    return family.code.startswith("modular_arithmetic.")
