"""Composition in the symmetric group S_n: a family of its own, and what its irreps tell of a network.

It lies in this distribution, beside the modular families, because it shares their network, split and training
to the last line; it lies in a package of its own because nothing cyclic applies to it. What it needs of group
theory is in `mi_fourier_library`, which knows no task. Light: functions are named, not imported.
"""

from __future__ import annotations

from mi_modular_arithmetic.composition.declare import ANALYZERS, VISUALIZATIONS

CODE = "modular_arithmetic.group_composition_mlp"

__all__ = ["ANALYZERS", "CODE", "VISUALIZATIONS"]
