"""Networks built by hand, whose spectra are known.

A neuron of frequency k and phase φ sees z = cos(w_k a + φ) + cos(w_k b + φ) and writes its
activation on answer c with the weight cos(w_k c + 2φ) times the amplitude of k. With uniform
phases φ = 2πj/count, the sum over phases keeps cos(w_k (a + b - c)) and little else.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

# Frequencies and amplitudes for even, odd, prime and composite n. Modulo 12: 3 doubles to 6,
# which is n/2; 4 doubles to itself; 6 has no sine.
NETWORKS: dict[int, dict[int, float]] = {
    7: {1: 1.0, 3: 0.5},
    12: {1: 1.0, 3: 0.7, 4: 1.3, 6: 0.6},
    59: {5: 1.0, 17: 0.8, 26: 0.6},
    113: {4: 1.0, 14: 0.9, 35: 0.8, 41: 0.7, 52: 1.2},
}


def uniform_phases(count: int) -> Real:
    return 2 * np.pi * np.arange(count) / count


def embedding(n: int, amplitudes: Mapping[int, float]) -> Real:
    """Columns A_k cos(w_k j), A_k sin(w_k j): (n, 2·frequencies)."""
    angle = [2 * np.pi * k * np.arange(n) / n for k in amplitudes]
    return np.stack(
        [
            a * f(x)
            for a, x in zip(amplitudes.values(), angle, strict=True)
            for f in (np.cos, np.sin)
        ],
        axis=1,
    )


def neurons(n: int, k: int, phases: Real, activation: Callable[[Real], Real]) -> Real:
    """Activations over the grid, (n, n, phases)."""
    wave = np.cos(2 * np.pi * k * np.arange(n)[:, None] / n + phases)  # (n, phases)
    return activation(wave[:, None, :] + wave[None, :, :])


def readout(n: int, k: int, phases: Real) -> Real:
    """Weights on the answers, (phases, n)."""
    return np.asarray(np.cos(2 * np.pi * k * np.arange(n) / n + 2 * phases[:, None]))


def logits(
    n: int, amplitudes: Mapping[int, float], phases: Real, activation: Callable[[Real], Real]
) -> Real:
    """The network's answer over the complete grid, (n, n, n)."""
    return sum(
        (
            amplitude * neurons(n, k, phases, activation) @ readout(n, k, phases)
            for k, amplitude in amplitudes.items()
        ),
        np.zeros((n, n, n)),
    )


def relu(z: Real) -> Real:
    return np.maximum(z, 0)


def relu_spectrum(n: int, k: int, phase: float, terms: int = 40_000) -> Real:
    """|X|² / n⁴ of a ReLU neuron, mean taken out, from a series and not from its activations.

    z = 2 cos U cos V with U = w_k (a + b)/2 + φ, V = w_k (a - b)/2, so that
    ReLU(z) = z/2 + |cos U| |cos V|, and |cos x| = Σ_m h_m e^{2imx} with
    h_m = (2/π) (-1)^{m+1} / (4m² - 1). Modulo n the harmonics m fold onto each other. Those
    beyond `terms` sum to less than 1/(2π terms), so that fractions are good to 1e-5.
    """
    m = np.arange(-terms, terms + 1)
    h = 2 / np.pi * np.where(m % 2, 1, -1) / (4.0 * m**2 - 1)
    of_sum = np.zeros(n, dtype=complex)  # e^{2πi f (a + b)/n}
    of_difference = np.zeros(n, dtype=complex)  # e^{2πi f (a - b)/n}
    np.add.at(of_sum, m * k % n, h * np.exp(2j * m * phase))
    np.add.at(of_difference, m * k % n, h)
    spectrum = np.zeros((n, n), dtype=complex)
    f, g = np.arange(n)[:, None], np.arange(n)[None, :]
    np.add.at(spectrum, ((f + g) % n, (f - g) % n), of_sum[:, None] * of_difference[None, :])
    for sign in (1, -1):
        spectrum[sign * k % n, 0] += np.exp(1j * sign * phase) / 4
        spectrum[0, sign * k % n] += np.exp(1j * sign * phase) / 4
    spectrum[0, 0] = 0
    return np.asarray(np.abs(spectrum) ** 2)
