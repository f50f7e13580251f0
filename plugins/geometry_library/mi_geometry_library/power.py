"""The top eigenvalue of a symmetric matrix that is known only by what it does to vectors."""

from collections.abc import Callable
from typing import NamedTuple

from mi_geometry_library._arrays import Array, namespace


class Eigen(NamedTuple):
    """An eigenvalue as found, and how far it is from being one.

    Attributes:
        value: vᵀHv.
        vector: v, of length 1.
        residual: ‖Hv − value v‖ / |value|; some eigenvalue lies within this share of ``value``. 0 where
            Hv = 0.
        products: how many vectors H was multiplied with.
    """

    value: float
    vector: Array
    residual: float
    products: int


def top_eigenvalue(
    product: Callable[[Array], Array], start: Array, iterations: int, tolerance: float
) -> Eigen:
    """The largest eigenvalue of a symmetric H, by power iteration.

    v ← Hv / ‖Hv‖ finds the eigenvalue of the largest absolute value. If that is negative, a second round
    with H − value·1, which has the same vectors and no negative eigenvalue left, finds the largest one. Each
    round ends when the residual reaches the tolerance, or after ``iterations`` products.

    Args:
        product: v -> Hv.
        start: where to begin, (n,), not 0 and not orthogonal to the vector sought; float64 is best.
        iterations: most products a round, at least 1.
        tolerance: residual at which a round ends.

    Raises:
        TypeError, ValueError: ``start`` is no array of real floating-point numbers.
    """
    found = _round(product, start, 0.0, iterations, tolerance)
    if found.value >= 0:
        return found
    # Begin anew: what was found has nothing left of the vector that is sought now.
    again = _round(product, start, found.value, iterations, tolerance)
    return again._replace(products=again.products + found.products)


def _round(
    product: Callable[[Array], Array], start: Array, shift: float, iterations: int, tolerance: float
) -> Eigen:
    xp = namespace(start)

    def norm(x: Array) -> float:
        return float(xp.sqrt(xp.sum(x * x)))

    v = start / norm(start)
    for count in range(1, iterations + 1):
        image = product(v)
        value = float(xp.sum(v * image))
        rest = norm(image - value * v)
        residual = 0.0 if rest == 0 else rest / abs(value) if value else float("inf")
        moved = image - shift * v
        length = norm(moved)
        if residual <= tolerance or length == 0 or count == iterations:
            return Eigen(value, v, residual, count)
        v = moved / length
    raise ValueError(f"iterations is {iterations}, expected at least 1")
