"""The transformer as a resident TransformerBridge, and weights swapped into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mi_modular_arithmetic.design import Design

if TYPE_CHECKING:
    import torch


def build_bridge(design: Design, device: str) -> Any:
    """A native ``TransformerBridge`` in evaluation mode; weights are whatever memory holds."""
    import torch
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    from mi_modular_arithmetic.transformer import EPSILON

    config = TransformerBridgeConfig(
        d_model=design.d_model,
        d_head=design.d_head,
        n_heads=design.n_heads,
        n_layers=design.n_layers,
        n_ctx=3,
        d_vocab=design.group.size + 1,
        d_vocab_out=design.group.size,
        d_mlp=design.d_mlp,
        act_fn=design.activation,
        normalization_type="LN" if design.layer_norm else None,
        eps=EPSILON,
        init_weights=False,
    )
    # torch's layers draw weights that nobody reads, from the process's generator.
    with torch.random.fork_rng(devices=[]):
        return TransformerBridge.boot_native(config, device=device).eval()


def bridge_state(weights: Mapping[str, torch.Tensor], design: Design) -> dict[str, torch.Tensor]:
    """The native model's state dict: linear layers hold (out, in), heads are stacked in rows.

    Biases of linear layers are zero; ``unembed.bias`` is a buffer, not a parameter, yet added to logits: it
    is given too.
    """
    linear = {"unembed": weights["W_U"].T}
    norms = {"ln_final": "ln_final"} if design.layer_norm else {}
    for layer in range(design.n_layers):
        block, prefix = f"blocks.{layer}.", design.prefix(layer)
        for letter in "qkv":
            matrix = weights[f"{prefix}W_{letter.upper()}"]  # (h, d, k)
            linear[f"{block}attn.{letter}"] = matrix.transpose(1, 2).flatten(0, 1)  # (h*k, d)
        linear[f"{block}attn.o"] = weights[f"{prefix}W_O"].flatten(0, 1).T  # (d, h*k)
        linear[f"{block}mlp.in"] = weights[f"{prefix}W_in"].T
        linear[f"{block}mlp.out"] = weights[f"{prefix}W_out"].T
        if design.layer_norm:
            norms |= {f"{block}{name}": f"{prefix}{name}" for name in ("ln1", "ln2")}
    state = {"embed.weight": weights["W_E"], "pos_embed.weight": weights["W_pos"]}
    for name, matrix in linear.items():
        state |= {f"{name}.weight": matrix, f"{name}.bias": matrix.new_zeros(matrix.shape[0])}
    for name, ours in norms.items():
        state |= {f"{name}.weight": weights[f"{ours}.w"], f"{name}.bias": weights[f"{ours}.b"]}
    return state
