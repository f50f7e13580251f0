"""Golden values, worked out on paper, for networks built by hand.

Exact network, activation z²: z² = 1 + cos(2wa + 2φ)/2 + cos(2wb + 2φ)/2 + cos(w(a + b) + 2φ)
+ cos(w(a - b)). The waves in a + b and a - b are of frequency k, each of variance 1/2; the
other two are of frequency 2k, each of variance 1/8: 0.8 and 0.2 of all. The sum over phases
gives the logits cos(w(a + b - c)) (1 + cos(w(a - b))) times count/2: the class means are pure,
the rest within a class is a third of the variance.
"""

from collections.abc import Mapping

import numpy as np
import pytest
from fourier_kinds import Kind
from fourier_networks import (
    NETWORKS,
    embedding,
    logits,
    neurons,
    relu,
    relu_spectrum,
    uniform_phases,
)
from fourier_reference import cells
from numpy.typing import NDArray

from mi_fourier_library import (
    choose_key_frequencies,
    class_mean,
    component,
    dominant,
    energy_share,
    fraction_of_variance,
    frequency_fractions,
    gini,
    trig_coefficients,
)

Real = NDArray[np.float64]
networks = pytest.mark.parametrize(("n", "amplitudes"), NETWORKS.items(), ids=map(str, NETWORKS))
PHASES = 5


