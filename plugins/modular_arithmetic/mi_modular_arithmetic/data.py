"""The task's data: which pairs are trained on."""

from __future__ import annotations

import numpy as np


def train_size(p: int, fraction: float) -> int:
    """Number of training pairs: the share of all p² pairs, rounded down."""
    return int(fraction * p * p)


def train_mask(p: int, fraction: float, data_seed: int) -> np.ndarray:
    """Which pairs are trained on: bool, (p, p), indexed by a and b.

    Drawn with ``RandomState``, whose stream NumPy has frozen (NEP 19), so that a split means the same in
    years to come; it depends on no other parameter and on no device.
    """
    order = np.random.RandomState(data_seed).permutation(p * p)
    mask = np.zeros(p * p, dtype=bool)
    mask[order[: train_size(p, fraction)]] = True
    return mask.reshape(p, p)
