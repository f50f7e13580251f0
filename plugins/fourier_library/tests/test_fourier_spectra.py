import fourier_reference as reference
import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mi_fourier_library import energy, energy_share, gini

Real = NDArray[np.float64]
# Rounded, because the squares of numbers below 1e-154 are 0.
numbers = st.floats(-100, 100).map(lambda x: round(x, 9))
signals = st.integers(2, 16).flatmap(lambda n: arrays(np.float64, (3, n), elements=numbers))


@given(signals)
def test_energies_and_the_constant_hold_everything(x: Real) -> None:
    constant = x.shape[-1] * x.mean(-1) ** 2
    per_vector = energy(x, keep_other_axes=True)
    np.testing.assert_allclose(per_vector.sum(-1) + constant, (x**2).sum(-1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(energy(x), per_vector.sum(0), rtol=1e-12, atol=1e-12)


@given(signals)
def test_shares_sum_to_1_or_are_missing(x: Real) -> None:
    shares = energy_share(x, keep_other_axes=True)
    for signal, share in zip(x, shares, strict=True):
        if np.isnan(share).any():
            assert np.isnan(share).all()
            assert np.ptp(signal) <= 1e-12 * np.abs(signal).max()
        else:
            assert share.sum() == pytest.approx(1)
            assert (share >= 0).all()


@pytest.mark.parametrize("n", [7, 12])
def test_energy_agrees_with_the_formula(n: int, kind: Kind) -> None:
    values = np.random.default_rng(n).normal(size=(n, 5))
    expected = np.stack([reference.energy(column) for column in values.T], axis=1)  # (k, 5)
    x = kind.make(values)
    for result, wanted in (
        (energy(x, 0, keep_other_axes=True), expected),
        (energy(x, 0), expected.sum(1)),
        (energy_share(x, 0, keep_other_axes=True), expected / expected.sum(0)),
        (energy_share(x, 0), expected.sum(1) / expected.sum()),
        (energy(x[:, 0]), expected[:, 0]),
        (energy_share(x[:, 0]), expected[:, 0] / expected[:, 0].sum()),
    ):
        assert type(result) is type(x)
        assert result.dtype == kind.dtype
        np.testing.assert_allclose(result, wanted, rtol=kind.tolerance)


def test_a_signal_that_does_not_vary_has_no_shares(kind: Kind) -> None:
    constant = kind.make(np.stack([np.zeros(11), np.full(11, 0.1), np.full(11, 1e6)]))
    assert np.isnan(np.asarray(energy_share(constant, keep_other_axes=True))).all()
    assert np.isnan(np.asarray(energy_share(constant))).all()
    mixed = kind.make(np.stack([np.zeros(11), np.cos(2 * np.pi * 3 * np.arange(11) / 11)]))
    shares = np.asarray(energy_share(mixed, keep_other_axes=True))
    assert np.isnan(shares[0]).all()
    np.testing.assert_allclose(shares[1], [0, 0, 1, 0, 0], atol=kind.tolerance)


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0.01, 100)))
def test_gini_is_the_mean_difference_of_pairs(x: Real) -> None:
    assert gini(x) == pytest.approx(reference.gini(x), abs=1e-9)


def test_gini_of_known_spectra(kind: Kind) -> None:
    spectra = kind.make([[1, 1, 1, 1], [0, 0, 5, 0], [1, 3, 0, 0], [0, 0, 0, 0]])
    result = gini(spectra)
    assert type(result) is type(spectra)
    assert result.dtype == kind.dtype
    np.testing.assert_allclose(result, [0, 0.75, 0.625, np.nan], atol=kind.tolerance)


def test_gini_refuses_negative_values() -> None:
    with pytest.raises(ValueError, match="at least 0 only"):
        gini(np.array([1.0, -1.0]))
