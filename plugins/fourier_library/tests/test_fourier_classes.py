import fourier_reference as reference
import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mi_fourier_library import (
    class_mean,
    component,
    components,
    fraction_of_variance,
    trig_coefficients,
)

Real = NDArray[np.float64]


def random_logits(n: int, seed: int = 0) -> Real:
    logits = np.random.default_rng(seed).normal(size=(n, n, n))
    logits += 0.5 * reference.direction(1, n) - 2 * reference.direction(n // 2, n)
    return np.asarray(logits - logits.mean(-1, keepdims=True))


def sums(n: int) -> NDArray[np.int64]:
    return np.add.outer(np.arange(n), np.arange(n)).ravel() % n


@pytest.mark.parametrize("n", [2, 5, 7, 12])
def test_everything_agrees_with_the_formulas(n: int, kind: Kind) -> None:
    logits = random_logits(n)
    means = class_mean(kind.make(logits.reshape(n * n, n)), sums(n), n)
    ks = range(1, n // 2 + 1)
    r = component(means, ks)
    coefficients = trig_coefficients(means)
    fve = fraction_of_variance(coefficients, float((logits**2).sum()), n)
    expected = reference.class_means(logits)
    for result, wanted in (
        (means, expected),
        (r, np.stack([reference.component(expected, k) for k in ks])),
        (fve, [reference.fraction_of_variance(logits, k) for k in ks]),
    ):
        assert type(result) is type(kind.make([0.0]))
        assert result.dtype == kind.dtype
        np.testing.assert_allclose(result, wanted, rtol=kind.tolerance, atol=kind.tolerance / 100)


@given(st.integers(2, 14), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_components_and_mean_give_the_class_means_back(n: int, answers: int, seed: int) -> None:
    means = np.random.default_rng(seed).normal(size=(n, answers))
    whole = component(means, range(1, n // 2 + 1)).sum(0) + means.mean(0)
    np.testing.assert_allclose(whole, means, atol=1e-12)
    cosine, sine = components(means)
    assert cosine.shape == sine.shape == (n // 2, answers)


def test_component_takes_the_frequencies_asked_for(kind: Kind) -> None:
    means = kind.make(np.random.default_rng(0).normal(size=(12, 5)))
    every = component(means, range(1, 7))
    chosen = component(means, [6, 2])
    np.testing.assert_array_equal(chosen, np.asarray(every)[[5, 1]])
    assert tuple(component(means, []).shape) == (0, 12, 5)


def test_class_mean_of_any_rows(kind: Kind) -> None:
    values = kind.make([[1, 10], [2, 20], [4, 40], [np.nan, 1]])
    means = class_mean(values, np.array([2, 0, 2, 3]), 5)
    nan = float("nan")
    expected: list[list[float]] = [[2, 20], [nan, nan], [2.5, 25], [nan, 1], [nan, nan]]
    np.testing.assert_allclose(means, expected)
    assert tuple(class_mean(values[:, 0], np.array([2, 0, 2, 3]), 5).shape) == (5,)


def test_class_mean_takes_classes_of_either_kind() -> None:
    torch = pytest.importorskip("torch")
    values = torch.arange(6.0).reshape(3, 2)
    expected = torch.tensor([[2.0, 3.0], [2.0, 3.0]])
    for classes in (torch.tensor([1, 0, 1]), np.array([1, 0, 1])):
        torch.testing.assert_close(class_mean(values, classes, 2), expected)


def test_fve_of_silent_logits_is_missing(kind: Kind) -> None:
    fve = fraction_of_variance(trig_coefficients(kind.make(np.zeros((7, 7)))), 0.0, 7)
    assert np.isnan(np.asarray(fve)).all()


def test_fve_takes_a_total_of_its_own_kind(kind: Kind) -> None:
    fve = fraction_of_variance(kind.make([1.0, 2.0]), kind.make(100.0), 4)
    np.testing.assert_allclose(fve, [64 / 2 / 100, 4 * 64 / 100], rtol=1e-6)


def test_refusals() -> None:
    values = np.zeros((3, 2))
    with pytest.raises(ValueError, match="one class for each of the 3 rows"):
        class_mean(values, np.array([0, 1]), 2)
    with pytest.raises(ValueError, match=r"classes must lie in 0 \.\. 1, not in 0 \.\. 2"):
        class_mean(values, np.array([0, 1, 2]), 2)
    with pytest.raises(ValueError, match="classes must be integers, not float64"):
        class_mean(values, np.array([0.0, 1.0, 1.0]), 2)
    with pytest.raises(ValueError, match=r"lie in 1 \.\. 3, not \[0\]"):
        component(np.zeros((7, 7)), [0])
    with pytest.raises(ValueError, match="one answer a class"):
        trig_coefficients(np.zeros((7, 5)))
    with pytest.raises(ValueError, match="needs 3 coefficients"):
        fraction_of_variance(np.zeros(4), 1.0, 7)
