"""Rows of activations as one cloud of points a class: where the clouds lie and how wide they are.

Everything here depends on distances alone: shifting or rotating the space of activations changes nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_geometry_library._arrays import Array, divide, like, namespace, transposed
from mi_geometry_library.spectra import participation_of

# Numbers of rows that are worked on at once: few megabytes, which the allocator keeps and the cache holds.
BLOCK = 2**19


class Clouds(NamedTuple):
    """One cloud a class.

    ``center`` (features,): mean of the centroids. ``offset`` (classes, features): centroid minus center.
    ``radius`` (classes,): root of the mean squared distance of a class's rows to its centroid.
    ``dimension`` (classes,): participation ratio of a class's rows about their centroid.
    """

    center: Array
    offset: Array
    radius: Array
    dimension: Array


class Fisher(NamedTuple):
    """Separation of pairs of classes, in mean and of the worst pair: () each."""

    mean: Array
    least: Array


def class_clouds(x: Array, classes: "NDArray[np.integer]", n: int) -> Clouds:
    """Centroids, radii and dimensions of the classes of rows.

    What rounding alone could have made counts as nothing: offsets are exactly 0 where the centroids differ by
    no more than a mean over rows rounds, a radius is 0 where a class's rows do, and the dimension of such a
    class is NaN.

    Args:
        x: (rows, features).
        classes: class of each row, whole numbers 0 … n − 1, (rows,), on the host.
        n: how many classes there are; each must have a row.

    Raises:
        ValueError: the two differ in rows, a class lies outside, or one has no row.
    """
    xp = namespace(x)
    table, present = _rows_of(np.asarray(classes), n, x.shape[0])
    most = table.shape[1]
    at_once = max(BLOCK // (most * x.shape[1]), 1)
    blocks = [
        _statistics(x, table[start : start + at_once], present[start : start + at_once])
        for start in range(0, n, at_once)
    ]
    centroid, square, share = (xp.concat(parts, axis=0) for parts in zip(*blocks, strict=True))
    # A mean over m rows rounds by about eps √m times their size, whose mean square is that sum.
    energy = square + xp.sum(centroid**2, axis=1)
    rounding = 16 * most * float(xp.finfo(x.dtype).eps) ** 2
    wide_enough = square > rounding * energy
    center = xp.mean(centroid, axis=0)
    offset = centroid - center
    apart = xp.mean(xp.sum(offset**2, axis=1)) > rounding * xp.mean(energy)
    return Clouds(
        center=center,
        offset=xp.where(apart, offset, xp.zeros_like(offset)),
        radius=xp.where(wide_enough, xp.sqrt(square), xp.zeros_like(square)),
        dimension=divide(xp.ones_like(share), share, wide_enough),
    )


def _statistics(
    x: Array, table: "NDArray[np.int64]", present: "NDArray[np.bool_]"
) -> tuple[Array, Array, Array]:
    """Of some classes, whose rows ``table`` says: centroids, mean squared distances, ‖G‖² / (tr G)²."""
    xp = namespace(x)
    count, most = table.shape
    grouped = xp.reshape(xp.take(x, like(table.ravel(), x, xp.int64), axis=0), (count, most, x.shape[1]))
    counts = like(present.sum(axis=1).astype(np.float64), x)  # (count,)
    # The complete grid of a group needs no mask, and the host knows.
    mask = None if present.all() else like(present.astype(np.float64), x)[:, :, None]
    centroid = xp.sum(grouped if mask is None else grouped * mask, axis=1) / counts[:, None]
    within = grouped - centroid[:, None, :]
    within = within if mask is None else within * mask
    # most × most or features × features: trace and norm are the same, the smaller costs less.
    other = transposed(within)
    gram = xp.matmul(within, other) if most <= x.shape[1] else xp.matmul(other, within)
    trace = xp.linalg.trace(gram)
    scaled = gram / xp.where(trace > 0, trace, xp.ones_like(trace))[:, None, None]
    return centroid, trace / counts, xp.sum(xp.sum(scaled**2, axis=2), axis=1)


def signal_to_noise(clouds: Clouds) -> Array:
    """Mean |offset|² over mean radius²: (); NaN where no class has any width."""
    xp = namespace(clouds.offset)
    signal = xp.mean(xp.sum(clouds.offset**2, axis=1))
    noise = xp.mean(clouds.radius**2)
    return divide(signal, noise, noise > 0)


def fisher(clouds: Clouds) -> Fisher:
    """|μ_c − μ_d|² / (r_c² + r_d²) over pairs of classes, in mean and of the worst pair.

    Fisher's criterion for the line through two centroids, were both clouds round. NaN where two classes have
    no width, or there is one class only.
    """
    from mi_geometry_library.distances import squared_distances

    xp = namespace(clouds.offset)
    n = clouds.offset.shape[0]
    first, second = np.triu_indices(n, 1)
    pairs = like(first * n + second, clouds.offset, xp.int64)
    between = xp.take(xp.reshape(squared_distances(clouds.offset), (-1,)), pairs)
    square = clouds.radius**2
    width = xp.take(xp.reshape(square[:, None] + square[None, :], (-1,)), pairs)
    if not len(first):
        nothing = xp.full_like(xp.sum(square), xp.nan)
        return Fisher(nothing, nothing)
    ratio = divide(between, width, width > 0)
    return Fisher(xp.mean(ratio), xp.min(ratio))


def centroid_dimension(clouds: Clouds) -> Array:
    """Participation ratio of the offsets: (), dimensions; NaN where they are all 0."""
    return participation_of(clouds.offset)


def _rows_of(
    classes: "NDArray[np.integer]", n: int, rows: int
) -> tuple["NDArray[np.int64]", "NDArray[np.bool_]"]:
    """Rows by class, padded with row 0: indices (n, most), and which of them are real."""
    if classes.shape != (rows,):
        raise ValueError(f"needs one class for each of the {rows} rows, not the shape {classes.shape}")
    if classes.dtype.kind not in "iu" or (rows and not 0 <= classes.min() <= classes.max() < n):
        raise ValueError(f"classes must be whole numbers in 0 .. {n - 1}")
    counts = np.bincount(classes, minlength=n)
    if rows == 0 or counts.min() == 0:
        raise ValueError(f"class {int(counts.argmin())} has no row")
    present = np.arange(counts.max()) < counts[:, None]
    table = np.zeros(present.shape, dtype=np.int64)
    table[present] = np.argsort(classes, kind="stable")
    return table, present
