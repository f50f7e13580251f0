"""What the analyses of irreps cost, in floating-point operations; light, and counted by hand.

A multiplication and an addition are two. With g permutations, N pairs (``row``), M neurons, d the width of an
embedding (``feature``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Sizes = Mapping[str, int]


def irrep_weights(n: Sizes, **options: Any) -> float:
    """What the neurons read of either embedding, and five matrices into the basis of the group."""
    g, widths = n["permutation"], 2 * n["feature"] + 3 * n["neuron"]
    return 2.0 * 2 * g * n["feature"] * n["neuron"] + 2.0 * g**2 * widths


def irrep_neurons(n: Sizes, **options: Any) -> float:
    """Every neuron into the basis along left and along right, and sums of squares by irrep."""
    cells = n["row"] * n["neuron"]
    return 2.0 * cells * (2 * n["permutation"] + n["irrep"] + 3)


def irrep_logits(n: Sizes, **options: Any) -> float:
    """All logits into the basis along answers, class means, and their products with the characters."""
    g, cells = n["permutation"], n["row"] * n["permutation"]
    return 2.0 * cells * (g + n["irrep"] + 3) + 2.0 * n["irrep"] * g**2


def irrep_progress(n: Sizes, **options: Any) -> float:
    """One product of exponentials a set, train rows counted as all; exponentials count as 10."""
    g, cells = n["permutation"], n["row"] * n["permutation"]
    return 2.0 * cells * (n["irrep"] + 1) + 10.0 * cells + (2 + 2 + 10) * n["irrep"] * g**2
