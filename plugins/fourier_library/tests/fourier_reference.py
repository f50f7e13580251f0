"""The formulas written out in plain numpy and loops, sharing nothing with the package.

Slow and literal on purpose: complex exponentials and sets of cells, where the package uses
a real basis and matrix products.
"""

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


def epsilon(k: int, n: int) -> int:
    return 1 if 2 * k == n else 2


def wave(k: int, n: int) -> Real:
    """w_k j for j = 0 .. n-1."""
    return 2 * np.pi * k * np.arange(n) / n


def energy(x: Real) -> Real:
    """Energy per frequency of one signal (n,), from its complex coefficients."""
    n = len(x)
    values = []
    for k in range(1, n // 2 + 1):
        coefficient = sum(x[j] * np.exp(-2j * np.pi * k * j / n) for j in range(n))
        values.append(epsilon(k, n) / n * abs(coefficient) ** 2)
    return np.array(values)


def cells(k: int, n: int) -> set[tuple[int, int]]:
    found = set()
    for sign in (1, -1):
        for i, j in ((k, 0), (0, k), (k, k), (k, -k)):
            found.add((sign * i % n, sign * j % n))
    return found


def fractions(activations: Real) -> tuple[Real, Real]:
    """frac (neurons, n//2) and rest (neurons,) of activations (n, n, neurons)."""
    n, _, count = activations.shape
    frac = np.zeros((count, n // 2))
    rest = np.zeros(count)
    for m in range(count):
        x = activations[:, :, m]
        power = np.abs(np.fft.fft2(x - x.mean())) ** 2
        taken = {(0, 0)}
        for k in range(1, n // 2 + 1):
            frac[m, k - 1] = sum(power[cell] for cell in cells(k, n)) / power.sum()
            taken |= cells(k, n)
        others = {(i, j) for i in range(n) for j in range(n)} - taken
        rest[m] = sum(power[cell] for cell in others) / power.sum()
    return frac, rest


def class_means(logits: Real) -> Real:
    """M (n, c) of logits on the complete grid (n, n, c), the class being (a + b) mod n."""
    n = len(logits)
    return np.array([np.mean([logits[a, (s - a) % n] for a in range(n)], axis=0) for s in range(n)])


def component(means: Real, k: int) -> Real:
    """r_k[s, c]."""
    n = len(means)
    r = np.zeros_like(means)
    for c in range(means.shape[1]):
        cosine = epsilon(k, n) / n * np.sum(np.cos(wave(k, n)) * means[:, c])
        sine = epsilon(k, n) / n * np.sum(np.sin(wave(k, n)) * means[:, c])
        r[:, c] = np.cos(wave(k, n)) * cosine + np.sin(wave(k, n)) * sine
    return r


def direction(k: int, n: int) -> Real:
    """cos(w_k (a + b - c)) over the grid, (n, n, n)."""
    a, b, c = np.ogrid[:n, :n, :n]
    return np.asarray(np.cos(2 * np.pi * k * (a + b - c) / n))


def fraction_of_variance(logits: Real, k: int) -> float:
    """The share of Σ L² that a projection on cos(w_k (a + b - c)) holds."""
    g = direction(k, len(logits))
    return float(np.sum(logits * g) ** 2 / np.sum(g**2) / np.sum(logits**2))


def gini(x: Real) -> float:
    """Mean absolute difference of all pairs, over twice the mean."""
    return float(np.mean(np.abs(x[:, None] - x[None, :])) / (2 * np.mean(x)))
