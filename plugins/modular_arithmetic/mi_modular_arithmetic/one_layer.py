"""The one-layer transformer as a pure function of its weights.

Tokens are (a, b, '=') with '=' = n, the number of operands. Nothing is normalized and only the last position
is answered, so

- the query is one vector a head, q_h = (W_E['='] + W_pos[2]) W_Q^h;
- scores and values depend on one token each: n of them at positions 0 and 1, one at position 2;
- between the heads' values and the neurons, and from either to the logits, there are only matrices, which
  can be multiplied with one another first.

What depends on a token alone is computed once a token and gathered by pair; the MLP runs on one position.
The logits are the full model's at the last position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F


def pair_logits(
    weights: Mapping[str, torch.Tensor],
    a: torch.Tensor,
    b: torch.Tensor,
    activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu_,
) -> torch.Tensor:
    """Logits at '=' of the inputs (a, b, '=').

    Args:
        weights: as in :func:`.weights.shapes`.
        a, b: int64, (rows,).
        activation: of the neurons; may work in place.

    Returns:
        (rows, n)
    """
    W_E, W_pos, W_K, W_V = (weights[n] for n in ("W_E", "W_pos", "W_K", "W_V"))
    heads, _, d_head = W_K.shape
    numbers, equals = W_E[:-1], W_E[-1] + W_pos[2]  # (n, d), (d,)
    # (h, d): what a residual vector is multiplied with to give its score with '=' as query
    key = torch.einsum("hdk,d,hek->he", weights["W_Q"], equals, W_K) / math.sqrt(d_head)
    values = W_V.transpose(0, 1).flatten(1)  # (d, h*k)
    first, second = numbers + W_pos[0], numbers + W_pos[1]  # (n, d)
    scores = torch.stack(
        [
            F.embedding(a, first @ key.T),
            F.embedding(b, second @ key.T),
            (equals @ key.T).expand(len(a), heads),
        ]
    )  # (3, rows, h)
    pattern = scores.softmax(dim=0).unsqueeze(-1)  # (3, rows, h, 1)
    z = (
        pattern[0] * F.embedding(a, first @ values).view(-1, heads, d_head)
        + pattern[1] * F.embedding(b, second @ values).view(-1, heads, d_head)
        + pattern[2] * (equals @ values).view(heads, d_head)
    ).flatten(1)  # (rows, h*k)
    # z and post each meet one folded matrix (W_O W_in, W_O W_U, W_out W_U): no residual stream is formed.
    W_O, W_in, W_U = weights["W_O"].flatten(0, 1), weights["W_in"], weights["W_U"]
    post = activation(torch.addmm(equals @ W_in, z, W_O @ W_in))  # (rows, d_mlp)
    direct = torch.addmm(equals @ W_U, z, W_O @ W_U)  # (rows, n)
    return torch.addmm(direct, post, weights["W_out"] @ W_U)
