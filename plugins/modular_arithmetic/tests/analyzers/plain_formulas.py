"""The formulas written out in plain numpy, sharing nothing with the analyzers or the Fourier library."""

import numpy as np

Real = np.ndarray


def centred(logits: Real) -> Real:
    return logits - logits.mean(axis=-1, keepdims=True)


def class_means(L: Real, labels: Real, p: int) -> Real:
    return np.array([L[labels == s].mean(axis=0) for s in range(p)])


def epsilon(k: int, p: int) -> int:
    return 1 if 2 * k == p else 2


def component(M: Real, k: int) -> Real:
    """r_k[s, c], by complex exponentials."""
    p = len(M)
    wave = np.exp(2j * np.pi * k * np.arange(p) / p)
    coefficient = (wave.conj()[:, None] * M).sum(axis=0) * epsilon(k, p) / p
    return np.real(wave[:, None] * coefficient)


def trig_coefficient(M: Real, k: int) -> float:
    p = len(M)
    return sum(
        epsilon(k, p) / p**2 * M[(c + d) % p, c] * np.cos(2 * np.pi * k * d / p)
        for d in range(p)
        for c in range(p)
    )


def explained(L: Real, k: int) -> float:
    """Share of Σ L² that the projection of L (p², p) on cos(w_k (a + b - c)) holds."""
    p = L.shape[1]
    a, b, c = np.ogrid[:p, :p, :p]
    wave = np.cos(2 * np.pi * k * (a + b - c) / p).reshape(p * p, p)
    return np.sum(L * wave) ** 2 / np.sum(wave**2) / np.sum(L**2)


def cross_entropy(logits: Real, labels: Real) -> float:
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float(np.mean(total - logits[np.arange(len(labels)), labels]))


def fractions(post: Real, p: int) -> Real:
    """Shares of frequency (neurons, p//2) of activations (p², neurons), cell by cell of an FFT."""
    from handmade_networks import cells

    found = []
    for x in post.T:
        x = x.reshape(p, p)
        power = np.abs(np.fft.fft2(x - x.mean())) ** 2
        found.append([sum(power[c] for c in cells(k, p)) / power.sum() for k in range(1, p // 2 + 1)])
    return np.array(found)


def share(x: Real) -> Real:
    """Energy shares (n//2,) of the rows of x (n, m) over n, by FFT; the constant left out."""
    n = len(x)
    power = (np.abs(np.fft.fft(x, axis=0)) ** 2).sum(axis=1)
    energy = np.array([power[k] + (power[n - k] if 2 * k != n else 0) for k in range(1, n // 2 + 1)])
    return energy / energy.sum()


def gini(x: Real) -> float:
    return float(np.abs(x[:, None] - x[None, :]).mean() / (2 * x.mean()))
