"""What the analyzers cost, in floating-point operations as functions of sizes; light, and counted by hand."""

from __future__ import annotations

from collections.abc import Mapping


def parameter_path(sizes: Mapping[str, int]) -> float:
    """Inner products of all checkpoints and their decompositions, where the family says how wide it is.

    The number of weights is no dimension of a family: that of a transformer of one layer is taken, and only
    the decompositions are counted where the sizes of one are not all given.
    """
    epochs, matrices = sizes["epoch"], sizes["matrix"]
    d, hidden = sizes.get("feature", 0), sizes.get("neuron", 0)
    heads = sizes.get("head", 0) * sizes.get("d_head", 0)
    numbers = d * (2 * hidden + 4 * heads + sizes.get("token", 0) + sizes.get("residue", 0))
    return 2.0 * epochs**2 * numbers + 10.0 * epochs**3 * matrices
