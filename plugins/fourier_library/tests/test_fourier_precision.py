"""Constants are made in float64 and then cast; and a choice between near equals is made in it."""

import numpy as np
import torch

from mi_fourier_library import choose_key_frequencies, real_basis
from mi_fourier_library._arrays import like


def test_a_basis_made_in_float64_and_cast_is_as_right_as_float32_can_be() -> None:
    n = 997
    j, k = np.arange(n), np.arange(1, n // 2 + 1)
    exact = np.cos(2 * np.longdouble(np.pi) * (np.outer(k, j) % n) / n) * np.sqrt(
        np.longdouble(2) / n
    )
    cast = like(real_basis(n), torch.zeros(1)).numpy()[1::2]
    largest = float(np.sqrt(2 / n))
    assert np.abs(cast - exact).max() < 1e-7 * largest
    narrow = np.cos(np.outer(k, j).astype(np.float32) * np.float32(2 * np.pi / n)) * np.float32(
        largest
    )
    assert np.abs(narrow - exact).max() > 1e-4 * largest


def test_key_frequencies_of_equals_are_counted_right() -> None:
    """Half of n equal frequencies make up half of the variance; float32 sums miss it for some n."""
    narrow = {}
    for n in range(10, 501, 10):
        fve = torch.full((n,), 1 / n)
        assert int(choose_key_frequencies(fve, 0.5, 0.0).sum()) == n // 2
        sums = fve.numpy().cumsum(dtype=np.float32)
        before = np.concatenate([[np.float32(0)], sums[:-1]])
        narrow[n] = int((before < np.float32(0.5) * sums[-1]).sum())
    assert any(count != n // 2 for n, count in narrow.items())
