"""The task's data: which pairs are trained on."""

from __future__ import annotations

import numpy as np


def train_size(p: int, fraction: float) -> int:
    """Number of training pairs: the share of all p² pairs, rounded down."""
    return int(fraction * p * p)


def train_mask(p: int, fraction: float, data_seed: int) -> np.ndarray:
    """Which pairs are trained on: bool, (p, p), indexed by a and b.

    The first pairs of a permutation that depends on the data seed alone, so a larger share contains a smaller
    one. torch promises no stream of random numbers for ever: a test holds this one fast.
    """
    import torch

    order = torch.randperm(p * p, generator=torch.Generator().manual_seed(data_seed)).numpy()
    mask = np.zeros(p * p, dtype=bool)
    mask[order[: train_size(p, fraction)]] = True
    return mask.reshape(p, p)
