"""Which frequencies a network uses: one choice, by the variance that each explains."""

from mi_fourier_library._arrays import Array, any_negative, namespace


def choose_key_frequencies(fve: Array, reach: float = 0.95, floor: float = 0.01) -> Array:
    """Return a boolean mask over k = 1 .. n//2, shape (n//2,), of the key frequencies.

    fve: (n//2,), the fraction of variance that each frequency explains; NaN counts as 0.
    Taken from the largest down (of equal ones the lower k first) until the chosen sum to `reach`
    of the sum of all, then without those of less than `floor` of it: a long tail of small
    frequencies may leave the chosen short of `reach`. Nothing is chosen when all are 0 or NaN.

    Raises ValueError when `fve` is not a vector of real floating-point numbers of at least 0 (of
    a numpy array; others are not looked at, which would wait for their device), or `reach` and
    `floor` are not in 0 .. 1.
    """
    xp = namespace(fve)
    if fve.ndim != 1 or any_negative(fve):
        raise ValueError("needs a vector of fractions of variance, each at least 0")
    if not (0 <= reach <= 1 and 0 <= floor <= 1):
        raise ValueError(f"reach and floor must lie in 0 .. 1, not {reach} and {floor}")
    # In float64: few numbers, and the choice is then the same on every device.
    values = xp.astype(xp.where(xp.isnan(fve), xp.zeros_like(fve), fve), xp.float64)
    order = xp.argsort(-values, stable=True)
    ordered = xp.take(values, order)
    sums = xp.cumulative_sum(ordered)
    before, total = xp.concat([xp.zeros_like(sums[:1]), sums[:-1]]), sums[-1:]
    # A tolerance, so that a sum that reaches the goal but for its last bit has reached it.
    wanted = before < reach * total * (1 - 1e-12)
    chosen = wanted & (ordered >= floor * total)
    return xp.take(chosen, xp.argsort(order))
