"""What this distribution contributes to `mi`; light, so that listing plugins costs no second."""

from __future__ import annotations

from mi.domain.code import FamilyCode
from mi.hookspecs import hookimpl


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
