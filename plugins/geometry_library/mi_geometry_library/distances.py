"""Distances between points, and what of them depends on the difference of two classes alone."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mi_geometry_library._arrays import Array, divide, like, namespace, transposed, wide


def squared_distances(points: Array) -> Array:
    """|x_i − x_j|² of points (n, features): (n, n), 0 on the diagonal, never below 0.

    Through inner products about the points' mean, in float64, rounded to their dtype at the end.
    """
    xp = namespace(points)
    x = wide(points)
    x = x - xp.mean(x, axis=0)
    gram = xp.matmul(x, transposed(x))
    square = xp.sum(x**2, axis=1)
    found = square[:, None] + square[None, :] - 2 * gram
    apart = like(~np.eye(points.shape[0], dtype=bool), points, xp.bool)
    return xp.astype(xp.where(apart & (found > 0), found, xp.zeros_like(found)), points.dtype)


def by_difference(matrix: Array) -> Array:
    """Mean over c of matrix[c, c + d mod n], for each difference d of two classes of a cycle: (n,).

    Raises:
        ValueError: the matrix is not square.
    """
    xp = namespace(matrix)
    return xp.mean(_diagonals(matrix), axis=1)


def circularity(matrix: Array) -> Array:
    """How far entries off the diagonal depend on the difference of their two classes alone: ().

    The share of their variance that the means by difference explain: 1 for a circulant, NaN where they are
    all alike.

    Raises:
        ValueError: the matrix is not square.
    """
    xp = namespace(matrix)
    off = _diagonals(matrix)[1:, :]  # (d, c): without the diagonal
    mean = xp.mean(off)
    spread = xp.sum((off - mean) ** 2)
    left = xp.sum((off - xp.mean(off, axis=1, keepdims=True)) ** 2)
    rounding = (8 * float(xp.finfo(matrix.dtype).eps) * mean) ** 2 * off.shape[0] * off.shape[1]
    return divide(spread - left, spread, spread > rounding)


def _diagonals(matrix: Array) -> Array:
    """matrix[c, c + d mod n] as (d, c)."""
    xp = namespace(matrix)
    n = matrix.shape[0]
    if tuple(matrix.shape) != (n, n):
        raise ValueError(f"needs a square matrix, not the shape {tuple(matrix.shape)}")
    flat = xp.take(xp.reshape(matrix, (-1,)), like(_cells(n).ravel(), matrix, xp.int64))
    return xp.reshape(flat, (n, n))


@lru_cache
def _cells(n: int) -> "NDArray[np.int64]":
    c = np.arange(n)
    cells: NDArray[np.int64] = c * n + (c + c[:, None]) % n  # (d, c)
    cells.flags.writeable = False
    return cells
