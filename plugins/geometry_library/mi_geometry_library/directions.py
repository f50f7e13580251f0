"""Random directions in the space of weights that are as long, filter by filter, as the weights themselves."""

from collections.abc import Mapping, Sequence
from math import prod

import array_api_compat
import numpy as np

from mi_geometry_library._arrays import Array, divide, namespace


def random_direction(
    shapes: Mapping[str, Sequence[int]], seed: int, index: int
) -> "dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]":
    """Independent standard normal numbers of these shapes, float32, on the host.

    The same for the same shapes, seed and index on every machine and device, whatever number of directions
    is drawn: tensors are filled in the order of their names from a stream of the direction's own.

    Args:
        shapes: name -> shape.
        seed: of all directions.
        index: which of them, from 0.
    """
    stream = np.random.Generator(np.random.PCG64([seed, index]))
    found = {}
    for name in sorted(shapes):
        size = prod(shapes[name])
        found[name] = stream.standard_normal(size, dtype=np.float32).reshape(tuple(shapes[name]))
    return found


def filter_norms(x: Array) -> Array:
    """Euclidean norm of each filter, the filter's axis kept with length 1.

    A filter is all that one output reads: of a matrix that rows are multiplied with, x @ W, a column; of a
    stack of matrices a column of each. A vector is one filter; so is a single number.

    Raises:
        TypeError, ValueError: it is no array of real floating-point numbers.
    """
    xp = namespace(x)
    if x.ndim == 0:
        return xp.abs(x)
    return xp.sqrt(xp.sum(x * x, axis=-2 if x.ndim > 1 else -1, keepdims=True))


def filter_normalized(direction: Array, weight: Array) -> Array:
    """The direction with every filter as long as the weight's: d ‖w‖ / ‖d‖, filter by filter.

    Moving by ``r`` times the result changes each filter by the share ``r`` of its own norm, however the
    network's scale is spread over its layers. A filter of zeros stays. Li, Xu, Taylor, Studer & Goldstein,
    *Visualizing the loss landscape of neural nets* (2018), section 4; where they leave vectors (biases,
    gains) as they are, each is one filter here.

    Raises:
        TypeError, ValueError: one is no array of real floating-point numbers, or shapes differ.
    """
    if tuple(direction.shape) != tuple(weight.shape):
        raise ValueError(
            f"the direction has shape {tuple(direction.shape)}, expected the weight's, {tuple(weight.shape)}"
        )
    own = filter_norms(direction)
    xp = array_api_compat.array_namespace(own)
    scale = divide(filter_norms(weight), own, own > 0)
    return direction * xp.where(own > 0, scale, xp.zeros_like(scale))
