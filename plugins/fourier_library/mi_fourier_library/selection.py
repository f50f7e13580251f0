"""Which frequencies a network uses: one choice, by the variance that each explains."""

import math

import numpy as np

from mi_fourier_library._arrays import Array, like, namespace


def choose_key_frequencies(fve: Array, reach: float = 0.95, floor: float = 0.01) -> Array:
    """Return a boolean mask over k = 1 .. n//2, shape (n//2,), of the key frequencies.

    fve: (n//2,), the fraction of variance that each frequency explains; NaN counts as 0.
    Taken from the largest down (of equal ones the lower k first) until the chosen sum to `reach`
    of the sum of all, then without those of less than `floor` of it: a long tail of small
    frequencies may leave the chosen short of `reach`. Nothing is chosen when all are 0 or NaN.

    Raises ValueError when `fve` is not a vector of real floating-point numbers of at least 0, or
    `reach` and `floor` are not in 0 .. 1.
    """
    xp = namespace(fve)
    if fve.ndim != 1 or bool(xp.any(fve < 0)):
        raise ValueError("needs a vector of fractions of variance, each at least 0")
    if not (0 <= reach <= 1 and 0 <= floor <= 1):
        raise ValueError(f"reach and floor must lie in 0 .. 1, not {reach} and {floor}")
    # In Python's own floats: few numbers, and the choice is then the same on every device.
    values = [0.0 if math.isnan(value) else value for value in fve.tolist()]
    total = math.fsum(values)
    # A tolerance, so that a sum that reaches the goal but for its last bit has reached it.
    goal = reach * total * (1 - 1e-12)
    mask = np.zeros(len(values), dtype=bool)
    chosen = 0.0
    for index in sorted(range(len(values)), key=lambda index: -values[index]):
        if chosen >= goal:
            break
        chosen += values[index]
        mask[index] = values[index] >= floor * total
    return like(mask, fve, dtype=xp.bool)
