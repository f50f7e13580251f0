"""Comparing arrays to the bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def differing(one: Mapping[str, np.ndarray] | None, other: Mapping[str, np.ndarray] | None) -> str:
    """The first name whose arrays differ in shape, dtype or any bit; empty when none does."""
    one, other = one or {}, other or {}
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other or not same(one[name], other[name]):
            return name
    return ""


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal in shape, dtype and every bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
