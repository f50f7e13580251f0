"""The elements of a cyclic group, picked in the order in which they make the cycle."""

import numpy as np
from numpy.typing import NDArray

from mi_fourier_library._arrays import Array, Axis, like, namespace, resolve


def in_order(x: Array, elements: "NDArray[np.int64]", axis: Axis = -1) -> Array:
    """Return the entries of `x` at the group's elements along an axis, in their order.

    elements: (n,), where each element of the group lies along the axis, from 0; all else that
    lies there (a token that is no element) is left out. Residues modulo n, under addition, are in
    order as they are; the units modulo a prime, under multiplication, as powers of one root.
    The result has n entries along the axis: a view of `x` where the elements are 0, 1, 2, ...

    Raises ValueError when the axis does not exist or lacks an element, or when the values are not
    real floating-point numbers.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    length = data.shape[number]
    if elements.size and not 0 <= elements.min() <= elements.max() < length:
        raise ValueError(
            f"elements must lie in 0 .. {length - 1}, not in {elements.min()} .. {elements.max()}"
        )
    n = len(elements)
    if np.array_equal(elements, np.arange(n)):
        return data[(*(slice(None),) * number, slice(0, n))]
    return xp.take(data, like(elements, data, dtype=xp.int64), axis=number)
