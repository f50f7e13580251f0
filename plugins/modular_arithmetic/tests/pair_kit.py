"""Small variants of the families of pair networks, their grids, and their formula written out."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mi.domain.family import Family, load_family
from mi.domain.probe import probe_from_rows
from mi_modular_arithmetic.composition.family import GroupComposition
from mi_modular_arithmetic.mlp import initialize
from mi_modular_arithmetic.modular_mlp import EmbeddingMLP, OneHotMLP
from mi_modular_arithmetic.pair_network import PairNetwork

SHIPPED = Path(str(files("mi_modular_arithmetic"))) / "families"
CODES: dict[str, type[PairNetwork]] = {
    "modular_addition_mlp": OneHotMLP,
    "modular_addition_embedding_mlp": EmbeddingMLP,
    "symmetric_group_composition": GroupComposition,
}
SMALL: dict[str, dict[str, Any]] = {
    "modular_addition_mlp": {"prime": 11, "d_mlp": 24},
    "modular_addition_embedding_mlp": {"prime": 11, "d_embed": 5, "d_mlp": 24},
    "symmetric_group_composition": {"n": 3, "d_embed": 5, "d_mlp": 24},
}


def family(name: str) -> Family:
    return load_family(SHIPPED / name / "family.json")


def make(name: str, **given: Any) -> PairNetwork:
    return CODES[name](family(name).complete({**SMALL[name], **given}))


def grid(code: PairNetwork) -> Any:
    axes = code.axes()
    meshes = np.meshgrid(*axes.values(), indexing="ij")
    return probe_from_rows(code, dict(zip(axes, map(np.ravel, meshes), strict=True)), complete=True)


def drawn(code: PairNetwork, scale: float = 1.0) -> dict[str, torch.Tensor]:
    return {n: scale * w for n, w in initialize(code.inputs, code.order, code.parameters, "cpu").items()}


def literal(code: PairNetwork, weights: dict[str, torch.Tensor], tokens: np.ndarray) -> np.ndarray:
    """Logits (rows, n) in float64 from one-hot vectors and whole matrix products."""
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    one_hot = np.eye(code.order)[tokens]  # (rows, 2, n)
    if code.inputs == "concatenated":
        read = np.concatenate([one_hot[:, 0] @ w["W_E_left"], one_hot[:, 1] @ w["W_E_right"]], axis=1)
    else:
        read = one_hot.reshape(len(tokens), -1)
        read = read @ w["W_E"] if "W_E" in w else read
    pre = read @ w["W_in"]
    post = pre**2 if code.parameters["activation"] == "square" else np.maximum(pre, 0)
    return np.asarray(post @ w["W_U"])
