"""Losses over training as a picture of a few hundred bytes, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen

WIDTH, HEIGHT, POINTS = 120, 26, 60


@frozen
class Sparkline:
    """Polylines in a ``WIDTH`` × ``HEIGHT`` box, as an SVG's ``points``; log scale, shared by all."""

    lines: tuple[str, ...]
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(epochs: np.ndarray, curves: Sequence[np.ndarray]) -> Sparkline | None:
    """Positive curves over ``epochs``, all (n,), thinned to ``POINTS``; None where there is nothing."""
    if not len(epochs):
        return None
    picks = np.unique(np.linspace(0, len(epochs) - 1, POINTS).round().astype(int))
    drawn = []
    for curve in curves:
        good = [i for i in picks if np.isfinite(curve[i]) and curve[i] > 0]
        drawn.append((epochs[good].astype(float), np.log(curve[good])))
    values = np.concatenate([y for _, y in drawn]) if drawn else np.empty(0)
    if len(values) < 2:
        return None
    low, high, last = values.min(), values.max(), max(float(epochs[-1]), 1.0)
    span = max(high - low, 1e-9)
    lines = []
    for x, y in drawn:
        across, down = 1 + (WIDTH - 2) * x / last, 1 + (HEIGHT - 2) * (high - y) / span
        lines.append(" ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True)))
    return Sparkline(tuple(lines))