def on_frequencies(n: int, values: Mapping[int, float]) -> Real:
    spectrum = np.zeros(n // 2)
    for k, value in values.items():
        spectrum[k - 1] = value
    return spectrum


def square_fractions(n: int, k: int, phase: float) -> dict[int, float]:
    """Fractions of a neuron z², by the formula at the top of this file."""
    double = min(2 * k % n, -2 * k % n)
    if double in (0, k):  # 2k is no frequency, or is k itself
        return {k: 1.0}
    if 2 * double == n:  # a cosine at n/2 sees only the cosine of the phase, twice as strongly
        strength = 2 * np.cos(2 * phase) ** 2 / 4
        return {k: 1 / (1 + strength), double: strength / (1 + strength)}
    return {k: 0.8, double: 0.2}


def class_means(values: Real) -> Real:
    n = len(values)
    sums = np.add.outer(np.arange(n), np.arange(n)).ravel() % n
    return np.asarray(class_mean(values.reshape(n * n, n), sums, n))


@networks
def test_exact_neurons(n: int, amplitudes: dict[int, float], kind: Kind) -> None:
    phases = uniform_phases(PHASES)
    for k in amplitudes:
        frac, rest = frequency_fractions(kind.make(neurons(n, k, phases, np.square)))
        expected = [on_frequencies(n, square_fractions(n, k, phase)) for phase in phases]
        np.testing.assert_allclose(frac, expected, atol=kind.tolerance)
        np.testing.assert_allclose(rest, 0, atol=kind.tolerance)
        assert dominant(frac).frequency.tolist() == [k] * PHASES


def test_neurons_that_never_fire_at_half_of_an_even_n() -> None:
    # cos(πa + φ) is 0 everywhere at φ = ±π/2, the third and the seventh of eight phases.
    frac, _ = frequency_fractions(neurons(12, 6, uniform_phases(8), np.square))
    assert dominant(frac).frequency.tolist() == [6, 6, 0, 6, 6, 6, 0, 6]


@networks
def test_exact_embedding(n: int, amplitudes: dict[int, float], kind: Kind) -> None:
    squares = {k: amplitude**2 for k, amplitude in amplitudes.items()}
    expected = on_frequencies(n, squares) / sum(squares.values())
    shares = energy_share(kind.make(embedding(n, amplitudes)), axis=0)
    np.testing.assert_allclose(shares, expected, atol=kind.tolerance)
    assert float(gini(shares)) == pytest.approx(float(gini(expected)), abs=kind.tolerance)


@networks
def test_exact_logits(n: int, amplitudes: dict[int, float]) -> None:
    values = logits(n, amplitudes, uniform_phases(PHASES), np.square)
    np.testing.assert_allclose(values.mean(-1), 0, atol=1e-9)
    means = class_means(values)
    coefficients = trig_coefficients(means)
    expected = on_frequencies(n, amplitudes) * PHASES / 2
    np.testing.assert_allclose(coefficients, expected, atol=1e-6)

    s, c = np.ogrid[:n, :n]
    for k, r in zip(amplitudes, component(means, list(amplitudes)), strict=True):
        pure = amplitudes[k] * PHASES / 2 * np.cos(2 * np.pi * k * (s - c) / n)
        np.testing.assert_allclose(r, pure, atol=1e-6)

    # cos²·(1 + cos)² has the mean 1/2 · 3/2; at k = n/2 it is (1 + (-1)^s)², of mean 2.
    mean_squares = {k: a**2 * (2 if 2 * k == n else 0.75) for k, a in amplitudes.items()}
    numerators = {k: a**2 / (1 if 2 * k == n else 2) for k, a in amplitudes.items()}
    fve = fraction_of_variance(coefficients, float((values**2).sum()), n)
    np.testing.assert_allclose(
        fve, on_frequencies(n, numerators) / sum(mean_squares.values()), atol=1e-6
    )
    if n != 12:
        assert fve.sum() == pytest.approx(2 / 3)
    assert set(choose_key_frequencies(fve).nonzero()[0] + 1) == set(amplitudes)


@networks
def test_logits_without_a_rest(n: int, amplitudes: dict[int, float]) -> None:
    """z² of a sum minus z² of a difference is a product: the logits are cosines, FVE sums to 1."""
    a, b, c = np.ogrid[:n, :n, :n]
    values = sum(
        amplitude * np.cos(2 * np.pi * k * (a + b - c) / n) for k, amplitude in amplitudes.items()
    )
    assert isinstance(values, np.ndarray)
    fve = fraction_of_variance(trig_coefficients(class_means(values)), float((values**2).sum()), n)
    energies = {k: x**2 / (1 if 2 * k == n else 2) for k, x in amplitudes.items()}
    np.testing.assert_allclose(fve, on_frequencies(n, energies) / sum(energies.values()), atol=1e-6)


@networks
def test_relu_neurons_follow_the_series(n: int, amplitudes: dict[int, float], kind: Kind) -> None:
    phases = uniform_phases(16)
    tolerance = max(kind.tolerance, 1e-5)  # where the series is cut off; see relu_spectrum
    for k in amplitudes:
        if 2 * k == n:
            continue  # some of its neurons never fire: tested above
        frac, rest = frequency_fractions(kind.make(neurons(n, k, phases, relu)))
        for m, phase in enumerate(phases):
            power = relu_spectrum(n, k, phase)
            expected = [
                sum(power[cell] for cell in cells(f, n)) / power.sum() for f in range(1, n // 2 + 1)
            ]
            np.testing.assert_allclose(frac[m], expected, atol=tolerance)
            assert float(rest[m]) == pytest.approx(1 - sum(expected), abs=tolerance)


@pytest.mark.parametrize("n", [59, 113])
def test_a_pure_relu_neuron_is_never_at_1(n: int) -> None:
    # On a continuous circle: (1/4 + (8/3π²)²) / (1/2 - 16/π⁴) = 0.962. Sampled at n points,
    # harmonics of order n fold back; they are of order 1/n².
    limit = (1 / 4 + (8 / (3 * np.pi**2)) ** 2) / (1 / 2 - 16 / np.pi**4)
    assert limit == pytest.approx(0.962, abs=5e-4)
    for k in NETWORKS[n]:
        frac, _ = frequency_fractions(neurons(n, k, uniform_phases(16), relu))
        np.testing.assert_allclose(frac[:, k - 1], limit, atol=10 / n**2)


@pytest.mark.parametrize("n", [59, 113])
def test_relu_logits(n: int) -> None:
    # The sum over phases keeps the harmonic (4/3π) cos 2U |cos V|, and of |cos V| the class mean
    # keeps 2/π: the coefficient 8/3π², and (2/π)² / (1/2) = 8/π² of the variance. Sixteen phases
    # let the harmonics 7 and 9 of cos U through too, 3e-4 of the variance.
    amplitudes = NETWORKS[n]
    values = logits(n, amplitudes, uniform_phases(16), relu)
    coefficients = trig_coefficients(class_means(values))
    expected = on_frequencies(n, amplitudes) * 16 / 2 * 8 / (3 * np.pi**2)
    np.testing.assert_allclose(coefficients, expected, atol=8 * 10 / n**2)
    fve = fraction_of_variance(coefficients, float((values**2).sum()), n)
    assert fve.sum() == pytest.approx(8 / np.pi**2, abs=2e-3)
    assert set(choose_key_frequencies(fve).nonzero()[0] + 1) == set(amplitudes)
