"""The transformer in plain numpy, float64: written from the papers, sharing no code with what it checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Patch = Callable[[str, np.ndarray], np.ndarray]


class Plain:
    """A pre-norm decoder with learned positions, from the state dict of a native bridge."""

    def __init__(self, shape: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        self.shape = shape
        self.w = {name: np.asarray(t, dtype=np.float64) for name, t in state.items()}

    def head(self, layer: int, letter: str) -> np.ndarray:
        """W_Q, W_K, W_V as (head, d_model, d_head); W_O as (head, d_head, d_model)."""
        h, k = self.shape["heads"], self.shape["d_head"]
        matrix = self.w[f"blocks.{layer}.attn.{letter}.weight"]
        if letter == "o":
            return matrix.T.reshape(h, k, -1)
        return matrix.reshape(h, k, -1).transpose(0, 2, 1)

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        kind = self.shape["norm"]
        if kind == "none":
            return x
        if kind == "ln":
            x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
        return x * self.w[f"{name}.weight"] + self.w.get(f"{name}.bias", 0.0)

    def run(self, tokens: np.ndarray, patch: Patch = lambda hook, x: x) -> dict[str, np.ndarray]:
        """Every activation by TransformerLens' name; ``patch(hook, activation)`` may replace it."""
        found: dict[str, np.ndarray] = {}
        n, h, k = tokens.shape[1], self.shape["heads"], self.shape["d_head"]

        def see(hook: str, x: np.ndarray) -> np.ndarray:
            found[hook] = patch(hook, x)
            return found[hook]

        embed = see("hook_embed", self.w["embed.weight"][tokens])
        position = see("hook_pos_embed", np.broadcast_to(self.w["pos_embed.weight"][:n], embed.shape))
        x = embed + position
        for layer in range(self.shape["layers"]):
            block = f"blocks.{layer}"
            x = see(f"{block}.hook_resid_pre", x)
            y = self.norm(f"{block}.ln1", x)
            q, key, v = (
                (y @ self.w[f"{block}.attn.{c}.weight"].T + self.w[f"{block}.attn.{c}.bias"]).reshape(
                    -1, n, h, k
                )
                for c in "qkv"
            )
            scores = np.einsum("rqhk,rphk->rhqp", q, key) / np.sqrt(k)
            scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
            pattern = np.exp(scores - scores.max(-1, keepdims=True))
            pattern = pattern / pattern.sum(-1, keepdims=True)
            see(f"{block}.attn.hook_pattern", pattern)
            z = see(f"{block}.attn.hook_z", np.einsum("rhqp,rphk->rqhk", pattern, v))
            out = np.einsum("rqhk,hkd->rqd", z, self.head(layer, "o")) + self.w[f"{block}.attn.o.bias"]
            x = x + see(f"{block}.hook_attn_out", out)
            if self.shape["d_mlp"]:
                y = self.norm(f"{block}.ln2", x)
                inner = np.maximum(y @ self.w[f"{block}.mlp.in.weight"].T + self.w[f"{block}.mlp.in.bias"], 0)
                out = inner @ self.w[f"{block}.mlp.out.weight"].T + self.w[f"{block}.mlp.out.bias"]
                x = x + see(f"{block}.hook_mlp_out", out)
            x = see(f"{block}.hook_resid_post", x)
        found["unembed.hook_out"] = self.decode(x)
        return found

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Logits of a residual stream."""
        return self.norm("ln_final", x) @ self.w["unembed.weight"].T + self.w["unembed.bias"]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
