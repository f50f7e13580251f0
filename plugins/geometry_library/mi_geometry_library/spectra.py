"""Singular values of matrices, and how many dimensions they make.

Matrices are the last two axes; all other axes are kept.
"""

from mi_geometry_library._arrays import Array, divide, namespace, one_thread, transposed


def singular_values(matrix: Array) -> Array:
    """Singular values of a matrix (…, m, n) from the largest: (…, min(m, n)), in its unit.

    Raises:
        ValueError: it has fewer than two axes, or is not of real floating-point numbers.
    """
    xp = namespace(matrix)
    if matrix.ndim < 2:
        raise ValueError(f"needs a matrix, not the shape {tuple(matrix.shape)}")
    with one_thread(matrix):
        return xp.linalg.svdvals(matrix)


def product_singular_values(left: Array, right: Array) -> Array:
    """Singular values of left rightᵀ, of factors (…, m, k) and (…, n, k): (…, min(m, n, k)), sorted.

    Those of the core between the factors' QR bases, min(m, k) × min(n, k): where k is the smallest, as the
    product's rank then is at most, the product is never formed. The largest comes first.

    Raises:
        ValueError: the factors differ in width.
    """
    xp = namespace(left)
    if right.shape[-1] != left.shape[-1]:
        raise ValueError(f"needs factors (m, k) and (n, k), not {tuple(left.shape)} and {tuple(right.shape)}")
    with one_thread(left, right):
        core = xp.matmul(xp.linalg.qr(left)[1], transposed(xp.linalg.qr(right)[1]))
    return singular_values(core)


def participation_ratio(values: Array) -> Array:
    """(Σs²)² / Σs⁴ of singular values s along the last axis: (…,), dimensions; NaN where all are 0.

    k equal values give k; one value alone gives 1. Between them it is the number of equal values that would
    have the same second moment of energy.
    """
    xp = namespace(values)
    square = _relative(values) ** 2
    total = xp.sum(square, axis=-1)
    return divide(total**2, xp.sum(square**2, axis=-1), total > 0)


def participation_of(matrix: Array) -> Array:
    """The participation ratio of a matrix (…, rows, columns) without its singular values: (…,), dimensions.

    (tr G)² / ‖G‖_F² with G = X Xᵀ or Xᵀ X, whichever is smaller: the same number as
    :func:`participation_ratio` of the singular values. NaN where the matrix is 0.
    """
    xp = namespace(matrix)
    peak = xp.max(xp.abs(matrix), axis=(-2, -1), keepdims=True)
    x = matrix / xp.where(peak > 0, peak, xp.ones_like(peak))  # squares of squares must not underflow
    if matrix.shape[-2] > matrix.shape[-1]:
        x = transposed(x)
    gram = xp.matmul(x, transposed(x))
    trace = xp.linalg.trace(gram)
    return divide(trace**2, xp.sum(gram**2, axis=(-2, -1)), trace > 0)


def stable_rank(values: Array) -> Array:
    """Σs² / max s² of singular values along the last axis: (…,), dimensions; NaN where all are 0."""
    xp = namespace(values)
    square = _relative(values) ** 2
    largest = xp.max(square, axis=-1)
    return divide(xp.sum(square, axis=-1), largest, largest > 0)


def entropy_rank(values: Array) -> Array:
    """exp(-Σ q log q), q = s / Σs, of singular values along the last axis: (…,), dimensions.

    Roy & Vetterli, *The effective rank: a measure of effective dimensionality* (2007). NaN where all are 0.
    """
    xp = namespace(values)
    total = xp.sum(values, axis=-1, keepdims=True)
    q = divide(values, total, total > 0)
    logarithm = xp.log(xp.where(q > 0, q, xp.ones_like(q)))
    return xp.exp(-xp.sum(q * logarithm, axis=-1))


def _relative(values: Array) -> Array:
    """Values over the largest along the last axis: their fourth powers must not underflow."""
    xp = namespace(values)
    largest = xp.max(values, axis=-1, keepdims=True)
    return values / xp.where(largest > 0, largest, xp.ones_like(largest))
