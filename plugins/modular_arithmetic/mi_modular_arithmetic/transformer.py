"""A transformer of any depth, with or without LayerNorm, as a pure function of its weights.

The same as the hooked model, position by position, but that its last layer asks at '=' alone: nothing else is
answered. No biases but LayerNorm's; attention is causal.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from mi_modular_arithmetic.design import Design
from mi_modular_arithmetic.one_layer import pair_logits
from mi_modular_arithmetic.weights import Weights

EPSILON = 1e-5  # under LayerNorm's square root; TransformerLens' own
# In place where that changes nothing but time: of what a product has just made, nobody else knows.
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu_,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


def quick_logits(weights: Weights, a: torch.Tensor, b: torch.Tensor, design: Design) -> torch.Tensor:
    """Logits at '=' of the inputs (a, b, '='), by the factorized pass wherever that is exact.

    Args:
        weights: as in :func:`.weights.shapes`.
        a, b: int64, (rows,).
        design: of the model.

    Returns:
        (rows, n)
    """
    if design.factorizes:
        return pair_logits(weights, a, b, ACTIVATIONS[design.activation])
    tokens = torch.stack([a, b, torch.full_like(a, design.group.size)], dim=1)
    return last_logits(weights, tokens, design)


def last_logits(weights: Weights, tokens: torch.Tensor, design: Design) -> torch.Tensor:
    """Logits at the last position, differentiable.

    Args:
        weights: as in :func:`.weights.shapes`.
        tokens: int64, (rows, 3).
        design: of the model.

    Returns:
        (rows, n)
    """
    x = F.embedding(tokens, weights["W_E"]) + weights["W_pos"]  # (rows, 3, d)
    for layer in range(design.n_layers):
        prefix = design.prefix(layer)
        block = {
            name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)
        }
        x = _block(block, x, design, last=layer == design.n_layers - 1)
    return _norm(weights, "ln_final", x[:, -1], design) @ weights["W_U"]


def _block(W: Weights, x: torch.Tensor, design: Design, *, last: bool) -> torch.Tensor:
    """The residual stream (rows, q, d) behind a block, at all positions of x (rows, 3, d) or at the last."""
    asking = x[:, -1:] if last else x  # (rows, q, d)
    y = _norm(W, "ln1", x, design)
    q = torch.einsum("rqd,hdk->rhqk", y[:, -1:] if last else y, W["W_Q"])
    k, v = (torch.einsum("rjd,hdk->rhjk", y, W[name]) for name in ("W_K", "W_V"))
    scores = q @ k.transpose(-1, -2) / math.sqrt(design.d_head)  # (rows, h, q, 3)
    if not last:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
        scores = scores.masked_fill(ahead, float("-inf"))
    z = scores.softmax(dim=-1) @ v  # (rows, h, q, k)
    mid = asking + torch.einsum("rhqk,hkd->rqd", z, W["W_O"])
    post = ACTIVATIONS[design.activation](_norm(W, "ln2", mid, design) @ W["W_in"])
    return mid + post @ W["W_out"]


def _norm(W: Weights, name: str, x: torch.Tensor, design: Design) -> torch.Tensor:
    if not design.layer_norm:
        return x
    return F.layer_norm(x, (design.d_model,), W[f"{name}.w"], W[f"{name}.b"], eps=EPSILON)
