"""The tensors of a transformer: names, shapes, initialization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from mi.errors import CheckpointError
from mi_modular_arithmetic.design import Design

Weights = Mapping[str, torch.Tensor]


def shapes(parameters: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights, in the order in which they are initialized and stored.

    Of more than one layer, tensors of layer l are named ``blocks.l.W_Q`` and so on. The last row of ``W_E``
    is that of '='.
    """
    design = Design.read(parameters)
    n, d, m = design.group.size, design.d_model, design.d_mlp
    h, k = design.n_heads, design.d_head
    block: dict[str, tuple[int, ...]] = {"W_Q": (h, d, k), "W_K": (h, d, k), "W_V": (h, d, k)}
    block |= {"W_O": (h, k, d), "W_in": (d, m), "W_out": (m, d)}
    if design.layer_norm:
        block |= {"ln1.w": (d,), "ln1.b": (d,), "ln2.w": (d,), "ln2.b": (d,)}
    found: dict[str, tuple[int, ...]] = {"W_E": (n + 1, d), "W_pos": (3, d)}
    for layer in range(design.n_layers):
        found |= {design.prefix(layer) + name: shape for name, shape in block.items()}
    if design.layer_norm:
        found |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    return {**found, "W_U": (d, n)}


def initialize(parameters: Mapping[str, Any], device: str) -> dict[str, torch.Tensor]:
    """Matrices drawn from N(0, (init_scale / sqrt(d_model))²), the same on every device.

    LayerNorm begins as plain normalization: gain 1, bias 0.
    """
    generator = torch.Generator().manual_seed(int(parameters["seed"]))
    scale = parameters["init_scale"] / math.sqrt(parameters["d_model"])
    found = {}
    for name, shape in shapes(parameters).items():
        if len(shape) == 1:
            tensor = torch.ones(shape) if name.endswith(".w") else torch.zeros(shape)
        else:
            tensor = scale * torch.randn(shape, generator=generator)
        found[name] = tensor.to(device)
    return found


def check_weights(weights: Weights, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse weights that do not fit.

    Raises:
        CheckpointError: names the tensor, its shape and the expected one.
    """
    for name, shape in expected.items():
        if name not in weights:
            raise CheckpointError(f"tensor {name} is missing, expected shape {shape}")
        if tuple(weights[name].shape) != shape:
            raise CheckpointError(f"tensor {name} has shape {tuple(weights[name].shape)}, expected {shape}")
    for name in weights:
        if name not in expected:
            raise CheckpointError(f"tensor {name!r} is unknown, expected {', '.join(expected)}")
