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
from typing import NamedTuple

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
    read = residuals(weights)
    return scored_logits(weights, read, score_tables(weights, read), a, b, activation)


class Residuals(NamedTuple):
    """What attention reads of tokens: ``first``, ``second`` (n, d) by operand, ``equals`` (d,) of '='."""

    first: torch.Tensor
    second: torch.Tensor
    equals: torch.Tensor


class Scores(NamedTuple):
    """Scores from '=', of each token: ``first``, ``second`` (n, heads) by operand, ``equals`` (heads,)."""

    first: torch.Tensor
    second: torch.Tensor
    equals: torch.Tensor


def residuals(weights: Mapping[str, torch.Tensor]) -> Residuals:
    """Embedding and position of each token; tokens in their own order."""
    W_E, W_pos = weights["W_E"], weights["W_pos"]
    return Residuals(W_E[:-1] + W_pos[0], W_E[:-1] + W_pos[1], W_E[-1] + W_pos[2])


def score_tables(weights: Mapping[str, torch.Tensor], read: Residuals) -> Scores:
    """The attention scores of '=' before the softmax, once a token."""
    W_K = weights["W_K"]
    # (h, d): what a residual vector is multiplied with to give its score with '=' as query
    key = torch.einsum("hdk,d,hek->he", weights["W_Q"], read.equals, W_K) / math.sqrt(W_K.shape[-1])
    return Scores(read.first @ key.T, read.second @ key.T, read.equals @ key.T)


def scored_logits(
    weights: Mapping[str, torch.Tensor],
    read: Residuals,
    tables: Scores,
    a: torch.Tensor,
    b: torch.Tensor,
    activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu_,
) -> torch.Tensor:
    """As :func:`pair_logits`, with scores that are given."""
    W_V = weights["W_V"]
    heads, _, d_head = W_V.shape
    first, second, equals = read
    values = W_V.transpose(0, 1).flatten(1)  # (d, h*k)
    scores = torch.stack(
        [
            F.embedding(a, tables.first),
            F.embedding(b, tables.second),
            tables.equals.expand(len(a), heads),
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
