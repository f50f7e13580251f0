"""Principal components from the smaller of the two Gram matrices, and a basis for them that does not jump."""

from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_geometry_library._arrays import Array, divide, like, namespace, one_thread, transposed, wide

# Two components are tied where the smaller variance is more than this part of the larger.
TIE = 0.75
MOST = 6  # components that can be aligned: all their orders are tried


class Components(NamedTuple):
    """Principal components of points, the largest first; those beyond the points' rank are 0.

    ``score`` (points, count): coordinates. ``axis`` (count, features): unit vectors. ``variance`` (count,):
    (weighted) mean square of the scores. ``total`` (): that of the points about their mean.
    """

    score: Array
    axis: Array
    variance: Array
    total: Array


def principal_components(points: Array, count: int) -> Components:
    """The first components of points (n, features) about their mean.

    Signs: the largest entry of each axis is positive. That is the same each time for the same numbers, but
    not over epochs; :func:`aligned` is for that.
    """
    xp = namespace(points)
    x = wide(points)
    x = x - xp.mean(x, axis=0)
    n, d = x.shape
    small = n <= d
    gram = xp.matmul(x, transposed(x)) if small else xp.matmul(transposed(x), x)
    values, vectors = descending(gram, count)
    root = xp.sqrt(values)
    inverse = xp.where(root > 0, 1 / xp.where(root > 0, root, xp.ones_like(root)), xp.zeros_like(root))
    if small:
        score = vectors * root  # (n, count)
        axis = transposed(xp.matmul(transposed(x), vectors) * inverse)
    else:
        axis = transposed(vectors * xp.where(root > 0, xp.ones_like(root), xp.zeros_like(root)))
        score = xp.matmul(x, transposed(axis))
    largest = xp.argmax(xp.abs(axis), axis=1)
    sign = xp.sign(xp.sum(axis * _one_hot(largest, axis), axis=1))
    sign = xp.where(sign == 0, xp.ones_like(sign), sign)
    found = (score * sign, axis * sign[:, None], values / n, xp.linalg.trace(gram) / n)
    return Components(*(xp.astype(part, points.dtype) for part in found))


def descending(gram: Array, count: int) -> tuple[Array, Array]:
    """The largest eigenvalues (count,) and eigenvectors (n, count) of a symmetric matrix (n, n) of rank ≥ 0.

    Values within rounding of 0 are 0; missing ones, where n is below ``count``, are 0 with vectors of 0.
    """
    xp = namespace(gram)
    with one_thread(gram):
        values, vectors = xp.linalg.eigh(gram)
    values, vectors = xp.flip(values, axis=0)[:count], xp.flip(vectors, axis=1)[:, :count]
    n = gram.shape[0]
    floor = n * float(xp.finfo(gram.dtype).eps) * xp.max(xp.abs(values))
    values = xp.where(values > floor, values, xp.zeros_like(values))
    if n < count:
        values = xp.concat([values, like(np.zeros(count - n), gram)])
        vectors = xp.concat([vectors, like(np.zeros((n, count - n)), gram)], axis=1)
    return values, vectors


def alignment(score: Array, reference: Array, tie: float = TIE) -> Array:
    """The rotation Q (count, count) that brings scores in line with those of a reference: ``score @ Q``.

    Both (points, count), the same points in the same order, as of :func:`principal_components`. Q permutes,
    flips and, between tied components alone, rotates:

    1. *Ties*: components that follow one another by variance and of which the smaller variance is more than
       ``tie`` times the larger are tied, in chains. Within a chain the axes mean nothing, only the space that
       they span does.
    2. *Order*: chains are given the places of the reference's components that they hold most of: the squared
       correlations with them sum to as much as they can.
    3. *Rotation*: a chain is rotated within its space to lie as near to its places as possible (orthogonal
       Procrustes; Schönemann 1966).
    4. *Signs*: a component that is tied with none correlates positively with its partner.

    What is stable, then: the reference itself is left as it is; shifting or rotating the activations, or
    flipping and mixing tied components, changes nothing; components that are not tied stay principal axes.
    What is not: where a ratio of variances passes ``tie``, or two orders do equally well, axes may jump; and
    where a pattern has nothing in common with the reference's, its place and its sign carry no meaning.

    Raises:
        ValueError: the shapes differ, or there are more than six components.
    """
    xp = namespace(score)
    count = score.shape[1]
    if tuple(score.shape) != tuple(reference.shape) or count > MOST:
        raise ValueError(
            f"needs two equal shapes (points, at most {MOST}), not {tuple(score.shape)} and "
            f"{tuple(reference.shape)}"
        )
    mine, theirs = wide(score), wide(reference)
    square = xp.sum(mine**2, axis=0)
    mine, theirs = _unit(mine), _unit(theirs)
    correlation = xp.matmul(transposed(mine), theirs)  # (own, reference's)
    rest = divide(square[1:], square[:-1], square[:-1] > 0)
    chain = xp.concat([like(np.zeros(1), mine), xp.astype(~(rest > tie), xp.float64)])
    chain = xp.cumulative_sum(chain)  # a number for each chain of tied components
    tied = xp.astype(chain[:, None] == chain[None, :], xp.float64)
    orders = _orders(count)  # (orders, place): which of the own takes the place
    cells = like(orders * count + np.arange(count), score, xp.int64)
    # What a chain holds of each of the reference's components, however its axes came out.
    held = xp.reshape(xp.matmul(tied, correlation**2), (-1,))
    gained = xp.reshape(xp.take(held, xp.reshape(cells, (-1,))), tuple(orders.shape))
    best = xp.argmax(xp.sum(gained, axis=1))
    order = xp.take(like(orders, score, xp.int64), xp.reshape(best, (1,)), axis=0)[0, :]
    own = like(np.arange(count), score, xp.int64)
    permuted = xp.astype(own[:, None] == order[None, :], xp.float64)  # (own, place)
    tied = xp.matmul(transposed(permuted), xp.matmul(tied, permuted))  # of places
    # A component without partner stays as it is: a trace of the identity decides where nothing else does.
    matched = xp.matmul(transposed(permuted), correlation) * tied + 1e-9 * like(np.eye(count), mine)
    left, _, right = xp.linalg.svd(matched, full_matrices=False)
    return xp.astype(xp.matmul(permuted, xp.matmul(left, right)), score.dtype)


def aligned(score: Array, reference: Array, tie: float = TIE) -> Array:
    """Scores (points, count) in the basis nearest to a reference's: see :func:`alignment`."""
    return namespace(score).matmul(score, alignment(score, reference, tie))


def _unit(x: Array) -> Array:
    """Columns of length 1; those of length 0 stay 0."""
    xp = namespace(x)
    length = xp.sqrt(xp.sum(x**2, axis=0))
    return x / xp.where(length > 0, length, xp.ones_like(length))


def _one_hot(at: Array, x: Array) -> Array:
    """1 at a position along the last axis of x (rows, n), 0 elsewhere."""
    xp = namespace(x)
    return xp.astype(like(np.arange(x.shape[1]), x, at.dtype)[None, :] == at[:, None], x.dtype)


@lru_cache
def _orders(count: int) -> "NDArray[np.int64]":
    """All orders of ``count`` things, the given one first: of equally good ones it is taken."""
    orders = np.array(list(permutations(range(count))), dtype=np.int64).reshape(-1, count)
    orders.flags.writeable = False
    return orders
