"""Singular values of the weights, and how many dimensions they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mi_geometry_library import (
    entropy_rank,
    participation_ratio,
    product_singular_values,
    singular_values,
    stable_rank,
)
from mi_modular_arithmetic.analyzers.shared import needs_attention
from mi_modular_arithmetic.matrices import JOINT, PER_HEAD, named, prefixes

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject


def coordinates(subject: Subject) -> dict[str, Sequence[Any]]:
    """``matrix``: names, one a head where heads differ. ``rank``: from the largest value, at most d_model.

    Of more than one layer, each one's matrices are named ``blocks.l.W_in`` and so on.

    Raises:
        NotApplicableError: the network has no attention.
    """
    needs_attention(subject)
    heads = len(subject.dimensions["head"])
    names = [
        named(prefix, name)
        for prefix in prefixes(subject.weights)
        for name in (*JOINT, *(f"{name}.{head}" for name in PER_HEAD for head in range(heads)))
    ]
    return {"matrix": list(dict.fromkeys(names)), "rank": subject.dimensions["feature"]}


def effective_dimension(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Singular values s of the network's matrices and three counts of dimensions made of them.

    ``singular_values`` (matrices, ranks), NaN beyond a matrix's own rank. By matrix: ``participation_ratio``
    (Σs²)²/Σs⁴; ``stable_rank`` Σs²/max s²; ``entropy_rank`` exp(-Σ q log q), q = s/Σs (Roy & Vetterli, *The
    effective rank*, 2007). NaN for a matrix that is zero. W_E is taken without the row of '='; W_L = W_out
    W_U; W_QK = W_Q W_Kᵀ and W_OV = W_V W_O head by head. LayerNorm's gains are left out.
    """
    import torch

    values = list(_singular_values(data.weights).values())
    ranks = len(data.subject.dimensions["feature"])
    padded = torch.stack(
        [torch.nn.functional.pad(v, (0, ranks - len(v)), value=torch.nan) for v in values]
    )  # (matrices, ranks)
    s = padded.nan_to_num()
    return {
        "singular_values": padded,
        "participation_ratio": participation_ratio(s),
        "stable_rank": stable_rank(s),
        "entropy_rank": entropy_rank(s),
    }


def _singular_values(W: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Singular values by matrix, in the order of the coordinate ``matrix``."""
    width = W["W_E"].shape[1]  # d_model: no matrix has a higher rank, though W_L has more singular values
    found = {"W_E": singular_values(W["W_E"][:-1])[:width]}
    for prefix in prefixes(W):
        block = {name.removeprefix(prefix): tensor for name, tensor in W.items() if name.startswith(prefix)}
        joint = {"W_in": block["W_in"], "W_out": block["W_out"], "W_L": block["W_out"] @ W["W_U"]}
        found |= {prefix + name: singular_values(joint[name])[:width] for name in JOINT if name in joint}
        heads = {
            "W_QK": product_singular_values(block["W_Q"], block["W_K"]),
            "W_OV": product_singular_values(block["W_V"], block["W_O"].transpose(1, 2)),
        }
        for name in PER_HEAD:
            found |= {f"{prefix}{name}.{head}": values for head, values in enumerate(heads[name])}
    return found
