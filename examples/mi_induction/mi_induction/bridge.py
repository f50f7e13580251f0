"""The transformer as a resident TransformerBridge, and weights swapped into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from mi import MiError
from mi_induction.transformer import EPSILON, LAYERS, shapes


def build_bridge(parameters: Mapping[str, Any], device: str) -> Any:
    """A native bridge in evaluation mode; its weights are whatever memory holds.

    Its `hook_attn_scores` shows the pattern, as in every native bridge of TransformerLens 4.3: recompute
    scores from `hook_q` and `hook_k`.
    """
    tokens = parameters["vocabulary"] + 1
    config = TransformerBridgeConfig(
        d_model=parameters["d_model"],
        d_head=parameters["d_head"],
        n_heads=parameters["n_heads"],
        n_layers=LAYERS,
        n_ctx=parameters["context"],
        d_vocab=tokens,
        d_vocab_out=tokens,
        attn_only=True,
        act_fn="relu",  # read by no block, asked for all the same
        normalization_type="LN" if parameters["normalization"] == "layernorm" else None,
        eps=EPSILON,
        init_weights=False,
    )
    # torch's layers draw weights that nobody reads, from the process's generator.
    with torch.random.fork_rng(devices=[]):
        return TransformerBridge.boot_native(config, device=device).eval()


def load(parameters: Mapping[str, Any], model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Swap weights into the bridge in place.

    Raises:
        MiError: a tensor is missing, unknown or of another shape.
    """
    expected = shapes(parameters)
    for name in sorted({*expected, *weights}):
        found = tuple(weights[name].shape) if name in weights else None
        if found != expected.get(name):
            raise MiError(f"tensor {name} has shape {found}, expected {expected.get(name)}")
    model.load_state_dict(_state(weights), strict=True)


def _state(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The native model's state dict: linear layers hold (out, in), heads are stacked in rows.

    Its linear layers have biases that ours lack: zero. `unembed.bias` is a buffer, yet added to the logits.
    """
    state = {
        "embed.weight": weights["W_E"],
        "pos_embed.weight": weights["W_pos"],
        "unembed.weight": weights["W_U"].T,
        "unembed.bias": weights["W_U"].new_zeros(weights["W_U"].shape[1]),
    }
    for layer in range(LAYERS):
        block = f"blocks.{layer}."
        for letter in "qkv":
            matrix = weights[f"W_{letter.upper()}"][layer]  # (h, d, k)
            state[f"{block}attn.{letter}.weight"] = matrix.transpose(1, 2).flatten(0, 1)  # (h*k, d)
            state[f"{block}attn.{letter}.bias"] = matrix.new_zeros(matrix.shape[0] * matrix.shape[2])
        out = weights["W_O"][layer].flatten(0, 1).T  # (d, h*k)
        state[f"{block}attn.o.weight"] = out
        state[f"{block}attn.o.bias"] = out.new_zeros(out.shape[0])
    if "ln_w" in weights:
        for place, name in enumerate([*(f"blocks.{i}.ln1" for i in range(LAYERS)), "ln_final"]):
            state[f"{name}.weight"], state[f"{name}.bias"] = weights["ln_w"][place], weights["ln_b"][place]
    return state
