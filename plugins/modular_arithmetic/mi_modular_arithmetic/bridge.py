"""The one-layer transformer as a resident TransformerBridge, and weights swapped into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mi.errors import CheckpointError

if TYPE_CHECKING:
    import torch


def build_bridge(parameters: Mapping[str, Any], device: str) -> Any:
    """A native ``TransformerBridge`` in evaluation mode; weights are whatever memory holds."""
    import torch
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    config = TransformerBridgeConfig(
        d_model=parameters["d_model"],
        d_head=parameters["d_head"],
        n_heads=parameters["n_heads"],
        n_layers=1,
        n_ctx=3,
        d_vocab=parameters["prime"] + 1,
        d_vocab_out=parameters["prime"],
        d_mlp=parameters["d_mlp"],
        act_fn="relu",
        normalization_type=None,
        init_weights=False,
    )
    # torch's layers draw weights that nobody reads, from the process's generator.
    with torch.random.fork_rng(devices=[]):
        return TransformerBridge.boot_native(config, device=device).eval()


def check_weights(weights: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
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


def bridge_state(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The native model's state dict: linear layers hold (out, in), heads are stacked in rows.

    Biases are zero; ``unembed.bias`` is a buffer, not a parameter, yet added to logits: it is given too.
    """
    block = "blocks.0."
    state = {"embed.weight": weights["W_E"], "pos_embed.weight": weights["W_pos"]}
    for letter in "qkv":
        matrix = weights[f"W_{letter.upper()}"]  # (h, d, k)
        state[f"{block}attn.{letter}.weight"] = matrix.transpose(1, 2).flatten(0, 1)  # (h*k, d)
    state[f"{block}attn.o.weight"] = weights["W_O"].flatten(0, 1).T  # (d, h*k)
    state[f"{block}mlp.in.weight"] = weights["W_in"].T
    state[f"{block}mlp.out.weight"] = weights["W_out"].T
    state["unembed.weight"] = weights["W_U"].T
    for name, matrix in list(state.items())[2:]:
        state[name.removesuffix("weight") + "bias"] = matrix.new_zeros(matrix.shape[0])
    return state
