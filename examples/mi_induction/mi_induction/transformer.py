"""The two-layer attention-only transformer as a pure function of its weights.

Pre-norm residual blocks of attention alone; learned positions; untied embedding; no biases but LayerNorm's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

LAYERS = 2
EPSILON = 1e-5  # of LayerNorm


def shapes(parameters: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights, in the order in which they are drawn and stored.

    BOS has a row in `W_E` and a column in `W_U`, so that both speak of the same tokens; it is never a target.
    `ln_w` and `ln_b` are there with LayerNorm alone: one row a layer, the last for the final one.
    """
    d, h, k = parameters["d_model"], parameters["n_heads"], parameters["d_head"]
    tokens = parameters["vocabulary"] + 1
    found = {
        "W_E": (tokens, d),
        "W_pos": (parameters["context"], d),
        "W_Q": (LAYERS, h, d, k),
        "W_K": (LAYERS, h, d, k),
        "W_V": (LAYERS, h, d, k),
        "W_O": (LAYERS, h, k, d),
        "W_U": (d, tokens),
    }
    if parameters["normalization"] == "layernorm":
        found |= {"ln_w": (LAYERS + 1, d), "ln_b": (LAYERS + 1, d)}
    return found


def initialize(parameters: Mapping[str, Any], device: str) -> dict[str, torch.Tensor]:
    """Weights drawn from N(0, 1/fan-in) with the parameter `seed`, the same on every device.

    Embeddings count d_model as their fan-in, `W_O` all heads together.
    """
    generator = torch.Generator().manual_seed(parameters["seed"])
    d, inner = parameters["d_model"], parameters["n_heads"] * parameters["d_head"]
    weights = {}
    for name, shape in shapes(parameters).items():
        if name in ("ln_w", "ln_b"):
            weights[name] = torch.full(shape, float(name == "ln_w"))
        else:
            scale = 1 / math.sqrt(inner if name == "W_O" else d)
            weights[name] = scale * torch.randn(shape, generator=generator)
    return {name: tensor.to(device) for name, tensor in weights.items()}


def logits(weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """Logits at every position.

    Args:
        weights: as in :func:`shapes`.
        tokens: int64, (rows, n), n at most the context.

    Returns:
        (rows, n, tokens)
    """
    x = F.embedding(tokens, weights["W_E"]) + weights["W_pos"][: tokens.shape[1]]  # (rows, n, d)
    for layer in range(LAYERS):
        y = _normalized(weights, x, layer)
        q, k, v = (_by_head(y, weights[name][layer]) for name in ("W_Q", "W_K", "W_V"))  # (rows, h, n, k)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # scores / sqrt(d_head); (rows, h, n, k)
        x = x + z.transpose(1, 2).flatten(2) @ weights["W_O"][layer].flatten(0, 1)
    return _normalized(weights, x, LAYERS) @ weights["W_U"]


def _by_head(y: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """(rows, n, d) by (h, d, k), as one matrix product of all heads: several times faster than one a head."""
    heads, _, width = matrix.shape
    return (y @ matrix.transpose(0, 1).flatten(1)).view(*y.shape[:2], heads, width).transpose(1, 2)


def _normalized(weights: Mapping[str, torch.Tensor], x: torch.Tensor, place: int) -> torch.Tensor:
    if "ln_w" not in weights:
        return x
    return F.layer_norm(x, x.shape[-1:], weights["ln_w"][place], weights["ln_b"][place], EPSILON)
