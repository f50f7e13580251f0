"""Networks built by hand, whose answers are known.

A neuron of frequency k and phase φ reads cos(w_k a + φ) + cos(w_k b + φ) and writes its activation on answer
c with the weight A_k cos(w_k c + 2φ). Attention is uniform: queries are zero, so '=' sees a third of each
token, and W_O makes up for it. Input and output channels of the residual stream are kept apart.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch

Real = np.ndarray

# Frequencies and amplitudes: prime, even and composite moduli; mod 12, 3 doubles to 6 = p/2 and 4 to itself.
NETWORKS: dict[int, dict[int, float]] = {
    7: {1: 1.0, 3: 0.5},
    12: {1: 0.5, 3: 0.7, 4: 1.3},
    59: {5: 0.5, 17: 0.4, 26: 0.3},
}
PHASES = 16
HEADS = 2


def square(z: Real) -> Real:
    return z * z


def relu(z: Real) -> Real:
    return np.maximum(z, 0)


def weights(p: int, amplitudes: Mapping[int, float], phases: int = PHASES) -> dict[str, torch.Tensor]:
    """Weights of the one-layer transformer, float64, d_model = 4 frequencies, d_head half of that."""
    count = len(amplitudes)
    d = 4 * count
    tokens = np.arange(p)
    W_E, W_U = np.zeros((p + 1, d)), np.zeros((d, p))
    W_in, W_out = np.zeros((d, count * phases)), np.zeros((count * phases, d))
    phi = 2 * np.pi * np.arange(phases) / phases
    for i, (k, amplitude) in enumerate(amplitudes.items()):
        cosine, sine = 2 * i, 2 * i + 1
        write_cosine, write_sine = 2 * count + cosine, 2 * count + sine
        mine = slice(i * phases, (i + 1) * phases)
        w = 2 * np.pi * k / p
        W_E[:p, cosine], W_E[:p, sine] = np.cos(w * tokens), np.sin(w * tokens)
        W_in[cosine, mine], W_in[sine, mine] = np.cos(phi), -np.sin(phi)
        W_out[mine, write_cosine], W_out[mine, write_sine] = np.cos(2 * phi), -np.sin(2 * phi)
        W_U[write_cosine], W_U[write_sine] = amplitude * np.cos(w * tokens), amplitude * np.sin(w * tokens)
    W_V, W_O = np.zeros((HEADS, d, d // HEADS)), np.zeros((HEADS, d // HEADS, d))
    for h in range(HEADS):
        for i in range(d // HEADS):
            W_V[h, h * (d // HEADS) + i, i] = 1
            W_O[h, i, h * (d // HEADS) + i] = 3
    zero = np.zeros((HEADS, d, d // HEADS))
    arrays = {
        "W_E": W_E,
        "W_pos": np.zeros((3, d)),
        "W_Q": zero,
        "W_K": zero,
        "W_V": W_V,
        "W_O": W_O,
        "W_in": W_in,
        "W_out": W_out,
        "W_U": W_U,
    }
    return {name: torch.as_tensor(array) for name, array in arrays.items()}


def relabelled(W: Mapping[str, torch.Tensor], elements: Real) -> dict[str, torch.Tensor]:
    """The same network with the i-th number, as token and as answer, called ``elements[i]``."""
    found = {name: tensor.clone() for name, tensor in W.items()}
    found["W_E"][elements] = W["W_E"][:-1]
    found["W_U"][:, elements] = W["W_U"]
    return found


def activations(
    W: Mapping[str, torch.Tensor],
    activation: Callable[[Real], Real] = square,
    elements: Real | None = None,
) -> dict[str, torch.Tensor]:
    """Sites at '=' over the complete grid, from a literal forward pass in float64.

    Tokens of both operands run in the order of ``elements``, or from 0.
    """
    w = {name: tensor.numpy() for name, tensor in W.items()}
    p = len(w["W_E"]) - 1
    heads, _, d_head = w["W_Q"].shape
    order = np.arange(p) if elements is None else elements
    a, b = (x.ravel() for x in np.meshgrid(order, order, indexing="ij"))
    x = w["W_E"][np.stack([a, b, np.full(p * p, p)], axis=1)] + w["W_pos"]  # (rows, 3, d)
    mid = x[:, 2].copy()
    pattern, z = np.zeros((p * p, heads, 3)), np.zeros((p * p, heads, d_head))
    for h in range(heads):
        score = np.sum((x @ w["W_K"][h]) * (x[:, 2:] @ w["W_Q"][h]), axis=2) / np.sqrt(d_head)
        pattern[:, h] = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        z[:, h] = np.sum(pattern[:, h, :, None] * (x @ w["W_V"][h]), axis=1)
        mid += z[:, h] @ w["W_O"][h]
    post = activation(mid @ w["W_in"])
    end = mid + post @ w["W_out"]
    logits = end @ w["W_U"]
    return {
        "blocks.0.hook_resid_pre@-1": torch.as_tensor(x[:, 2]),
        "blocks.0.hook_attn_out@-1": torch.as_tensor(mid - x[:, 2]),
        "blocks.0.hook_resid_post@-1": torch.as_tensor(end),
        "blocks.0.attn.hook_pattern@-1": torch.as_tensor(pattern),
        "blocks.0.attn.hook_z@-1": torch.as_tensor(z),
        "blocks.0.mlp.hook_pre@-1": torch.as_tensor(mid @ w["W_in"]),
        "blocks.0.mlp.hook_post@-1": torch.as_tensor(post),
        "unembed.hook_out@-1": torch.as_tensor(logits),
    }


def relu_fraction(p: int, k: int, phase: float, terms: int = 20_000) -> Real:
    """Energy shares (p//2,) of a ReLU neuron from a series, not from its activations.

    z = 2 cos U cos V, U = w (a + b)/2 + φ, V = w (a - b)/2, so ReLU(z) = z/2 + |cos U| |cos V|, and |cos x| =
    Σ_m h_m e^{2imx} with h_m = (2/π) (-1)^(m+1) / (4m² - 1). Modulo p the harmonics fold onto each other;
    those beyond ``terms`` sum to less than 1/(2π terms).
    """
    m = np.arange(-terms, terms + 1)
    h = 2 / np.pi * np.where(m % 2, 1, -1) / (4.0 * m**2 - 1)
    plus, minus = np.zeros(p, complex), np.zeros(p, complex)
    np.add.at(plus, m * k % p, h * np.exp(2j * m * phase))
    np.add.at(minus, m * k % p, h)
    X = np.zeros((p, p), complex)
    for f in range(p):
        for g in range(p):
            X[(f + g) % p, (f - g) % p] += plus[f] * minus[g]
    for sign in (1, -1):
        X[sign * k % p, 0] += np.exp(1j * sign * phase) / 4
        X[0, sign * k % p] += np.exp(1j * sign * phase) / 4
    X[0, 0] = 0
    power = np.abs(X) ** 2
    shares = [sum(power[cell] for cell in cells(j, p)) for j in range(1, p // 2 + 1)]
    return np.array(shares) / power.sum()


def cells(k: int, p: int) -> set[tuple[int, int]]:
    """The set of cells of the two-dimensional transform that belong to frequency k."""
    pairs = ((k, 0), (0, k), (k, k), (k, -k))
    return {(sign * i % p, sign * j % p) for sign in (1, -1) for i, j in pairs}
