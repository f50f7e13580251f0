"""Networks of one hidden layer over a pair (a, b): pure functions of their weights, and a hooked model.

Every one of them is logits = act(left[a] + right[b]) W_U, without biases. They differ in where the two tables
(n, d_mlp) come from, their *inputs*:

- ``one_hot``: W_in (2n, d_mlp) is multiplied with the one-hot vectors of a and b, one under the other. That
  product *is* a sum of two rows, so rows are looked up: exact, to the bit.
- ``summed``: W_E (2n, d_embed) is looked up in the same way, and what is looked up goes through W_in
  (d_embed, d_mlp).
- ``concatenated``: W_E_left and W_E_right (n, d_embed), side by side, go through W_in (2 d_embed, d_mlp).

Rows 0..n−1 of a (2n, …) matrix belong to a, the others to b. The functional pass multiplies tables of n rows
with W_in before it looks up; the hooked model does so after, a row of the batch at a time, so that every
activation has its hook.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

Weights = Mapping[str, torch.Tensor]
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"relu": torch.relu, "square": torch.square}


def shapes(inputs: str, n: int, parameters: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights, in the order in which they are initialized and stored."""
    m = parameters["d_mlp"]
    if inputs == "one_hot":
        return {"W_in": (2 * n, m), "W_U": (m, n)}
    d = parameters["d_embed"]
    if inputs == "summed":
        return {"W_E": (2 * n, d), "W_in": (d, m), "W_U": (m, n)}
    return {"W_E_left": (n, d), "W_E_right": (n, d), "W_in": (2 * d, m), "W_U": (m, n)}


def initialize(inputs: str, n: int, parameters: Mapping[str, Any], device: str) -> dict[str, torch.Tensor]:
    """Weights drawn from N(0, (init_scale / sqrt(width))²), the same on every device.

    The width is that of what the matrix is multiplied with, of an embedding that of its rows.
    """
    generator = torch.Generator().manual_seed(int(parameters["seed"]))
    found = {}
    for name, shape in shapes(inputs, n, parameters).items():
        width = shape[1] if name.startswith("W_E") else shape[0]
        scale = parameters["init_scale"] / math.sqrt(width)
        found[name] = (scale * torch.randn(shape, generator=generator)).to(device)
    return found


def operand_tables(weights: Weights) -> tuple[torch.Tensor, torch.Tensor]:
    """What each operand adds to the neurons before their activation, left and right: (n, d_mlp) each."""
    W_in = weights["W_in"]
    if "W_E_left" in weights:
        half = len(W_in) // 2
        return weights["W_E_left"] @ W_in[:half], weights["W_E_right"] @ W_in[half:]
    both = weights["W_E"] @ W_in if "W_E" in weights else W_in
    n = len(both) // 2
    return both[:n], both[n:]


def pair_logits(weights: Weights, a: torch.Tensor, b: torch.Tensor, activation: str) -> torch.Tensor:
    """Logits of the pairs (a, b), differentiable.

    Args:
        weights: as in :func:`shapes`.
        a, b: int64, (rows,).
        activation: a key of ``ACTIVATIONS``.

    Returns:
        (rows, n)
    """
    left, right = operand_tables(weights)
    pre = F.embedding(a, left) + F.embedding(b, right)  # (rows, d_mlp)
    return ACTIVATIONS[activation](pre) @ weights["W_U"]


class PairMLP(HookedRootModule):  # type: ignore[misc]
    """The same network under TransformerLens' names; activations are (rows, 1, width), logits (rows, 1, n).

    Hooks: ``hook_embed`` (rows, 2, d_embed) where there are embeddings, ``blocks.0.mlp.hook_pre`` and
    ``hook_post`` (rows, 1, d_mlp), ``unembed.hook_out`` (rows, 1, n). Weights are whatever memory holds.
    """

    def __init__(self, inputs: str, n: int, parameters: Mapping[str, Any]) -> None:
        super().__init__()
        self.inputs, self.n = inputs, n
        self.activation = ACTIVATIONS[parameters["activation"]]
        for name, shape in shapes(inputs, n, parameters).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        if inputs != "one_hot":
            self.hook_embed = HookPoint()
        mlp = nn.ModuleDict({"hook_pre": HookPoint(), "hook_post": HookPoint()})
        self.blocks = nn.ModuleList([nn.ModuleDict({"mlp": mlp})])
        self.unembed = nn.ModuleDict({"hook_out": HookPoint()})
        self.setup()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, 1, n) of tokens (rows, 2)."""
        mlp = self.blocks[0]["mlp"]  # type: ignore[index]
        pre = mlp["hook_pre"](self._read(tokens).unsqueeze(1))  # (rows, 1, d_mlp)
        post = mlp["hook_post"](self.activation(pre))
        return self.unembed["hook_out"](post @ self.W_U)  # type: ignore[no-any-return]

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        a, b = tokens[:, 0], tokens[:, 1]
        if self.inputs == "one_hot":
            return F.embedding(a, self.W_in) + F.embedding(b + self.n, self.W_in)
        if self.inputs == "summed":
            places = torch.stack([a, b + self.n], dim=1)
            return self.hook_embed(F.embedding(places, self.W_E)).sum(1) @ self.W_in  # type: ignore[no-any-return]
        both = torch.stack([F.embedding(a, self.W_E_left), F.embedding(b, self.W_E_right)], dim=1)
        return self.hook_embed(both).flatten(1) @ self.W_in  # type: ignore[no-any-return]
