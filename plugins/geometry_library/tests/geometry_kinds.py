"""The kinds of array that every function takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

NAMES = ("numpy float64", "numpy float32", "torch float64", "torch float32")


@dataclass(frozen=True)
class Kind:
    """One kind of array: how to make it, its dtype, and how exact results in it are."""

    make: Callable[[Any], Any]
    dtype: Any
    tolerance: float


def kind_named(name: str) -> Kind:
    """The kind of one of NAMES; a test that asks for torch where it is not is skipped."""
    library, precision = name.split()
    tolerance = 1e-6 if precision == "float64" else 1e-3
    if library == "numpy":
        dtype = np.dtype(precision)
        return Kind(lambda values: np.asarray(values, dtype=dtype), dtype, tolerance)
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, precision)
    return Kind(lambda values: torch.tensor(np.asarray(values), dtype=dtype), dtype, tolerance)
