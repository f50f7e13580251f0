"""The real Fourier basis of Z_n, the integers modulo n.

Frequencies are numbered from 1: frequency k has the angular frequency w_k = 2πk/n, and
k = 1 .. n//2, because k and n - k give the same real functions. Frequency 0 is the constant.
"""

from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

A = TypeVar("A", bound=NDArray[np.generic])


def _check(n: int) -> None:
    if n < 2:
        raise ValueError(f"a cyclic group with frequencies has at least 2 elements, not {n}")


@lru_cache
def frequencies(n: int) -> NDArray[np.int64]:
    """Return the frequencies 1 .. n//2 of Z_n, shape (n//2,), read-only.

    Raises ValueError when n < 2.
    """
    _check(n)
    return _frozen(np.arange(1, n // 2 + 1))


@lru_cache
def normalization(n: int) -> NDArray[np.float64]:
    """Return ε_k for k = 1 .. n//2, shape (n//2,), read-only: 2, but 1 at k = n/2 of an even n.

    The mean of cos²(w_k j) over Z_n is 1/ε_k, so that x[j] = mean + Σ_k a_k cos(w_k j) +
    b_k sin(w_k j) has a_k = (ε_k/n) Σ_j x[j] cos(w_k j), and b_k the same with sin.

    Raises ValueError when n < 2.
    """
    return _frozen(np.where(2 * frequencies(n) == n, 1.0, 2.0))


@lru_cache
def real_basis(n: int) -> NDArray[np.float64]:
    """Return the orthonormal real Fourier basis of Z_n, shape (n, n): (basis, element), read-only.

    The rows are const, cos 1, sin 1, cos 2, sin 2, ...; the last frequency of an even n has no
    sine. Row cos k is sqrt(ε_k/n) cos(2πkj/n), so that the product with the transpose is 1.

    Raises ValueError when n < 2.
    """
    elements = np.arange(n)
    # The product is reduced modulo n first: the angle then has no rounding that grows with it.
    angle = 2 * np.pi * (np.outer(frequencies(n), elements) % n) / n  # (n//2, n)
    scale = np.sqrt(normalization(n) / n)[:, None]  # (n//2, 1)
    basis = np.empty((n, n))
    basis[0] = 1 / np.sqrt(n)
    basis[1::2] = scale * np.cos(angle)
    basis[2::2] = (scale * np.sin(angle))[: (n - 1) // 2]  # all but the missing sine
    return _frozen(basis)


@lru_cache
def basis_labels(n: int) -> tuple[str, ...]:
    """Return the names of the rows of `real_basis(n)`: "const", "cos 1", "sin 1", ...

    Raises ValueError when n < 2.
    """
    waves = [f"{wave} {k}" for k in frequencies(n) for wave in ("cos", "sin")]
    return ("const", *waves[: n - 1])


@lru_cache
def basis_frequencies(n: int) -> NDArray[np.int64]:
    """Return the frequency of each row of `real_basis(n)`, shape (n,), read-only: 0 for const.

    Raises ValueError when n < 2.
    """
    _check(n)
    return _frozen((np.arange(n) + 1) // 2)


def _frozen(array: A) -> A:
    """Make an array read-only: what is cached is shared by all callers."""
    array.flags.writeable = False
    return array
