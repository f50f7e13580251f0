"""Primes, for refusing a modulus in one helpful sentence."""

from __future__ import annotations

import math


def is_prime(n: int) -> bool:
    """Whether ``n`` is prime, by trial division."""
    return n >= 2 and all(n % d for d in range(2, math.isqrt(n) + 1))


def nearest_primes(n: int, least: int = 3) -> list[int]:
    """The primes next below and next above ``n``, none smaller than ``least``."""
    below = next((q for q in range(n - 1, least - 1, -1) if is_prime(q)), None)
    above = max(n + 1, least)
    while not is_prime(above):
        above += 1
    return [above] if below is None else [below, above]
