"""Principal components against SVD; and what of an aligned basis is stable."""

import numpy as np
import pytest
from geometry_kinds import Kind
from geometry_reference import circles, rotation
from hypothesis import given
from hypothesis import strategies as st

from mi_geometry_library import aligned, alignment, principal_components

SIZES = [(9, 4), (4, 9), (6, 6)]


@pytest.mark.parametrize(("n", "d"), SIZES)
def test_they_agree_with_a_singular_value_decomposition(kind: Kind, n: int, d: int) -> None:
    x = np.random.RandomState(n).randn(n, d) * np.arange(1, d + 1) + 7
    found = principal_components(kind.make(x), 3)
    assert found.score.dtype == kind.dtype
    left, s, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    score, axis = np.asarray(found.score), np.asarray(found.axis)
    sign = np.sign((axis * axes[:3]).sum(axis=1))
    np.testing.assert_allclose(axis * sign[:, None], axes[:3], atol=10 * kind.tolerance)
    np.testing.assert_allclose(score * sign, (left * s)[:, :3], atol=10 * kind.tolerance)
    np.testing.assert_allclose(np.asarray(found.variance), (s**2)[:3] / n, rtol=kind.tolerance)
    np.testing.assert_allclose(np.asarray(found.total), (s**2).sum() / n, rtol=kind.tolerance)
    assert (axis[np.arange(3), np.abs(axis).argmax(axis=1)] > 0).all(), "the rule of signs"


def test_components_beyond_the_rank_are_nothing(kind: Kind) -> None:
    found = principal_components(kind.make(circles(7, {2: 2.0}, 5)), 4)
    np.testing.assert_allclose(np.asarray(found.variance)[:2], 2, rtol=kind.tolerance)
    assert (np.asarray(found.variance)[2:] < 1e-10).all()
    for n, d in ((3, 8), (8, 3)):
        few = principal_components(kind.make(np.random.RandomState(0).randn(n, d)), 5)
        assert few.score.shape == (n, 5) and few.axis.shape == (5, d)
        beyond = slice(n - 1, None) if n < d else slice(d, None)
        assert (np.asarray(few.score)[:, beyond] == 0).all()
        assert (np.asarray(few.axis)[beyond] == 0).all()
    still = principal_components(kind.make(np.full((5, 3), 0.3)), 2)
    assert (np.asarray(still.score) == 0).all() and (np.asarray(still.variance) == 0).all()


def test_the_reference_is_left_as_it_is(kind: Kind) -> None:
    score = principal_components(kind.make(np.random.RandomState(1).randn(20, 6) * np.arange(1, 7)), 4).score
    np.testing.assert_allclose(np.asarray(aligned(score, score)), np.asarray(score), atol=kind.tolerance)


def test_order_and_signs_follow_the_reference(kind: Kind) -> None:
    """Two patterns swap places by variance and one changes sign: they keep the reference's places."""
    left = np.linalg.qr(np.random.RandomState(2).randn(15, 4))[0]
    reference = left * [8.0, 4.0, 2.0, 1.0]
    later = np.stack([-left[:, 1] * 9, left[:, 0] * 5, left[:, 2] * 2, -left[:, 3]], axis=1)
    found = np.asarray(aligned(kind.make(later), kind.make(reference)))
    np.testing.assert_allclose(found, left * [5, 9, 2, 1], atol=10 * kind.tolerance)


def test_tied_components_are_rotated_and_others_are_not() -> None:
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    left = np.linalg.qr(np.random.RandomState(3).randn(15, 3))[0]
    reference = left * [4.0, 4.0, 1.0]
    # A circle whose two axes came out turned, as they do: any two would have done.
    score = np.concatenate([reference[:, :2] @ turn, reference[:, 2:]], axis=1)
    np.testing.assert_allclose(aligned(score, reference), reference, atol=1e-9)
    # The same turn of components that are far apart is no matter of the basis, and stays.
    apart = left * [4.0, 2.0, 1.0]
    turned = np.concatenate([left[:, :2] @ turn, left[:, 2:]], axis=1) * [4.0, 2.0, 1.0]
    found = aligned(turned, apart)
    np.testing.assert_allclose(np.abs(found), np.abs(turned), atol=1e-9)
    assert ((found * apart).sum(axis=0) > 0).all()


@given(seed=st.integers(0, 10_000))
def test_whatever_basis_came_out_the_aligned_one_is_the_same(seed: int) -> None:
    random = np.random.RandomState(seed)
    reference = principal_components(random.randn(13, 5) * [5, 5, 3, 1, 1], 5).score
    square = circles(13, {2: 3.0, 5: 1.0}, 8, seed)
    plain = principal_components(square, 4).score
    # The space turned and shifted, and axes flipped and mixed within the tied pairs.
    mixed = np.zeros((4, 4))
    mixed[:2, :2], mixed[2:, 2:] = rotation(2, seed), rotation(2, seed + 1)
    turned = principal_components(square @ rotation(8, seed + 2) + 5, 4).score @ mixed
    four = reference[:, :4]
    np.testing.assert_allclose(aligned(turned, four), aligned(plain, four), atol=1e-7)
    q = alignment(turned, four)
    np.testing.assert_allclose(q.T @ q, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(aligned(turned, four)), np.linalg.norm(turned), rtol=1e-9)


def test_without_anything_in_common_components_stay_as_they_are() -> None:
    left = np.linalg.qr(np.random.RandomState(4).randn(12, 4))[0]
    score, reference = left[:, :2] * [3, 1], np.zeros((12, 2))
    np.testing.assert_allclose(aligned(score, reference), score, atol=1e-9)
    np.testing.assert_allclose(aligned(np.zeros((12, 2)), score), 0)


def test_shapes_that_differ_and_too_many_components_are_refused() -> None:
    with pytest.raises(ValueError, match="equal shapes"):
        alignment(np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="at most 6"):
        alignment(np.zeros((9, 7)), np.zeros((9, 7)))
