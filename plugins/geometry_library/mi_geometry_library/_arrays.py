"""What lets every function take numpy arrays and torch tensors alike.

A result is of the same kind, dtype and device as the array that was given, because every operation goes
through the array's own namespace (https://data-apis.org/array-api). Small matrices are decomposed in float64.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import array_api_compat
import numpy as np

# The array API has no common type to annotate with (numpy and torch share no base class).
Array = Any

_SMALL = 256  # rows or columns, whichever are fewer


def namespace(x: Array) -> Any:
    """The array API namespace of ``x``.

    Raises:
        TypeError: it is no array (a list, say).
        ValueError: its values are not real floating-point numbers.
    """
    xp = array_api_compat.array_namespace(x)
    if not xp.isdtype(x.dtype, "real floating"):
        raise ValueError(f"needs an array of real floating-point numbers, not of {x.dtype}")
    return xp


def like(table: "np.ndarray[Any, Any]", x: Array, dtype: Any = None) -> Array:
    """A numpy table as an array of the kind and device of ``x``, and of its dtype or another.

    The way to a device is queued, not awaited.
    """
    xp = array_api_compat.array_namespace(x)
    made = xp.asarray(table.copy(), dtype=dtype or x.dtype)
    if array_api_compat.is_torch_array(x):
        return made.to(x.device, non_blocking=True)
    return array_api_compat.to_device(made, array_api_compat.device(x))


def divide(numerator: Array, denominator: Array, valid: Array) -> Array:
    """The quotient, and NaN where not ``valid``, without a warning."""
    xp = array_api_compat.array_namespace(numerator)
    # Dividing by 1 where there is nothing to divide keeps 0/0 from being computed at all.
    quotient = numerator / xp.where(valid, denominator, xp.ones_like(denominator))
    return xp.where(valid, quotient, xp.full_like(quotient, xp.nan))


def wide(x: Array) -> Array:
    """``x`` in float64: for the few numbers of a small matrix that is decomposed."""
    xp = namespace(x)
    return xp.astype(x, xp.float64)


def transposed(x: Array) -> Array:
    """The last two axes exchanged."""
    xp = array_api_compat.array_namespace(x)
    return xp.matrix_transpose(x)


@contextmanager
def one_thread(*matrices: Array) -> Iterator[None]:
    """One torch thread while small matrices (…, m, n) on the CPU are decomposed.

    A decomposition is thousands of short steps, and threads that wait for one another in each take several
    times as long as one alone (3.5 times, at 128 × 512). Large matrices, whose steps are long, keep them all.
    """
    small = all(min(matrix.shape[-2:]) <= _SMALL for matrix in matrices)
    if not small or not all(array_api_compat.is_torch_array(m) and m.device.type == "cpu" for m in matrices):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
