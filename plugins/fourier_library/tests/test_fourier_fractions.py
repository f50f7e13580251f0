from math import gcd

import fourier_reference as reference
import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given
from hypothesis import strategies as st

from mi_fourier_library import dominant, frequency_fractions


@pytest.mark.parametrize("n", [2, 3, 4, 7, 12, 13])
def test_agrees_with_the_formula(n: int, kind: Kind) -> None:
    values = np.random.default_rng(n).normal(size=(n, n, 6)) + 2
    frac, rest = reference.fractions(values)
    result = frequency_fractions(kind.make(values))
    for given_, wanted in ((result.frac, frac), (result.rest, rest)):
        assert type(given_) is type(kind.make(0.0))
        assert given_.dtype == kind.dtype
        np.testing.assert_allclose(given_, wanted, rtol=kind.tolerance, atol=kind.tolerance)


@given(st.integers(2, 14), st.integers(0, 2**32 - 1))
def test_fractions_and_rest_sum_to_1(n: int, seed: int) -> None:
    frac, rest = frequency_fractions(np.random.default_rng(seed).exponential(size=(n, n, 4)))
    np.testing.assert_allclose(frac.sum(-1) + rest, 1, atol=1e-12)
    assert (frac >= 0).all()
    assert (rest >= 0).all()


@given(st.integers(3, 14), st.integers(1, 13), st.integers(0, 2**32 - 1))
def test_multiplying_by_a_unit_permutes_frequencies(n: int, unit: int, seed: int) -> None:
    unit = unit if gcd(unit, n) == 1 else 1
    x = np.random.default_rng(seed).normal(size=(n, n, 3))
    order = unit * np.arange(n) % n
    before, after = frequency_fractions(x), frequency_fractions(x[order][:, order])
    image = [min(unit * k % n, -unit * k % n) - 1 for k in range(1, n // 2 + 1)]
    np.testing.assert_allclose(after.frac[:, image], before.frac, atol=1e-12)
    np.testing.assert_allclose(after.rest, before.rest, atol=1e-12)


@given(st.integers(3, 14), st.integers(0, 13), st.integers(0, 13), st.integers(0, 2**32 - 1))
def test_shifting_either_axis_changes_nothing(n: int, a: int, b: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, n, 3))
    before, after = frequency_fractions(x), frequency_fractions(np.roll(x, (a, b), axis=(0, 1)))
    np.testing.assert_allclose(after.frac, before.frac, atol=1e-12)


def test_other_axes_keep_their_order(kind: Kind) -> None:
    x = np.random.default_rng(0).normal(size=(7, 7, 2, 3))
    expected = frequency_fractions(x.reshape(7, 7, 6))
    moved = frequency_fractions(kind.make(x.transpose(2, 1, 3, 0)), axes=(3, 1))
    np.testing.assert_allclose(moved.frac, expected.frac.reshape(2, 3, 3), atol=kind.tolerance)
    np.testing.assert_allclose(moved.rest, expected.rest.reshape(2, 3), atol=kind.tolerance)


def test_axes_by_name() -> None:
    xarray = pytest.importorskip("xarray")
    x = np.random.default_rng(0).normal(size=(3, 7, 7))
    named = xarray.DataArray(x, dims=("neuron", "a", "b"))
    np.testing.assert_array_equal(
        frequency_fractions(named, ("a", "b")).frac, frequency_fractions(x, (1, 2)).frac
    )


def test_dead_neurons_are_missing(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 12, 6))
    x[:, :, 1] = 0
    x[:, :, 2] = 1000.1  # does not vary, though its energy is large
    x[:, :, 3] *= 1e-7  # an energy of 1e-14
    x[:, :, 4] *= 1e-5  # an energy of 1e-10: small, yet alive
    x[3, 4, 5] = np.nan
    frac, rest = frequency_fractions(kind.make(x))
    missing = [False, True, True, True, False, True]
    assert np.isnan(np.asarray(rest)).tolist() == missing
    assert np.isnan(np.asarray(frac)).all(-1).tolist() == missing
    assert np.isnan(np.asarray(frac)).any(-1).tolist() == missing
    result = dominant(frac)
    assert (np.asarray(result.frequency) == 0).tolist() == missing
    assert np.isnan(np.asarray(result.fraction)).tolist() == missing
    assert (np.asarray(result.runner_up) == 0).tolist() == missing
    assert np.isnan(np.asarray(result.runner_up_fraction)).tolist() == missing


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_layer_of_constants_is_dead(value: float, kind: Kind) -> None:
    frac, rest = frequency_fractions(kind.make(np.full((59, 59, 3), value)))
    assert np.isnan(np.asarray(frac)).all()
    assert np.isnan(np.asarray(rest)).all()


def test_dominant_takes_the_lower_of_equal_frequencies(kind: Kind) -> None:
    frac = kind.make([[0.1, 0.4, 0.2], [0.3, 0.3, 0.3], [0.0, 0.0, 1.0], [np.nan] * 3])
    result = dominant(frac)
    assert result.frequency.tolist() == [2, 1, 3, 0]
    assert result.runner_up.tolist() == [3, 2, 1, 0]
    assert result.fraction.dtype == kind.dtype
    np.testing.assert_allclose(result.fraction, [0.4, 0.3, 1, np.nan], rtol=1e-6)
    np.testing.assert_allclose(result.runner_up_fraction, [0.2, 0.3, 0, np.nan], rtol=1e-6)


def test_a_single_frequency_has_no_runner_up() -> None:
    result = dominant(np.array([[0.75]]))
    assert result.frequency.tolist() == [1]
    assert result.runner_up.tolist() == [0]
    assert np.isnan(result.runner_up_fraction).all()


def test_a_wide_layer_is_the_same_as_its_parts(kind: Kind) -> None:
    x = kind.make(np.random.default_rng(0).normal(size=(7, 7, 300)))
    frac, rest = frequency_fractions(x)
    for part in (slice(0, 100), slice(100, 299), slice(299, 300)):
        expected = frequency_fractions(x[:, :, part])
        np.testing.assert_allclose(frac[part], expected.frac, atol=kind.tolerance)
        np.testing.assert_allclose(rest[part], expected.rest, atol=kind.tolerance)


def test_dead_is_beside_the_largest_of_the_whole_layer() -> None:
    x = np.random.default_rng(0).normal(size=(7, 7, 300))
    x[:, :, :299] *= 1e-7
    assert np.isnan(frequency_fractions(x).rest).tolist() == [True] * 299 + [False]


def test_the_input_is_left_alone(kind: Kind) -> None:
    values = np.random.default_rng(0).normal(size=(7, 7, 2))
    x, same = kind.make(values), kind.make(values)
    frequency_fractions(x)
    np.testing.assert_array_equal(x, same)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="equally long, not 3 and 4"):
        frequency_fractions(np.zeros((3, 4, 2)))
    with pytest.raises(ValueError, match="must differ"):
        frequency_fractions(np.zeros((3, 3, 2)), axes=(0, -3))
    with pytest.raises(ValueError, match="no neurons"):
        frequency_fractions(np.zeros((3, 3, 0)))
    with pytest.raises(ValueError, match="at least 2 elements"):
        frequency_fractions(np.zeros((1, 1, 2)))
