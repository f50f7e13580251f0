"""Tiny real TransformerLens bridges with random weights, and a family's code around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from attrs import frozen
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

SHAPE = {
    "d_model": 8,
    "d_head": 4,
    "n_heads": 2,
    "n_layers": 2,
    "n_ctx": 4,
    "d_vocab": 7,
    "d_vocab_out": 7,
    "d_mlp": 16,
}


def native(**shape: int) -> Any:
    """A native bridge, of ``SHAPE`` but for what is given: 12 ms, and no network."""
    config = TransformerBridgeConfig(
        **{**SHAPE, **shape}, act_fn="relu", normalization_type=None, init_weights=False
    )
    with torch.random.fork_rng(devices=[]):
        model = TransformerBridge.boot_native(config, device="cpu").eval()
    model.load_state_dict(drawn(model, 0), strict=True)
    return model


def drawn(model: Any, seed: int) -> dict[str, torch.Tensor]:
    """Random weights for a model, under the names of its state dict."""
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn(t.shape, generator=generator) / 2 for n, t in model.state_dict().items()}


@frozen
class Code:
    """What a resident model needs of a family's code."""

    build: Callable[[], Any] = native

    def build_model(self, device: str) -> Any:
        return self.build()

    def load_weights(self, model: Any, weights: Any) -> None:
        model.load_state_dict(weights, strict=True)
