"""What heads of layer 0 say to heads of layer 1, read off the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

READ_AS = ("query", "key", "value")


def coordinates(subject: Subject) -> dict[str, object]:
    """How the later head reads; heads of layer 0 (`earlier`) and of layer 1 (`later`) by name."""
    heads = range(subject.parameters["n_heads"])
    return {
        "read_as": list(READ_AS),
        "earlier": [f"L0H{head}" for head in heads],
        "later": [f"L1H{head}" for head in heads],
    }


def composition(data: CheckpointData) -> dict[str, torch.Tensor]:
    """`score` (read_as, earlier, later) and `matching` (earlier, later).

    With a residual vector x (d,) a head of layer 0 writes x W_V W_O; one of layer 1 scores x_q W_Q W_Kᵀ x_kᵀ.
    Scores are ‖W_V W_O W_Q W_Kᵀ‖ / (‖W_V W_O‖ ‖W_Q W_Kᵀ‖) for queries, with W_K W_Qᵀ for keys and with
    W_V W_O of the later head for values, all Frobenius norms (Elhage et al. 2021, "A mathematical framework
    for transformer circuits"). LayerNorm's weights are folded into what reads; its scale is not there.

    `matching`: share of tokens t for which W_E[t] W_Q W_Kᵀ (W_V W_O)ᵀ W_E[s]ᵀ is largest at s = t: the later
    head then looks behind the places of its own token, if the earlier one writes the previous token.
    """
    import torch

    W = _folded(data.weights)
    value, out = W["W_V"][0], W["W_O"][0]  # of layer 0: (h, d, k), (h, k, d)
    later = {name: W[name][1] for name in ("W_Q", "W_K", "W_V", "W_O")}
    reads = {
        "query": (later["W_Q"], later["W_K"].transpose(1, 2)),
        "key": (later["W_K"], later["W_Q"].transpose(1, 2)),
        "value": (later["W_V"], later["W_O"]),
    }
    same = torch.eye(value.shape[-1]).to(value)
    scores = []
    for left, right in (reads[name] for name in READ_AS):
        middle = out[:, None] @ left[None]  # (earlier, later, k, k)
        both = _norm(value[:, None], middle, right[None])
        apart = _norm(value, same, out)[:, None] * _norm(left, same, right)
        scores.append(both / apart)
    tokens = W["W_E"][:-1]  # BOS never comes back
    written = tokens @ value @ out  # (earlier, tokens, d)
    query, key = tokens @ later["W_Q"], written[:, None] @ later["W_K"]
    best = (query @ key.transpose(-1, -2)).argmax(-1)  # (earlier, later, tokens)
    own = torch.arange(len(tokens), device=best.device)
    return {"score": torch.stack(scores), "matching": (best == own).float().mean(-1)}


def _norm(left: torch.Tensor, middle: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """‖left middle right‖ by Gram matrices of the width of a head: (…, d, k), (…, k, k), (…, k, d)."""
    gram = left.transpose(-1, -2) @ left @ middle @ (right @ right.transpose(-1, -2))
    return (gram * middle).sum((-1, -2)).clamp_min(0).sqrt()


def _folded(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights with LayerNorm's, where there are any, in what reads the residual stream."""
    folded = dict(weights)
    if "ln_w" in weights:
        for name in ("W_Q", "W_K", "W_V"):
            folded[name] = weights[name] * weights["ln_w"][:2, None, :, None]
    return folded
