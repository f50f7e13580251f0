"""Primes: for refusing a modulus in one helpful sentence, and for the order of the units."""

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


def primitive_root(p: int) -> int:
    """The least g whose powers are all the nonzero residues modulo the prime ``p``."""
    divisors = [q for q in range(2, p) if (p - 1) % q == 0 and is_prime(q)]
    return next(g for g in range(1, p) if all(pow(g, (p - 1) // q, p) != 1 for q in divisors))
