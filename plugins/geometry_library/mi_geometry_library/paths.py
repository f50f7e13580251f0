"""The path of something through a space of many dimensions, seen at moments that are not equally spaced.

A path is θ_t at epochs e_t. Nothing here needs all of θ at once: everything sums over its coordinates, so a
path is given piece by piece (:func:`path_sums`), and the sums are added.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_geometry_library._arrays import Array, divide, like, namespace, transposed, wide
from mi_geometry_library.pca import descending


class PathSums(NamedTuple):
    """What a path's shape follows from, in float64; of several pieces the sum.

    ``gram`` (T, T): inner products about the weighted mean. ``norm`` (T,): |θ_t|². ``step`` (T − 1,):
    |θ_{t+1} − θ_t|². ``turn`` (T − 2,): inner products of successive steps.
    """

    gram: Array
    norm: Array
    step: Array
    turn: Array

    def plus(self, other: "PathSums") -> "PathSums":
        """The sums over both pieces."""
        return PathSums(*(a + b for a, b in zip(self, other, strict=True)))


class Path(NamedTuple):
    """A path in its own principal components: ``position`` (T, count), ``share`` (count,) of the variance."""

    position: Array
    share: Array


def epoch_weights(epochs: Sequence[int]) -> NDArray[np.float64]:
    """The share of training that each moment stands for: (T,), sum 1.

    Half the gap to each neighbour (the trapezoidal rule), so that many checkpoints in a short stretch count
    no more than the stretch does. One moment alone has all of it.

    Raises:
        ValueError: there is none, or they do not rise.
    """
    at = np.asarray(epochs, dtype=np.float64)
    if at.ndim != 1 or not len(at) or (np.diff(at) <= 0).any():
        raise ValueError("needs rising epochs, at least one")
    if len(at) == 1:
        return np.ones(1)
    gaps = np.diff(at)
    weights = (np.append(gaps, 0) + np.append(0, gaps)) / 2
    return np.asarray(weights / weights.sum())


def path_sums(rows: Array, weights: NDArray[np.float64]) -> PathSums:
    """The sums of one piece of a path.

    Steps are differences of the coordinates themselves, never of large inner products.

    Args:
        rows: some coordinates of θ at every moment, (T, coordinates).
        weights: of the moments, (T,), sum 1; see :func:`epoch_weights`.
    """
    xp = namespace(rows)
    x = wide(rows)
    mean = xp.matmul(like(weights, x), x)
    about = x - mean
    steps = x[1:, :] - x[:-1, :]
    return PathSums(
        gram=xp.matmul(about, transposed(about)),
        norm=xp.sum(x**2, axis=1),
        step=xp.sum(steps**2, axis=1),
        turn=xp.sum(steps[1:, :] * steps[:-1, :], axis=1),
    )


def path_components(sums: PathSums, weights: NDArray[np.float64], count: int) -> Path:
    """The path in the principal components of its weighted covariance Σ_t w_t (θ_t − μ)(θ_t − μ)ᵀ.

    From the Gram matrix K alone: with λ, u of √w K √w, position_t = Σ_s K_ts √w_s u_s / √λ. Signs: where the
    path ends is positive. NaN shares where it does not move.
    """
    xp = namespace(sums.gram)
    root = like(np.sqrt(weights), sums.gram)
    scaled = sums.gram * root[:, None] * root[None, :]
    values, vectors = descending(scaled, count)
    long = values > 0
    scale = xp.where(long, xp.sqrt(xp.where(long, values, xp.ones_like(values))), xp.ones_like(values))
    position = xp.where(long, xp.matmul(sums.gram, root[:, None] * vectors) / scale, xp.zeros_like(vectors))
    sign = xp.where(position[-1, :] < 0, -xp.ones_like(values), xp.ones_like(values))
    total = xp.linalg.trace(scaled)
    return Path(position * sign, divide(values, xp.zeros_like(values) + total, values + total > 0))


def speed(sums: PathSums, epochs: Sequence[int]) -> Array:
    """|θ_t − θ_{t−1}| / (e_t − e_{t−1}): (T,), the first NaN; mean speed since the moment before."""
    gaps = like(np.diff(np.asarray(epochs, dtype=np.float64)), sums.step)
    return _shifted(namespace(sums.step).sqrt(sums.step) / gaps, 1, 0)


def turning(sums: PathSums) -> Array:
    """Cosine of the steps before and after each moment: (T,); NaN at both ends, and where it stands still.

    1 for a straight line, 0 for a right angle, -1 for a step back.
    """
    xp = namespace(sums.step)
    length = xp.sqrt(sums.step)
    both = length[1:] * length[:-1]
    cosine = divide(sums.turn, both, both > 0)
    return _shifted(xp.clip(cosine, -1.0, 1.0), 1, 1)[: sums.norm.shape[0]]


def _shifted(values: Array, before: int, after: int) -> Array:
    """Values with so many NaN before and after them."""
    xp = namespace(values)
    missing = [like(np.full(count, np.nan), values) for count in (before, after)]
    return xp.concat([missing[0], values, missing[1]])
