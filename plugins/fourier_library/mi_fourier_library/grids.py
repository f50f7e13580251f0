"""What of a function on the grid (a, b) belongs to a single frequency, as a function again."""

from collections.abc import Sequence

from mi_fourier_library._arrays import Array, Axis, like, namespace, resolve
from mi_fourier_library.bases import frequencies, real_basis


def grid_coefficients(x: Array, axes: Sequence[Axis] = (0, 1)) -> Array:
    """Return the coefficients of `x` in the products of two rows of `real_basis(n)`.

    x: (n, n, ...), or any shape in which `axes` are the two of length n. The result is
    (basis of a, basis of b, ...): these two axes in front, all others in their order.

    Raises ValueError when the two axes do not exist, are the same, differ in length or are
    shorter than 2, or when the values are not real floating-point numbers.
    """
    data, (first, second) = resolve(x, axes)
    xp = namespace(data)
    n = data.shape[first]
    if data.shape[second] != n:
        raise ValueError(f"the two axes must be equally long, not {n} and {data.shape[second]}")
    grid = xp.moveaxis(data, (first, second), (0, 1))
    others = tuple(grid.shape[2:])
    basis = like(real_basis(n), data)
    rows = xp.matmul(basis, xp.reshape(grid, (n, -1)))  # (basis of a, b·…)
    found = xp.matmul(basis, xp.reshape(rows, (n, n, -1)))  # (basis of a, basis of b, …)
    return xp.reshape(found, (n, n, *others))


def grid_component(coefficients: Array, k: int) -> Array:
    """Return the part of a function on the grid that belongs to frequency k, (n, n, ...).

    coefficients: (n, n, ...), from `grid_coefficients`. The part is the projection on the products
    of {const, cos k, sin k} in a and in b, const·const apart: 8 directions, 3 at k = n/2 of an even
    n, the same as the cells of `frequency_fractions`. The mean, the parts of all k, and a rest that
    mixes frequencies are orthogonal and sum to the function.

    Raises ValueError when k lies outside 1 .. n//2.
    """
    xp = namespace(coefficients)
    n = coefficients.shape[0]
    if k not in frequencies(n):
        raise ValueError(f"frequencies modulo {n} lie in 1 .. {n // 2}, not {k}")
    own = [0, 2 * k - 1, 2 * k][: 3 if 2 * k < n else 2]
    waves = like(real_basis(n)[own], coefficients)  # (3, n)
    flat = xp.reshape(coefficients, (n, n, -1))
    zero = xp.zeros_like(flat[0, 0, :])
    table = xp.stack(
        [xp.stack([zero if i == j == 0 else flat[i, j, :] for j in own]) for i in own]
    )  # (3, 3, …)
    rows = xp.matmul(waves.T, xp.reshape(table, (len(own), -1)))  # (a, 3·…)
    found = xp.matmul(waves.T, xp.reshape(rows, (n, len(own), -1)))  # (a, b, …)
    return xp.reshape(found, tuple(coefficients.shape))


def without_frequency(x: Array, k: int, axis: Axis = -1) -> Array:
    """Return `x` without its cos k and sin k along an axis of length n, shape as `x`.

    Raises ValueError when k lies outside 1 .. n//2, the axis does not exist, or the values are not
    real floating-point numbers.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    n = data.shape[number]
    if k not in frequencies(n):
        raise ValueError(f"frequencies modulo {n} lie in 1 .. {n // 2}, not {k}")
    waves = like(real_basis(n)[2 * k - 1 : 2 * k + 1], data)  # (2, n); one row at k = n/2
    last = xp.moveaxis(data, number, -1)
    part = xp.matmul(xp.matmul(last, waves.T), waves)
    return data - xp.moveaxis(part, -1, number)
