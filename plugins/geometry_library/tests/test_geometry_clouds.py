"""Clouds of classes against loops, on shapes whose answer is known, and under what must change nothing."""

import numpy as np
import pytest
from geometry_kinds import Kind
from geometry_reference import circles, clouds, measures, rotation
from hypothesis import given
from hypothesis import strategies as st

from mi_geometry_library import (
    centroid_dimension,
    class_clouds,
    fisher,
    signal_to_noise,
)


def all_of(x: object, classes: np.ndarray, n: int) -> dict[str, np.ndarray]:
    found = class_clouds(x, classes, n)
    apart = fisher(found)
    values = {
        "centroid": found.center + found.offset,
        "radius": found.radius,
        "dimension": found.dimension,
        "snr": signal_to_noise(found),
        "fisher": apart.mean,
        "fisher_least": apart.least,
        "between": centroid_dimension(found),
    }
    return {name: np.asarray(value) for name, value in values.items()}


@pytest.mark.parametrize(("rows", "d"), [(70, 5), (60, 40)])
def test_they_agree_with_loops_over_classes_of_different_sizes(kind: Kind, rows: int, d: int) -> None:
    x, classes = clouds(7, rows, d, seed=rows)
    found, expected = all_of(kind.make(x), classes, 7), measures(x, classes, 7)
    assert class_clouds(kind.make(x), classes, 7).offset.dtype == kind.dtype
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=kind.tolerance, atol=kind.tolerance)


def test_circles_without_width_have_two_dimensions_each_and_no_noise(kind: Kind) -> None:
    n = 11
    x = np.repeat(circles(n, {2: 1.5, 5: 1.5}, 6), 4, axis=0)
    found = all_of(kind.make(x), np.repeat(np.arange(n), 4), n)
    assert found["between"] == pytest.approx(4, rel=kind.tolerance)
    assert (found["radius"] == 0).all()
    assert np.isnan(found["snr"]) and np.isnan(found["fisher"]) and np.isnan(found["dimension"]).all()


def test_a_circle_s_signal_is_its_squared_radius_and_shells_are_its_noise(kind: Kind) -> None:
    n = 8
    shell = 0.5 * np.concatenate([np.eye(6), -np.eye(6)])  # six dimensions, at a distance of 0.5
    x = (circles(n, {1: 3.0}, 6)[:, None] + shell).reshape(-1, 6)
    found = all_of(kind.make(x), np.repeat(np.arange(n), 12), n)
    assert found["snr"] == pytest.approx(9 / 0.25, rel=kind.tolerance)
    np.testing.assert_allclose(found["radius"], 0.5, rtol=kind.tolerance)
    np.testing.assert_allclose(found["dimension"], 6, rtol=kind.tolerance)
    # Neighbours are the worst pair: a chord of 2 · 3 sin(π/8), two widths of 0.25.
    least = (6 * np.sin(np.pi / n)) ** 2 / 0.5
    assert found["fisher_least"] == pytest.approx(least, rel=kind.tolerance)


def test_what_differs_by_rounding_alone_counts_as_nothing(kind: Kind) -> None:
    x = np.full((300, 4), 1 / 3) * np.arange(1, 5)
    found = class_clouds(kind.make(x), np.arange(300) % 3, 3)
    assert (np.asarray(found.offset) == 0).all() and (np.asarray(found.radius) == 0).all()
    assert np.isnan(np.asarray(centroid_dimension(found)))
    # Classes that cancel: every class holds x and −x.
    noise = np.random.RandomState(0).randn(50, 4)
    both = np.concatenate([noise, -noise])
    found = class_clouds(kind.make(both), np.tile(np.arange(50) % 5, 2), 5)
    assert (np.asarray(found.offset) == 0).all(), "centroids at 0 but for rounding"
    assert float(signal_to_noise(found)) == 0


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_rotating_shifting_and_relabelling_change_no_measure(seed: int, scale: float) -> None:
    x, classes = clouds(5, 40, 6, seed)
    random = np.random.RandomState(seed)
    relabel = random.permutation(5)
    moved = scale * (x @ rotation(6, seed + 1)) + random.randn(6)
    plain, changed = all_of(x, classes, 5), all_of(moved, relabel[classes], 5)
    for name in ("snr", "fisher", "fisher_least", "between"):
        np.testing.assert_allclose(changed[name], plain[name], rtol=1e-8)
    np.testing.assert_allclose(changed["radius"][relabel], scale * plain["radius"], rtol=1e-8)
    np.testing.assert_allclose(changed["dimension"][relabel], plain["dimension"], rtol=1e-8)


@given(size=st.floats(1e-15, 1e15))
def test_dimensions_do_not_depend_on_the_unit(size: float) -> None:
    x, classes = clouds(4, 30, 5, seed=1)
    for dtype in (np.float32, np.float64):
        plain = class_clouds(x.astype(dtype), classes, 4)
        scaled = class_clouds((size * x).astype(dtype), classes, 4)
        np.testing.assert_allclose(scaled.dimension, plain.dimension, rtol=1e-4)
        np.testing.assert_allclose(centroid_dimension(scaled), centroid_dimension(plain), rtol=1e-4)


@pytest.mark.parametrize(
    ("classes", "n", "said"),
    [
        (np.array([0, 1, 1]), 3, "class 2 has no row"),
        (np.array([0, 1]), 2, "one class for each of the 3 rows"),
        (np.array([0, 1, 2]), 2, r"whole numbers in 0 \.\. 1"),
        (np.array([0.0, 1.0, 1.0]), 2, "whole numbers"),
    ],
)
def test_classes_that_do_not_fit_are_refused(classes: np.ndarray, n: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        class_clouds(np.zeros((3, 2)), classes, n)
