"""What this distribution contributes to `mi`; light, so that listing plugins costs no second."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode
from mi.domain.family import Family
from mi.domain.visualization import Visualization
from mi.hookspecs import hookimpl
from mi_modular_arithmetic import composition
from mi_modular_arithmetic.analyzers import ANALYZERS, at_neurons_alone
from mi_modular_arithmetic.visualizations import VISUALIZATIONS

# One code under two ids: a family.json names either, so both stand.
TRANSFORMER = "mi_modular_arithmetic.family:ModularTransformer"
_MLPS = ("modular_arithmetic.one_hot_mlp", "modular_arithmetic.embedding_mlp")


@hookimpl
def register_family() -> list[FamilyCode]:
    """Code of the families declared in ``families/``."""
    return [
        FamilyCode(
            id="modular_arithmetic.one_layer_transformer",
            implementation=TRANSFORMER,
            title="One-layer transformer on modular addition",
            families=("mi_modular_arithmetic:families/modular_addition_1layer",),
        ),
        FamilyCode(
            id="modular_arithmetic.one_hot_mlp",
            implementation="mi_modular_arithmetic.modular_mlp:OneHotMLP",
            title="MLP of two layers on one-hot pairs",
            families=("mi_modular_arithmetic:families/modular_addition_mlp",),
        ),
        FamilyCode(
            id="modular_arithmetic.embedding_mlp",
            implementation="mi_modular_arithmetic.modular_mlp:EmbeddingMLP",
            title="MLP on the sum of two learned embeddings",
            families=("mi_modular_arithmetic:families/modular_addition_embedding_mlp",),
        ),
        FamilyCode(
            id=composition.CODE,
            implementation="mi_modular_arithmetic.composition.family:GroupComposition",
            title="MLP that composes permutations",
            families=("mi_modular_arithmetic:families/symmetric_group_composition",),
        ),
        FamilyCode(
            id="modular_arithmetic.transformer",
            implementation=TRANSFORMER,
            title="Transformer on a task modulo p",
            families=("mi_modular_arithmetic:families/modular_arithmetic_transformer",),
        ),
    ]


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Analyses of networks that add modulo p, or that compose permutations, for the families of ours."""
    if family.code == composition.CODE:
        return list(composition.ANALYZERS)
    if family.code in _MLPS:
        return at_neurons_alone(ANALYZERS)
    return list(ANALYZERS) if _is_ours(family) else []


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Figures of these analyses, for the same families."""
    if family.code == composition.CODE:
        return list(composition.VISUALIZATIONS)
    return list(VISUALIZATIONS) if _is_ours(family) else []


def _is_ours(family: Family) -> bool:
    return family.code.startswith("modular_arithmetic.")
