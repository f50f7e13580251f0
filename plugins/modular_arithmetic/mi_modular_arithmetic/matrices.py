"""Names of the matrices whose dimensions are counted; light, for figures need no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable

JOINT = ("W_E", "W_in", "W_out", "W_L")
PER_HEAD = ("W_QK", "W_OV")


def prefixes(names: Iterable[str]) -> list[str]:
    """What the names of each layer's tensors, or of its matrices, begin with; nothing for an only layer."""
    layers = {m[0] for name in names if (m := re.match(r"blocks\.\d+\.", name))}
    return sorted(layers, key=lambda prefix: int(prefix.split(".")[1])) or [""]


def in_layer(names: Iterable[str], layer: int) -> str:
    """The prefix of a layer, counted from 0, or from the last as -1; the last where there are fewer."""
    layers = prefixes(names)
    return layers[layer] if -len(layers) <= layer < len(layers) else layers[-1]


def named(prefix: str, matrix: str) -> str:
    """A matrix of a layer; the embedding is of none."""
    return matrix if matrix == "W_E" else prefix + matrix
