"""Networks made by hand, with known answers: one direction a position, one a token, one a previous token."""

from __future__ import annotations

from typing import Any

import torch
from transformer_kit import set_head, zeros

CONTEXT, VOCABULARY, SHARP = 8, 6, 60.0
SHAPE = {
    "context": CONTEXT,
    "vocabulary": VOCABULARY,
    "writes": VOCABULARY,
    "d_model": CONTEXT + 2 * VOCABULARY,
    "d_head": CONTEXT,
}
PLACE, TOKEN = slice(0, CONTEXT), slice(CONTEXT, CONTEXT + VOCABULARY)
BEFORE = slice(CONTEXT + VOCABULARY, CONTEXT + 2 * VOCABULARY)


def block(rows: slice, columns: slice, matrix: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """A matrix of zeros that holds ``matrix`` in one place."""
    full = torch.zeros(shape)
    full[rows, columns] = matrix
    return full


def into(where: slice, matrix: torch.Tensor) -> torch.Tensor:
    """(d_model, d_head): reads the subspace ``where``."""
    return block(where, slice(0, matrix.shape[1]), matrix, (SHAPE["d_model"], SHAPE["d_head"]))


def out_of(where: slice, matrix: torch.Tensor) -> torch.Tensor:
    """(d_head, d_model): writes to the subspace ``where``."""
    return block(slice(0, matrix.shape[0]), where, matrix, (SHAPE["d_head"], SHAPE["d_model"]))


def induction(copy: float = 1.0) -> dict[str, Any]:
    """L0H0 notes the token before; L1H0 attends to what followed the present token earlier, and copies it.

    The other heads do nothing: they attend evenly to what they may see. ``copy`` is the sign and size of what
    L1H0 copies.
    """
    state = zeros(SHAPE)
    tokens, places = torch.eye(VOCABULARY), torch.eye(CONTEXT)
    state["embed.weight"][:, TOKEN] = tokens
    state["pos_embed.weight"][:, PLACE] = places
    state["unembed.weight"][:, TOKEN] = tokens
    scale = SHARP * CONTEXT**0.5  # undoes 1 / sqrt(d_head)
    set_head(
        state, 0, 0,
        q=into(PLACE, scale * places),
        k=into(PLACE, places.roll(1, dims=1)),  # position j answers to query j + 1
        v=into(TOKEN, tokens),
        o=out_of(BEFORE, tokens),
    )  # fmt: skip
    set_head(
        state, 1, 0,
        q=into(TOKEN, scale * tokens),
        k=into(BEFORE, tokens),
        v=into(TOKEN, tokens),
        o=out_of(TOKEN, copy * tokens),
    )  # fmt: skip
    return state
