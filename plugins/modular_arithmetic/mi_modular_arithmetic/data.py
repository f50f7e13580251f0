"""The task's data: which pairs are trained on."""

from __future__ import annotations

import numpy as np

from mi.errors import ParameterError

# What training measures; ``weight_norm`` is the sum of squared weights.
METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm")


def train_size(p: int, fraction: float) -> int:
    """Number of training pairs: the share of all p² pairs, rounded down."""
    return int(fraction * p * p)


def check_split(n: int, fraction: float) -> None:
    """Refuse a share of the pairs that leaves no training or no test pair.

    Raises:
        ParameterError: names the parameter, its value and what was expected.
    """
    if not 0 < train_size(n, fraction) < n * n:
        raise ParameterError(
            f"train_fraction is {fraction:g}, which trains on {train_size(n, fraction)} of {n * n} "
            "pairs; expected at least one training and one test pair"
        )


def train_mask(p: int, fraction: float, data_seed: int) -> np.ndarray:
    """Which pairs are trained on: bool, (p, p), indexed by a and b.

    The first pairs of a permutation that depends on the data seed alone, so a larger share contains a smaller
    one.
    """
    mask = np.zeros(p * p, dtype=bool)
    mask[_permutation(p * p, data_seed)[: train_size(p, fraction)]] = True
    return mask.reshape(p, p)


def _permutation(n: int, seed: int) -> np.ndarray:
    """``torch.randperm(n)`` of a CPU generator with this seed, without the second that importing torch takes.

    A Fisher-Yates shuffle driven by the Mersenne Twister. numpy promises ``RandomState``'s stream for ever;
    torch promises none: a test holds the two together.
    """
    draws = np.random.RandomState(seed).randint(0, 2**32, max(n - 1, 0), dtype=np.uint32).astype(np.int64)
    order = list(range(n))
    for i, step in enumerate((draws % (n - np.arange(len(draws)))).tolist()):
        order[i], order[i + step] = order[i + step], order[i]
    return np.array(order)
