"""What logits over a cyclic group owe to each frequency.

Every row of the logits L (rows, c) has a class s in Z_n, for modular addition (a + b) mod n, and
c runs over the same n answers. Formulas after Nanda et al., *Progress measures for grokking via
mechanistic interpretability* (2023); w_k = 2πk/n, ε_k is `bases.normalization`.
"""

from collections.abc import Sequence
from itertools import pairwise

import array_api_compat
import numpy as np

from mi_fourier_library._arrays import Array, divide, like, namespace
from mi_fourier_library.bases import frequencies, normalization
from mi_fourier_library.transform import Waves, waves


def class_mean(values: Array, classes: Array, n: int) -> Array:
    """Return M (n, ...), M[s] the mean of the rows of `values` whose class is s.

    values: (rows, ...), such as logits (rows, c). classes: (rows,), integers 0 .. n-1.
    A class without rows is NaN.

    Raises ValueError when the two differ in rows, a class is not an integer or lies outside
    0 .. n-1, or the values are not real floating-point numbers.
    """
    xp = namespace(values)
    if tuple(classes.shape) != (values.shape[0],):
        raise ValueError(
            f"needs one class for each of the {values.shape[0]} rows, "
            f"not classes of shape {tuple(classes.shape)}"
        )
    host = np.asarray(array_api_compat.to_device(classes, "cpu"))
    if host.dtype.kind not in "iu":
        raise ValueError(f"classes must be integers, not {host.dtype}")
    if host.size and not 0 <= host.min() <= host.max() < n:
        raise ValueError(f"classes must lie in 0 .. {n - 1}, not in {host.min()} .. {host.max()}")
    # Rows of one class are brought together and averaged alone, so that a row that is not
    # finite spoils its own class only (0 · NaN in a product with indicators would spoil all).
    order = like(np.argsort(host, kind="stable"), values, dtype=xp.int64)
    ends = np.cumsum(np.bincount(host, minlength=n)).tolist()
    rows = xp.take(values, order, axis=0)
    missing = xp.full_like(xp.sum(values, axis=0), xp.nan)
    return xp.stack(
        [
            xp.mean(rows[start:end, ...], axis=0) if start < end else missing
            for start, end in pairwise([0, *ends])
        ]
    )


def components(means: Array) -> Waves:
    """Return C_k[c] and S_k[c], each (n//2, c), of class means M (n, c).

    C_k[c] = (ε_k/n) Σ_s cos(w_k s) M[s, c], S_k the same with sin, so that
    M[s, c] = mean_s M[:, c] + Σ_k cos(w_k s) C_k[c] + sin(w_k s) S_k[c], exactly.

    Raises ValueError when M has fewer than 2 classes or is not of real floating-point numbers.
    """
    return waves(means, 0)


def component(means: Array, ks: Sequence[int]) -> Array:
    """Return r_k[s, c] = cos(w_k s) C_k[c] + sin(w_k s) S_k[c], shape (len(ks), n, c).

    means: M (n, c), as `class_mean` gives it. All r_k and mean_s M sum to M. The memory is that
    of M for each k; a row's own component is r_k[class of the row].

    Raises ValueError when a k lies outside 1 .. n//2; otherwise as `components`.
    """
    n = means.shape[0]
    wanted = np.asarray(ks, dtype=np.int64)
    if not np.isin(wanted, frequencies(n)).all():
        raise ValueError(f"frequencies modulo {n} lie in 1 .. {n // 2}, not {wanted.tolist()}")
    xp = namespace(means)
    cosine, sine = (
        xp.take(part, like(wanted - 1, means, dtype=xp.int64), axis=0)[:, None, :]
        for part in components(means)
    )  # (k, 1, c)
    angle = 2 * np.pi * (np.outer(wanted, np.arange(n)) % n)[:, :, None] / n  # (k, n, 1)
    return like(np.cos(angle), means) * cosine + like(np.sin(angle), means) * sine


def trig_coefficients(means: Array) -> Array:
    """Return coef_k, k = 1 .. n//2: how much of cos(w_k (s - c)) the class means M (n, n) hold.

    With D[d] = mean_c M[(c + d) mod n, c], coef_k = (ε_k/n) Σ_d D[d] cos(w_k d); shape (n//2,),
    in the unit of M.

    Raises ValueError when M is not square, or otherwise as `components`.
    """
    xp = namespace(means)
    n = means.shape[0]
    if tuple(means.shape) != (n, n):
        raise ValueError(f"needs class means (n, n), one answer a class, not {tuple(means.shape)}")
    answers = np.arange(n)
    cells = (answers[:, None] + answers) % n * n + answers  # (d, c): where M[c + d, c] lies
    flat = xp.take(xp.reshape(means, (-1,)), like(cells.ravel(), means, dtype=xp.int64), axis=0)
    return waves(xp.mean(xp.reshape(flat, (n, n)), axis=1), 0).cosine


def fraction_of_variance(coefficients: Array, total: Array | float, n: int) -> Array:
    """Return FVE_k = (n³/ε_k) coef_k² / Σ L², the share of cos(w_k (a + b - c)) in the logits.

    coefficients: coef_k (n//2,). total: Σ L² over the *complete* grid, n² rows of n answers,
    where L is the logits minus their mean over c: the n³ in the formula is the count of its
    entries, so that from part of the grid the result would be wrong. NaN when the total is 0.

    Raises ValueError when there are not n//2 coefficients, or they are not real floating-point.
    """
    xp = namespace(coefficients)
    if tuple(coefficients.shape) != (n // 2,):
        raise ValueError(f"needs {n // 2} coefficients, not the shape {tuple(coefficients.shape)}")
    energies = coefficients**2 * like(n**3 / normalization(n), coefficients)
    whole = xp.zeros_like(energies) + total
    return divide(energies, whole, whole > 0)
