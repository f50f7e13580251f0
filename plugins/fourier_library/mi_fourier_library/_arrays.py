"""What lets every function take numpy arrays and torch tensors alike.

A result is of the same kind, dtype and device as the array that was given, because every
operation goes through the array's own namespace (https://data-apis.org/array-api).
"""

from collections.abc import Sequence
from typing import Any

import array_api_compat
import numpy as np

# The array API has no common type to annotate with (numpy and torch share no base class).
Array = Any
Axis = int | str


def namespace(x: Array) -> Any:
    """Return the array API namespace of `x`.

    Raises TypeError when `x` is not an array (a list, say), ValueError when its values are not
    real floating-point numbers: a coefficient of integers could not keep their dtype.
    """
    xp = array_api_compat.array_namespace(x)
    if not xp.isdtype(x.dtype, "real floating"):
        raise ValueError(f"needs an array of real floating-point numbers, not of {x.dtype}")
    return xp


def like(table: "np.ndarray[Any, Any]", x: Array, dtype: Any = None) -> Array:
    """Return a numpy table as an array of the kind and device of `x`, and of its dtype or another.

    A copy is made, because torch warns about memory that is read-only, as cached tables are. The
    way to a device is queued, not awaited.
    """
    xp = array_api_compat.array_namespace(x)
    made = xp.asarray(table.copy(), dtype=dtype or x.dtype)
    if array_api_compat.is_torch_array(x):
        return made.to(x.device, non_blocking=True)
    return array_api_compat.to_device(made, array_api_compat.device(x))


def any_negative(x: Array) -> bool:
    """Tell whether a numpy array holds a negative value; others are not looked at.

    They may lie on an accelerator, and looking would wait for everything that it has to do.
    """
    return bool(array_api_compat.is_numpy_array(x) and (x < 0).any())


def resolve(x: Array, axes: Sequence[Axis]) -> tuple[Array, tuple[int, ...]]:
    """Return the plain array of `x` and the given axes as numbers from 0.

    A name is looked up in `x.dims`, so that an xarray DataArray can be given; its plain array
    (`x.data`) is what is computed on and returned.

    Raises ValueError when an axis does not exist, or is given twice.
    """
    dims = getattr(x, "dims", None)
    data = x if dims is None else x.data
    numbers = []
    for axis in axes:
        if isinstance(axis, str):
            if dims is None or axis not in dims:
                raise ValueError(f"no axis is named {axis!r}; the names are {dims}")
            numbers.append(dims.index(axis))
        elif -data.ndim <= axis < data.ndim:
            numbers.append(axis % data.ndim)
        else:
            raise ValueError(f"axis {axis} does not exist in the shape {tuple(data.shape)}")
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"the axes {tuple(axes)} must differ")
    return data, tuple(numbers)


def divide(numerator: Array, denominator: Array, valid: Array) -> Array:
    """Return numerator / denominator, and NaN where not `valid`, without a warning."""
    xp = array_api_compat.array_namespace(numerator)
    # Dividing by 1 where there is nothing to divide keeps 0/0 from being computed at all.
    quotient = numerator / xp.where(valid, denominator, xp.ones_like(denominator))
    return xp.where(valid, quotient, xp.full_like(quotient, xp.nan))
