"""Whether the third component of a cloud of points is a curved function of the first two."""

from typing import NamedTuple

import numpy as np

from mi_geometry_library._arrays import Array, divide, like, namespace, transposed, wide

TERMS = 6  # x², y², xy, x, y, 1


class Quadric(NamedTuple):
    """z ≈ a x² + b y² + c xy + d x + e y + f, each coordinate in units of its own standard deviation.

    ``coefficients`` (6,): a … f. ``r2`` (): share of z's variance that it explains. ``r2_linear`` (): what
    the plane d x + e y + f alone explains. ``determinant`` (): 4ab − c², that of the Hessian: below 0 a
    saddle, above 0 a bowl, near 0 flat or a trough.
    """

    coefficients: Array
    r2: Array
    r2_linear: Array
    determinant: Array


def fit_quadric(points: Array) -> Quadric:
    """The quadric of least squares through points (n, 3).

    Within one set of principal components ``r2_linear`` is 0 by construction; it says something in a basis
    from elsewhere. As many free numbers as points fit anything: noise alone reaches an ``r2`` of about
    3 / (n − 1) beyond the plane. All NaN with no more than six points, or where z does not vary.

    Raises:
        ValueError: the points are not of three coordinates.
    """
    xp = namespace(points)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"needs points (n, 3), not the shape {tuple(points.shape)}")
    n = points.shape[0]
    if n <= TERMS:
        nothing = like(np.full(TERMS, np.nan), points)
        return Quadric(nothing, nothing[0], nothing[0], nothing[0])
    x = wide(points)
    x = x - xp.mean(x, axis=0)
    deviation = xp.sqrt(xp.sum(x**2, axis=0) / n)
    known = deviation[2] > 0
    x = x / xp.where(deviation > 0, deviation, xp.ones_like(deviation))
    x0, x1, z = x[:, 0], x[:, 1], x[:, 2]
    terms = xp.stack([x0**2, x1**2, x0 * x1, x0, x1, xp.ones_like(x0)], axis=1)  # (n, 6)
    curved, flat = _fit(terms, z), _fit(terms[:, 3:], z)
    total = xp.sum(z**2)
    a, b, c = curved[0], curved[1], curved[2]
    found = (
        curved,
        1 - divide(xp.sum((z - xp.matmul(terms, curved)) ** 2), total, total > 0),
        1 - divide(xp.sum((z - xp.matmul(terms[:, 3:], flat)) ** 2), total, total > 0),
        4 * a * b - c**2,
    )
    return Quadric(
        *(xp.astype(xp.where(known, part, xp.full_like(part, xp.nan)), points.dtype) for part in found)
    )


def _fit(terms: Array, z: Array) -> Array:
    """Coefficients of least squares, the smallest where terms depend on one another."""
    xp = namespace(terms)
    left, values, right = xp.linalg.svd(terms, full_matrices=False)
    kept = values > max(terms.shape) * float(xp.finfo(terms.dtype).eps) * xp.max(values)
    inverse = xp.where(kept, 1 / xp.where(kept, values, xp.ones_like(values)), xp.zeros_like(values))
    return xp.matmul(transposed(right), inverse * xp.matmul(transposed(left), z))
