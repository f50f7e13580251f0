"""Distances of points on circles are a circulant that is known."""

import numpy as np
import pytest
from geometry_kinds import Kind
from geometry_reference import circles

from mi_geometry_library import by_difference, circularity, squared_distances

RADII = {2: 1.5, 3: 0.5}


@pytest.mark.parametrize("n", [7, 12])
def test_chords_of_circles(kind: Kind, n: int) -> None:
    square = squared_distances(kind.make(circles(n, RADII, 5)))
    assert square.dtype == kind.dtype
    found = np.asarray(by_difference(square))
    d = np.arange(n)
    expected = sum(2 * r**2 * (1 - np.cos(2 * np.pi * k * d / n)) for k, r in RADII.items())
    np.testing.assert_allclose(found, expected, rtol=kind.tolerance, atol=kind.tolerance)
    assert float(circularity(square)) == pytest.approx(1, abs=kind.tolerance)
    assert (np.diag(np.asarray(square)) == 0).all()


def test_plain_distances_and_differences(kind: Kind) -> None:
    x = np.random.RandomState(3).randn(9, 4) + 100
    square = np.array([[((a - b) ** 2).sum() for b in x] for a in x])
    found = squared_distances(kind.make(x))
    np.testing.assert_allclose(np.asarray(found), square, rtol=10 * kind.tolerance, atol=kind.tolerance)
    matrix = kind.make(square)
    means = [np.mean([square[c, (c + d) % 9] for c in range(9)]) for d in range(9)]
    np.testing.assert_allclose(np.asarray(by_difference(matrix)), means, rtol=kind.tolerance)
    off = [(c, (c + d) % 9, d) for d in range(1, 9) for c in range(9)]
    values = np.array([square[c, e] for c, e, _ in off])
    left = values - np.array([means[d] for *_, d in off])
    expected = 1 - (left**2).sum() / ((values - values.mean()) ** 2).sum()
    assert float(circularity(matrix)) == pytest.approx(expected, rel=10 * kind.tolerance)


def test_equal_distances_have_no_circularity_and_other_shapes_are_refused() -> None:
    assert np.isnan(circularity(np.ones((5, 5)) - np.eye(5)))
    with pytest.raises(ValueError, match="square"):
        by_difference(np.zeros((2, 3)))
