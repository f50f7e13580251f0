import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mi_fourier_library import (
    amplitude_phase,
    from_basis,
    normalization,
    real_basis,
    split_waves,
    to_basis,
    waves,
)

Real = NDArray[np.float64]
signals = st.integers(2, 16).flatmap(
    lambda n: arrays(np.float64, (3, n), elements=st.floats(-100, 100, allow_subnormal=False))
)


@given(signals)
def test_parseval_and_inverse(x: Real) -> None:
    coefficients = to_basis(x)
    np.testing.assert_allclose((coefficients**2).sum(-1), (x**2).sum(-1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(from_basis(coefficients), x, atol=1e-10)


@given(signals)
def test_waves_and_mean_give_the_signal_back(x: Real) -> None:
    n = x.shape[-1]
    cosine, sine = waves(x)
    amplitude, phase = amplitude_phase(x)
    back = np.broadcast_to(x.mean(-1, keepdims=True), x.shape).copy()
    again = back.copy()
    for k in range(1, n // 2 + 1):
        angle = 2 * np.pi * k * np.arange(n) / n
        back += cosine[:, k - 1, None] * np.cos(angle) + sine[:, k - 1, None] * np.sin(angle)
        again += amplitude[:, k - 1, None] * np.cos(angle - phase[:, k - 1, None])
    np.testing.assert_allclose(back, x, atol=1e-10)
    np.testing.assert_allclose(again, x, atol=1e-10)


@pytest.mark.parametrize("n", [7, 12])
def test_amplitude_and_phase_of_a_known_wave(n: int, kind: Kind) -> None:
    k = 2
    x = kind.make(3 + 1.5 * np.cos(2 * np.pi * k * np.arange(n) / n - 0.7))
    amplitude, phase = amplitude_phase(x)
    expected = np.zeros(n // 2)
    expected[k - 1] = 1.5
    np.testing.assert_allclose(amplitude, expected, atol=kind.tolerance)
    assert float(phase[k - 1]) == pytest.approx(0.7, abs=kind.tolerance)


def test_phase_at_half_of_an_even_n_is_0_or_pi() -> None:
    alternating = np.array([1.0, -1.0] * 6)
    for sign, expected in ((1, 0.0), (-1, np.pi)):
        amplitude, phase = amplitude_phase(sign * 2 * alternating)
        assert amplitude[5] == pytest.approx(2)
        assert phase[5] == pytest.approx(expected)


@given(st.integers(3, 16), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_shift_adds_to_the_phases(n: int, shift: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    amplitude, phase = amplitude_phase(x)
    shifted_amplitude, shifted_phase = amplitude_phase(np.roll(x, shift))
    np.testing.assert_allclose(shifted_amplitude, amplitude, atol=1e-10)
    turn = np.exp(1j * (phase + 2 * np.pi * np.arange(1, n // 2 + 1) * shift / n))
    # Weighted by the amplitude: where there is none, the phase means nothing.
    np.testing.assert_allclose(amplitude * np.exp(1j * shifted_phase), amplitude * turn, atol=1e-10)


def test_any_axis_by_number_or_name(kind: Kind) -> None:
    values = np.random.default_rng(0).normal(size=(4, 7, 3))
    x = kind.make(values)
    expected = np.einsum("kn,anb->akb", real_basis(7), values)
    for axis in (1, -2):
        coefficients = to_basis(x, axis)
        assert type(coefficients) is type(x)
        assert coefficients.dtype == kind.dtype
        np.testing.assert_allclose(coefficients, expected, atol=kind.tolerance)
        np.testing.assert_allclose(from_basis(coefficients, axis), values, atol=kind.tolerance)
    assert tuple(amplitude_phase(x, 1).phase.shape) == (4, 3, 3)


def test_an_axis_by_name() -> None:
    xarray = pytest.importorskip("xarray")
    values = np.random.default_rng(0).normal(size=(7, 3))
    x = xarray.DataArray(values, dims=("number", "unit"))
    np.testing.assert_array_equal(to_basis(x, "number"), to_basis(values, 0))
    np.testing.assert_array_equal(
        amplitude_phase(x, "number").phase, amplitude_phase(values, 0).phase
    )
    with pytest.raises(ValueError, match="no axis is named 'letter'"):
        to_basis(x, "letter")


def test_split_waves_pads_the_missing_sine() -> None:
    cosine, sine = split_waves(np.arange(4.0))
    assert cosine.tolist() == [1, 3]
    assert sine.tolist() == [2, 0]
    assert normalization(4).tolist() == [2, 1]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="axis 2 does not exist in the shape"):
        to_basis(np.zeros((3, 3)), 2)
    with pytest.raises(ValueError, match="no axis is named 'number'"):
        to_basis(np.zeros((3, 3)), "number")
    with pytest.raises(ValueError, match="real floating-point numbers, not of int64"):
        to_basis(np.zeros(3, dtype=np.int64))
    with pytest.raises(ValueError, match="real floating-point numbers, not of complex128"):
        from_basis(np.zeros(3, dtype=np.complex128))
    with pytest.raises(ValueError, match="at least 2 elements"):
        to_basis(np.zeros((3, 1)))
