"""What heads look at: mean patterns, and scores that say in one number what a head's pattern is like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.analyzer import Site
from mi_transformer_library.anatomy import heads, refuse

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

_FORM = "(head, query, key)"


def pattern_coordinates(subject: Subject, *, pattern: str, row: int) -> dict[str, Any]:
    """``layer``, ``head``, ``query``, ``key``.

    Raises:
        NotApplicableError: there are no such patterns, or no such row.
    """
    if row >= len(subject.probe):
        raise refuse(f"row is {row}, the probe has rows 0 to {len(subject.probe) - 1}")
    found, (queries, keys) = _heads(subject, pattern)
    return {**found, "query": range(queries), "key": range(keys)}


def attention_pattern(data: CheckpointData, *, pattern: str, row: int) -> dict[str, torch.Tensor]:
    """``pattern`` (layer, head, query, key): the mean over rows, or that of one row."""
    import torch

    every = _patterns(data, pattern)
    chosen = [one.mean(0) if row < 0 else one[row] for one in every]  # (head, query, key)
    return {"pattern": torch.stack(chosen)}


def previous_coordinates(subject: Subject, *, pattern: str) -> dict[str, Any]:
    """``layer``, ``head``.

    Raises:
        NotApplicableError: there are no such patterns, or rows have one token.
    """
    found, (queries, keys) = _heads(subject, pattern)
    if min(queries, keys) < 2:
        raise refuse("rows have one position, which has none before it")
    return found


def previous_token_score(data: CheckpointData, *, pattern: str) -> dict[str, torch.Tensor]:
    """``score`` (layer, head): mean over rows and i >= 1 of the attention from position i to i - 1."""
    import torch

    diagonals = [one.diagonal(-1, dim1=-2, dim2=-1) for one in _patterns(data, pattern)]
    return {"score": torch.stack([d.mean((0, -1)) for d in diagonals])}  # d: (rows, head, n_ctx - 1)


def prefix_coordinates(subject: Subject, *, pattern: str, ignore: int) -> dict[str, Any]:
    """``layer``, ``head``.

    Raises:
        NotApplicableError: there are no such patterns, or no token of the probe occurs before.
    """
    found, _ = _heads(subject, pattern)
    if not followers(subject.probe.tokens, ignore).any():
        raise refuse("no row of the probe holds a token that occurred before, with another between")
    return found


def prefix_matching_score(data: CheckpointData, *, pattern: str, ignore: int) -> dict[str, torch.Tensor]:
    """``score`` (layer, head): mean over qualifying queries of the attention to what followed (Olsson 2022).

    A query qualifies where its token occurred before; the attention is summed over the positions just after
    those occurrences (see :func:`followers`).
    """
    import torch

    at = torch.as_tensor(followers(data.probe.tokens, ignore), device=data.device)  # (rows, query, key)
    queries = at.any(-1).sum()
    scores = [
        torch.einsum("rhqk,rqk->h", one, at.to(one.dtype)) / queries for one in _patterns(data, pattern)
    ]
    return {"score": torch.stack(scores)}


def followers(tokens: np.ndarray, ignore: int = -1) -> np.ndarray:
    """Whether key k follows an earlier occurrence of the query's token: token[k - 1] == token[q], 0 < k < q.

    The query itself is never counted, so that of two equal neighbours the second does not qualify by
    attending to itself.

    Args:
        tokens: (rows, n_ctx).
        ignore: a token that does not qualify as a query; -1 for none.

    Returns:
        bool, (rows, query, key), each n_ctx.
    """
    n = tokens.shape[1]
    found = np.zeros((len(tokens), n, n), dtype=bool)
    found[:, :, 1:] = tokens[:, :, None] == tokens[:, None, :-1]
    found &= np.tri(n, k=-1, dtype=bool)  # k < q
    found &= (tokens != ignore)[:, :, None]
    return found


def _heads(subject: Subject, pattern: str) -> tuple[dict[str, Any], tuple[int, int]]:
    site = Site.parse(pattern)
    if site.position is not None:
        raise refuse(f"pattern is {pattern!r}, expected a site of all positions")
    found = heads(subject, site.hook, 0, 3, _FORM)
    n = subject.probe.n_ctx
    for one in site.expand(subject.hooks):
        if subject.hooks[one.hook][1:] != (n, n):
            raise refuse(f"{one.hook} holds {subject.hooks[one.hook]} a row, expected (head, {n}, {n})")
    return found, (n, n)


def _patterns(data: CheckpointData, pattern: str) -> list[torch.Tensor]:
    return list(data.sites(pattern).values())  # (rows, head, query, key) each, in layer order
