"""The part of a function on the grid that is one frequency: the cells of the fractions."""

import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_fourier_library import (
    frequency_fractions,
    grid_coefficients,
    grid_component,
    without_frequency,
)

SIZES = (2, 3, 7, 12, 59)


def plain_component(x: np.ndarray, k: int) -> np.ndarray:
    """By a two-dimensional Fourier transform of complex numbers, cell by cell."""
    n = len(x)
    X = np.fft.fft2(x, axes=(0, 1))
    kept = np.zeros_like(X)
    for i, j in ((k, 0), (0, k), (k, k), (k, -k)):
        for sign in (1, -1):
            kept[sign * i % n, sign * j % n] = X[sign * i % n, sign * j % n]
    return np.real(np.fft.ifft2(kept, axes=(0, 1)))


@pytest.mark.parametrize("n", SIZES)
def test_a_part_is_that_of_its_cells(kind: Kind, n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, n, 3))
    coefficients = grid_coefficients(kind.make(x))
    assert coefficients.dtype == kind.dtype
    for k in {1, max(n // 3, 1), n // 2}:
        found = np.asarray(grid_component(coefficients, k))
        np.testing.assert_allclose(found, plain_component(x, k), atol=kind.tolerance)


@given(n=st.integers(2, 16), seed=st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_parts_are_orthogonal_and_hold_what_fractions_say(n: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, n))
    coefficients = grid_coefficients(x)
    np.testing.assert_allclose((coefficients**2).sum(), (x**2).sum())
    parts = np.stack([grid_component(coefficients, k) for k in range(1, n // 2 + 1)])
    products = np.einsum("iab,jab->ij", parts, parts)
    np.testing.assert_allclose(products - np.diag(np.diag(products)), 0, atol=1e-9)
    found = frequency_fractions(x[..., None])
    shares = np.diag(products) / ((x - x.mean()) ** 2).sum()
    np.testing.assert_allclose(shares, found.frac[0], atol=1e-9)
    rest = x - x.mean() - parts.sum(axis=0)
    np.testing.assert_allclose(
        (rest**2).sum() / ((x - x.mean()) ** 2).sum(), found.rest[0], atol=1e-9
    )
    for k, part in enumerate(parts, start=1):
        again = grid_coefficients(part)
        np.testing.assert_allclose(grid_component(again, k), part, atol=1e-9)


def test_axes_may_lie_anywhere_and_others_keep_their_order() -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 3, 7))
    found = grid_component(grid_coefficients(x, (1, 3)), 2)
    assert found.shape == (7, 7, 2, 3)
    np.testing.assert_allclose(found[..., 1, 2], plain_component(x[1, :, 2, :], 2), atol=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_without_a_frequency_nothing_of_it_is_left_and_all_else_stays(kind: Kind, n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 4))
    for k in {1, n // 2}:
        found = without_frequency(kind.make(x), k, 0)
        before, after = np.fft.fft(x, axis=0), np.fft.fft(np.asarray(found), axis=0)
        before[[k, -k % n]] = 0
        np.testing.assert_allclose(after, before, atol=n * kind.tolerance)
        assert found.dtype == kind.dtype


@pytest.mark.parametrize("k", [0, 4, -1])
def test_a_frequency_that_is_not_there_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=r"frequencies modulo 7 lie in 1 \.\. 3, not"):
        grid_component(grid_coefficients(np.eye(7)), k)
    with pytest.raises(ValueError, match=r"frequencies modulo 7 lie in 1 \.\. 3, not"):
        without_frequency(np.eye(7), k)


def test_a_grid_that_is_no_square_is_refused() -> None:
    with pytest.raises(ValueError, match="equally long, not 3 and 4"):
        grid_coefficients(np.zeros((3, 4)))
