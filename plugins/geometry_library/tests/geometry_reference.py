"""The formulas written out in plain numpy, in loops, sharing nothing with the library."""

from itertools import combinations
from typing import Any

import numpy as np

Real = np.ndarray


def rotation(d: int, seed: int) -> Real:
    return np.linalg.qr(np.random.RandomState(seed).randn(d, d))[0]


def circles(n: int, radii: dict[int, float], d: int, seed: int = 0) -> Real:
    """Points (n, d) on one circle a frequency, each in a plane of its own of a rotated space."""
    s = np.arange(n)
    x = np.zeros((n, d))
    for i, (k, r) in enumerate(radii.items()):
        x[:, 2 * i] = r * np.cos(2 * np.pi * k * s / n)
        x[:, 2 * i + 1] = r * np.sin(2 * np.pi * k * s / n)
    return x @ rotation(d, seed) + np.random.RandomState(seed).randn(d)


def clouds(n: int, rows: int, d: int, seed: int) -> tuple[Real, Real]:
    """Rows in random clouds of different widths and sizes, each class at least three rows."""
    random = np.random.RandomState(seed)
    classes = np.concatenate([np.repeat(np.arange(n), 3), random.randint(0, n, rows - 3 * n)])
    random.shuffle(classes)
    places, widths = random.randn(n, d), random.rand(n) + 0.5
    return places[classes] + widths[classes, None] * random.randn(rows, d), classes


def measures(x: Real, classes: Real, n: int) -> dict[str, Any]:
    mu = np.array([x[classes == c].mean(axis=0) for c in range(n)])
    square = np.array([((x[classes == c] - mu[c]) ** 2).sum(axis=1).mean() for c in range(n)])
    center = mu.mean(axis=0)
    pairs = [((mu[c] - mu[d]) ** 2).sum() / (square[c] + square[d]) for c, d in combinations(range(n), 2)]
    inner = []
    for c in range(n):
        s = np.linalg.svd(x[classes == c] - mu[c], compute_uv=False)
        inner.append((s**2).sum() ** 2 / (s**4).sum())
    s = np.linalg.svd(mu - center, compute_uv=False)
    return {
        "centroid": mu,
        "radius": np.sqrt(square),
        "dimension": np.array(inner),
        "snr": ((mu - center) ** 2).sum(axis=1).mean() / square.mean(),
        "fisher": np.mean(pairs),
        "fisher_least": np.min(pairs),
        "between": (s**2).sum() ** 2 / (s**4).sum(),
    }


def path(theta: Real, epochs: list[int]) -> dict[str, Real]:
    """Weighted principal components of a path (T, P) by SVD, speeds and cosines in loops."""
    T = len(epochs)
    w = np.zeros(T)
    for t in range(T):
        before = epochs[t] - epochs[t - 1] if t else 0
        after = epochs[t + 1] - epochs[t] if t < T - 1 else 0
        w[t] = (before + after) / 2
    w /= w.sum()
    about = theta - (w[:, None] * theta).sum(axis=0)
    _, s, axes = np.linalg.svd(np.sqrt(w)[:, None] * about, full_matrices=False)
    position = about @ axes.T
    position = position * np.where(position[-1] < 0, -1, 1)
    steps = np.diff(theta, axis=0)
    cosine = np.full(T, np.nan)
    for t in range(1, T - 1):
        a, b = steps[t - 1], steps[t]
        cosine[t] = a @ b / np.sqrt((a @ a) * (b @ b))
    speed = np.full(T, np.nan)
    for t in range(1, T):
        speed[t] = np.sqrt((steps[t - 1] ** 2).sum()) / (epochs[t] - epochs[t - 1])
    return {
        "weights": w,
        "position": position,
        "share": s**2 / (s**2).sum(),
        "speed": speed,
        "cosine": cosine,
        "norm": (theta**2).sum(axis=1),
    }
