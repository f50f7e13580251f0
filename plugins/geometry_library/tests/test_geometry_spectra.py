"""Counts of dimensions of spectra that are known, and of random matrices by plain SVD."""

import numpy as np
import pytest
import torch
from geometry_kinds import Kind
from geometry_reference import rotation
from hypothesis import given
from hypothesis import strategies as st

from mi_geometry_library import (
    entropy_rank,
    participation_of,
    participation_ratio,
    product_singular_values,
    singular_values,
    stable_rank,
)

RANKS = (participation_ratio, stable_rank, entropy_rank)


@pytest.mark.parametrize("rank", RANKS)
def test_equal_values_count_each_and_one_value_counts_once(kind: Kind, rank: object) -> None:
    values = kind.make([[2.0, 2.0, 2.0, 0.0], [5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = np.asarray(rank(values))  # type: ignore[operator]
    np.testing.assert_allclose(found, [3, 1, np.nan], rtol=kind.tolerance)


def test_random_matrices(kind: Kind) -> None:
    random = np.random.RandomState(0)
    left, right = random.randn(2, 9, 4), random.randn(2, 7, 4)
    product = left @ np.swapaxes(right, 1, 2)
    s = np.linalg.svd(product, compute_uv=False)[:, :4]
    found = product_singular_values(kind.make(left), kind.make(right))
    assert found.dtype == kind.dtype
    np.testing.assert_allclose(np.asarray(found), s, rtol=kind.tolerance)
    np.testing.assert_allclose(
        np.asarray(singular_values(kind.make(left))), np.linalg.svd(left)[1], rtol=kind.tolerance
    )
    participation = (s**2).sum(axis=1) ** 2 / (s**4).sum(axis=1)
    np.testing.assert_allclose(np.asarray(participation_ratio(found)), participation, rtol=kind.tolerance)
    for matrix in (product, np.swapaxes(product, 1, 2)):
        direct = np.asarray(participation_of(kind.make(matrix)))
        np.testing.assert_allclose(direct, participation, rtol=kind.tolerance)
    q = s / s.sum(axis=1, keepdims=True)
    entropy = np.exp(-(q * np.log(q)).sum(axis=1))
    np.testing.assert_allclose(np.asarray(entropy_rank(found)), entropy, rtol=kind.tolerance)
    stable = (s**2).sum(axis=1) / s[:, 0] ** 2
    np.testing.assert_allclose(np.asarray(stable_rank(found)), stable, rtol=kind.tolerance)


@given(seed=st.integers(0, 10_000), size=st.floats(1e-12, 1e12))
def test_dimensions_depend_on_neither_basis_nor_unit(seed: int, size: float) -> None:
    random = np.random.RandomState(seed)
    x = random.randn(6, 4) * random.rand(4)
    turned = size * (rotation(6, seed) @ x @ rotation(4, seed + 1))
    np.testing.assert_allclose(participation_of(turned), participation_of(x), rtol=1e-8)
    s, t = singular_values(x), singular_values(turned)
    for rank in RANKS:
        np.testing.assert_allclose(rank(t), rank(s), rtol=1e-8)
    assert 1 <= entropy_rank(s) <= 4 + 1e-9


def test_zero_has_no_dimension_and_odd_shapes_are_refused() -> None:
    assert np.isnan(participation_of(np.zeros((3, 2))))
    with pytest.raises(ValueError, match="needs a matrix"):
        singular_values(np.zeros(3))
    with pytest.raises(ValueError, match="factors"):
        product_singular_values(np.zeros((4, 2)), np.zeros((4, 3)))


@pytest.mark.parametrize(("m", "n", "k"), [(4, 4, 9), (3, 8, 5), (8, 3, 5), (5, 5, 5)])
def test_factors_may_be_wider_than_high(kind: Kind, m: int, n: int, k: int) -> None:
    """As those of a head are, whose width is not below that of the residual stream."""
    random = np.random.RandomState(0)
    left, right = random.randn(2, m, k), random.randn(2, n, k)
    found = np.asarray(product_singular_values(kind.make(left), kind.make(right)))
    expected = np.linalg.svd(left @ np.swapaxes(right, 1, 2), compute_uv=False)
    np.testing.assert_allclose(found, expected[:, : min(m, n, k)], rtol=kind.tolerance)


@pytest.mark.parametrize(("size", "threads"), [(20, 1), (300, 3)])
def test_small_matrices_are_decomposed_by_one_thread(
    size: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    plain = torch.linalg.svdvals

    def watched(matrix: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return plain(matrix)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr("array_api_compat.torch.linalg.svdvals", watched)
        values = singular_values(torch.ones(size, size))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [threads]
    assert values[0] == pytest.approx(size)
