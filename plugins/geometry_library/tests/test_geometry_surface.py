"""Saddles, bowls and planes whose equation is known, and least squares by numpy."""

import numpy as np
import pytest
from geometry_kinds import Kind

from mi_geometry_library import fit_quadric


def grid(f: object) -> np.ndarray:
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-1, 1, 7)))
    return np.stack([x, y, f(x, y)], axis=1)  # type: ignore[operator]


def test_a_saddle_a_bowl_and_a_plane(kind: Kind) -> None:
    shapes = {
        "saddle": (lambda x, y: x * y + 3, lambda d: d < -0.5),
        "bowl": (lambda x, y: 2 * x**2 + y**2, lambda d: d > 0.5),
        "upside down": (lambda x, y: 1 - x**2 - 3 * y**2, lambda d: d > 0.5),
        "trough": (lambda x, y: (x + y) ** 2, lambda d: abs(d) < 0.02),
        "plane": (lambda x, y: x - 2 * y, lambda d: abs(d) < 0.02),
    }
    for name, (f, holds) in shapes.items():
        found = fit_quadric(kind.make(grid(f)))
        assert float(found.r2) == pytest.approx(1, abs=kind.tolerance), name
        assert holds(float(found.determinant)), name
        linear = 1.0 if name == "plane" else 0.0
        assert float(found.r2_linear) == pytest.approx(linear, abs=kind.tolerance), name


def test_the_sign_does_not_depend_on_units_and_coefficients_are_in_deviations() -> None:
    points = grid(lambda x, y: 2 * x**2 - y**2 + x)
    plain, scaled = fit_quadric(points), fit_quadric(points * [100, 0.01, 5] + [1, 2, 3])
    np.testing.assert_allclose(scaled.coefficients, plain.coefficients, atol=1e-9)
    sx, sy, sz = points.std(axis=0)
    np.testing.assert_allclose(plain.coefficients[:2], [2 * sx**2 / sz, -(sy**2) / sz], rtol=1e-9)
    assert plain.determinant == pytest.approx(-8 * (sx * sy / sz) ** 2)


def test_noise_is_fitted_as_numpy_does() -> None:
    points = np.random.RandomState(0).randn(40, 3)
    x, y, z = ((points - points.mean(axis=0)) / points.std(axis=0)).T
    terms = np.stack([x**2, y**2, x * y, x, y, np.ones(40)], axis=1)
    coefficients, left, *_ = np.linalg.lstsq(terms, z, rcond=None)
    found = fit_quadric(points)
    np.testing.assert_allclose(found.coefficients, coefficients, rtol=1e-6)
    assert found.r2 == pytest.approx(1 - left[0] / 40, rel=1e-6)
    assert found.r2 < 0.4


def test_too_few_points_and_a_flat_cloud_have_no_shape() -> None:
    random = np.random.RandomState(1)
    for points in (random.randn(6, 3), random.randn(20, 3) * [1, 1, 0], np.zeros((0, 3))):
        found = fit_quadric(points)
        assert np.isnan(found.r2) and np.isnan(found.determinant) and np.isnan(found.coefficients).all()
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        fit_quadric(random.randn(9, 2))
