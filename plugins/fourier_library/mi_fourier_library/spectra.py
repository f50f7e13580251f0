"""Energy per frequency along one axis, its shares, and how concentrated a spectrum is.

Axes are as in `transform`: numbers, or names of dimensions.
"""

import numpy as np

from mi_fourier_library._arrays import Array, Axis, any_negative, divide, like, namespace, resolve
from mi_fourier_library.transform import split_waves, to_basis


def energy(x: Array, axis: Axis = -1, keep_other_axes: bool = False) -> Array:
    """Return |cos_k·x|² + |sin_k·x|² for k = 1 .. n//2, in the squared unit of `x`.

    cos_k and sin_k are rows of `real_basis(n)`, n the length of the axis. Summed over the other
    axes the shape is (n//2,); kept, it is that of `x` with n//2 in place of n. The energies and
    that of the constant sum to Σ x² (Parseval).

    Raises ValueError when the axis does not exist or is shorter than 2, or when the values are
    not real floating-point numbers.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    last = xp.moveaxis(data, number, -1)  # (..., n)
    cosine, sine = split_waves(to_basis(last))
    per_vector = cosine**2 + sine**2  # (..., n//2)
    if keep_other_axes:
        return xp.moveaxis(per_vector, -1, number)
    return xp.sum(per_vector, axis=tuple(range(data.ndim - 1)))


def energy_share(x: Array, axis: Axis = -1, keep_other_axes: bool = False) -> Array:
    """Return the energy of each frequency as a share of all of them: same as `energy`, sum 1.

    The constant takes no part. A signal that does not vary along the axis has no shares: NaN.
    Not to vary means to vary by no more than the rounding of its own values, or so little that
    the squares are 0 in its dtype. Same errors.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    n = data.shape[number]
    values = energy(x, axis, keep_other_axes)
    axis_of_k = number if keep_other_axes else 0
    summed = number if keep_other_axes else tuple(range(data.ndim))
    varying = xp.sum(values, axis=axis_of_k, keepdims=True)
    whole = xp.sum(data**2, axis=summed, keepdims=keep_other_axes)
    # Each of n coefficients carries a rounding error of about eps times the norm of the signal.
    rounding = 4 * n * float(xp.finfo(data.dtype).eps) ** 2 * whole
    return divide(values, varying, varying > rounding)


def gini(x: Array, axis: Axis = -1) -> Array:
    """Return the Gini coefficient of values >= 0 along an axis, the other axes kept.

    0 when all are equal, 1 - 1/N when one of N holds everything, NaN when their sum is 0.
    With x_(i) sorted upwards, i = 1 .. N: Σ_i (2i - N - 1) x_(i) / (N Σ x) (Hurley & Rickard,
    *Comparing measures of sparsity*, 2009).

    Raises ValueError when a value is negative (of a numpy array: others are not looked at, which
    would wait for their device, and give NaN there), the axis does not exist, or the values are
    not real floating-point numbers.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    if any_negative(data):
        raise ValueError("the Gini coefficient is defined for values of at least 0 only")
    ordered = xp.sort(xp.moveaxis(data, number, -1), axis=-1)  # (..., N)
    count = ordered.shape[-1]
    weights = like(2.0 * np.arange(1, count + 1) - count - 1, data)
    total = xp.sum(ordered, axis=-1)
    return divide(
        xp.sum(weights * ordered, axis=-1), count * total, (total > 0) & (ordered[..., 0] >= 0)
    )
