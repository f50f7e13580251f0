"""How much of each neuron's activation over the grid (a, b) belongs to a single frequency."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_fourier_library._arrays import Array, Axis, divide, like, namespace, resolve
from mi_fourier_library.bases import basis_frequencies, real_basis

# A neuron with less than this part of the largest neuron's energy is dead.
DEAD = 1e-12

# Neurons taken at a time. The intermediate arrays are then a few megabytes, which the allocator
# keeps; those of a whole layer it would fetch from the system, and clear, at every call.
BLOCK = 128


class Fractions(NamedTuple):
    """Shares of a neuron's energy: `frac` (neurons, n//2) per frequency, `rest` (neurons,)."""

    frac: Array
    rest: Array


class Dominant(NamedTuple):
    """The two strongest frequencies of each neuron, each field of shape (neurons,)."""

    frequency: Array
    fraction: Array
    runner_up: Array
    runner_up_fraction: Array


def frequency_fractions(activations: Array, axes: Sequence[Axis] = (0, 1)) -> Fractions:
    """Return the share of each neuron's energy over (a, b) that lies in each frequency.

    activations: (n, n, neurons), or any shape in which `axes` are the two of length n; all other
    axes, in their order, are then the neurons.
    frac: (neurons, n//2), for k = 1 .. n//2.
    rest: (neurons,), the share of the cells that mix frequencies; frac and rest sum to 1.

    With X the two-dimensional discrete Fourier transform of a neuron minus its mean, frac[k] is
    the sum of |X|² over the *set* of cells {(±k, 0), (0, ±k), ±(k, k), ±(k, -k)} modulo n, each
    counted once, over the sum of all |X|² (after Nanda et al., *Progress measures for grokking
    via mechanistic interpretability*, 2023). A dead neuron, whose energy is less than 1e-12 of
    the largest neuron's, is NaN; so is one that is not finite, without harm to the others.

    Raises ValueError when the two axes do not exist, are the same, differ in length or are
    shorter than 2, when there is no neuron, or when the values are not real floating-point
    numbers.
    """
    data, (first, second) = resolve(activations, axes)
    xp = namespace(data)
    n = data.shape[first]
    if data.shape[second] != n:
        raise ValueError(f"the two axes must be equally long, not {n} and {data.shape[second]}")
    grid = xp.moveaxis(data, (first, second), (0, 1))  # (n, n, ...)
    neurons = tuple(grid.shape[2:])
    if 0 in neurons:
        raise ValueError(f"there are no neurons in the shape {tuple(data.shape)}")
    x = xp.reshape(grid, (n, n, -1))  # (n, n, m)
    blocks = [_energies(x[:, :, i : i + BLOCK]) for i in range(0, x.shape[2], BLOCK)]
    cells, total, rounding = (xp.concat(parts, axis=0) for parts in zip(*blocks, strict=True))
    alive = living(total, rounding)
    frac = divide(cells, total[:, None], alive[:, None])  # (m, n//2)
    rest = 1 - xp.sum(frac, axis=-1)
    rest = xp.where(rest < 0, xp.zeros_like(rest), rest)  # a pure neuron's may round below 0
    return Fractions(xp.reshape(frac, (*neurons, n // 2)), xp.reshape(rest, neurons))


def dominant(frac: Array) -> Dominant:
    """Return the strongest frequency and the runner-up of each neuron, with their fractions.

    frac: (neurons, n//2), or any shape whose last axis is the frequency, from 1. Of equal
    fractions the lower frequency comes first. A dead neuron (NaN) has frequency 0, fraction
    NaN; so has the runner-up where there is only one frequency.

    Raises ValueError when the values are not real floating-point numbers.
    """
    xp = namespace(frac)
    left = xp.where(xp.isnan(frac), xp.full_like(frac, -1.0), frac)  # below every fraction
    first, first_fraction = _strongest(left)
    ks = like(np.arange(1, frac.shape[-1] + 1), frac, dtype=first.dtype)
    left = xp.where(ks == first[..., None], xp.full_like(frac, -1.0), left)
    second, second_fraction = _strongest(left)
    return Dominant(first, first_fraction, second, second_fraction)


def _strongest(left: Array) -> tuple[Array, Array]:
    xp = namespace(left)
    value = xp.max(left, axis=-1)
    found = value >= 0
    frequency = xp.argmax(left, axis=-1) + 1
    return (
        xp.where(found, frequency, xp.zeros_like(frequency)),
        xp.where(found, value, xp.full_like(value, xp.nan)),
    )


def _energies(x: Array) -> tuple[Array, Array, Array]:
    """Return three energies of activations (n, n, m).

    Those in the cells of each frequency (m, n//2), of everything but the mean (m,), and what
    rounding would leave of a constant as large as the mean (m,).
    """
    xp = namespace(x)
    n = x.shape[0]
    # Means and sums go one axis at a time: numpy adds an outer axis term by term, and two sums
    # of n terms round far less than one of n².
    mean = xp.mean(xp.mean(x, axis=0), axis=0)  # (m,)
    x = x - mean
    # The cells of frequency k are exactly the products of {const, cos k, sin k} in a and in b,
    # const·const apart, each once also for k = n/2. Two matrix products that compute only these
    # are quicker than a Fourier transform of everything.
    rows = xp.matmul(like(real_basis(n), x), xp.reshape(x, (n, -1)))  # (basis of a, n·m)
    rows = xp.reshape(rows, (n, n, -1))  # (basis of a, b, m)
    constant = xp.matmul(like(real_basis(n), x), rows[0, ...])  # const in a: (basis of b, m)
    same = xp.matmul(like(_partners(n), x), rows[1:, ...])  # (n-1, {const, cos, sin}, m)
    cells = xp.sum(same**2, axis=1) + constant[1:, :] ** 2  # (n-1, m)
    # What centring has left over (all there is, in a neuron that does not vary) is taken out.
    total = xp.sum(xp.sum(x**2, axis=0), axis=0) - constant[0, :] ** 2  # (m,)
    return _by_frequency(cells), total, (n * float(xp.finfo(x.dtype).eps) * mean) ** 2


def living(total: Array, rounding: Array) -> Array:
    """Tell which neurons vary enough for fractions to mean something: (m,).

    More, that is, than the rounding of a constant value leaves, and not vanishingly little
    beside the largest neuron.
    """
    xp = namespace(total)
    finite = xp.isfinite(total)
    largest = xp.max(xp.where(finite, total, xp.zeros_like(total)))
    return finite & (total > rounding) & (total >= DEAD * largest)


def _by_frequency(cells: Array) -> Array:
    """Add the cosine and the sine row of each frequency: (n-1, m) -> (m, n//2)."""
    xp = namespace(cells)
    cosine, sine = cells[0::2, :], cells[1::2, :]
    if sine.shape[0] < cosine.shape[0]:  # even n: the last frequency has no sine
        sine = xp.concat([sine, xp.zeros_like(cosine[:1, :])], axis=0)
    return (cosine + sine).T


@lru_cache
def _partners(n: int) -> NDArray[np.float64]:
    """Return for each row of the basis but const the rows const, cos k, sin k of its own k.

    Shape (n-1, 3, n); zeros stand for the sine that the last frequency of an even n lacks.
    """
    rows = np.vstack([real_basis(n), np.zeros(n)])  # (n+1, n)
    k = basis_frequencies(n)[1:]  # (n-1,)
    table: NDArray[np.float64] = rows[np.stack([0 * k, 2 * k - 1, 2 * k], axis=1)]
    table.flags.writeable = False
    return table
