"""Sets of frequencies of Z_n, compared up to the automorphisms k → uk.

Multiplication by a unit u of Z_n permutes the group's elements, so "low" and "high" frequencies
carry no meaning of their own: what can be compared between two networks is a set up to a unit.
Units keep gcd(k, n), so for composite n frequencies of different gcd are never identified.
Frequencies are 1-based, folded to k ≤ n/2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

import numpy as np


def fold(k: int, n: int) -> int:
    """The frequency between 0 and n//2 of the same cosine as ``k``: min(k mod n, −k mod n)."""
    return min(k % n, -k % n)


def units(n: int) -> list[int]:
    """Units u of Z_n up to sign, 1 ≤ u ≤ n/2, ascending: −u moves folded frequencies as u does."""
    _check(n)
    return [u for u in range(1, n // 2 + 1) if gcd(u, n) == 1]


def image(frequencies: Iterable[int], unit: int, n: int) -> list[int]:
    """The sorted, folded image of a set under k → ``unit``·k."""
    return sorted({fold(unit * k, n) for k in frequencies})


def canonical(frequencies: Iterable[int], n: int) -> tuple[list[int], int]:
    """The lexicographically least image of a set over all units, and the least unit that gives it.

    Raises ValueError where a frequency does not lie in 1 .. n//2.
    """
    wanted = _set(frequencies, n)
    return min((image(wanted, u, n), u) for u in units(n))


def matched(frequencies: Iterable[int], anchor: Iterable[int], n: int) -> tuple[list[int], int]:
    """The image of a set that shares most with ``anchor``, and its unit: the least of equal ones.

    Raises ValueError where a frequency does not lie in 1 .. n//2.
    """
    wanted, fixed = _set(frequencies, n), _set(anchor, n)
    unit = max(units(n), key=lambda u: (len(fixed.intersection(image(wanted, u, n))), -u))
    return image(wanted, unit, n), unit


def jaccard(one: Iterable[int], other: Iterable[int]) -> float:
    """Size of the intersection over that of the union; NaN of two empty sets."""
    a, b = set(one), set(other)
    return len(a & b) / len(a | b) if a | b else float("nan")


def margin(frequencies: Sequence[int], amplitudes: Sequence[float], n: int) -> float:
    """Min over d ≠ 0 of Σ_k a_k (1 − cos(2πkd/n)): how far Σ_k a_k cos(2πk(s − c)/n) prefers c = s.

    Zero for no frequency, and where all frequencies share a divisor of n: a wrong answer then looks
    as good.

    Raises ValueError where a frequency does not lie in 1 .. n//2, or amplitudes are not one each.
    """
    _set(frequencies, n)
    k, a = np.asarray(frequencies, dtype=np.float64), np.asarray(amplitudes, dtype=np.float64)
    if k.shape != a.shape:
        raise ValueError(f"needs an amplitude a frequency, not {len(a)} for {len(k)}")
    d = np.arange(1, n)
    return float((a * (1 - np.cos(2 * np.pi * np.outer(d, k) / n))).sum(axis=1).min())


def _set(frequencies: Iterable[int], n: int) -> set[int]:
    _check(n)
    found = {int(k) for k in frequencies}
    if outside := sorted(k for k in found if not 1 <= k <= n // 2):
        raise ValueError(f"frequencies of Z_{n} lie in 1 .. {n // 2}, not {outside[0]}")
    return found


def _check(n: int) -> None:
    if n < 2:
        raise ValueError(f"the cycle needs at least 2 elements, not {n}")
