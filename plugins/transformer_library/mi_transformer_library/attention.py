"""What heads look at: mean patterns, and scores that say in one number what a head's pattern is like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from mi.domain.site import Site
from mi_transformer_library.anatomy import heads, refuse
from mi_transformer_library.sums import Sums

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

_FORM = "(head, query, key)"
_CELLS = 2**24  # tokens compared to tokens at a time


def pattern_coordinates(subject: Subject, *, pattern: str, row: int) -> dict[str, Any]:
    """``layer``, ``head``, ``query``, ``key``.

    Raises:
        NotApplicableError: there are no such patterns, or no such row.
    """
    if row >= len(subject.probe):
        raise refuse(f"row is {row}, the probe has rows 0 to {len(subject.probe) - 1}")
    found, (queries, keys) = _heads(subject, pattern)
    return {**found, "query": range(queries), "key": range(keys)}


@frozen(kw_only=True)
class AttentionPattern:
    """``pattern`` (layer, head, query, key): the mean over rows, or that of one row."""

    pattern: str
    row: int

    def start(self, data: CheckpointData) -> Sums:
        """No rows yet."""
        return Sums()

    def update(self, sums: Sums, batch: CheckpointData) -> Sums:
        """The patterns of a batch's rows added, or that of the one row if it is among them."""
        import torch

        assert batch.rows is not None
        if self.row < 0:
            chosen = slice(None)
        elif batch.rows.start <= self.row < batch.rows.stop:
            chosen = slice(self.row - batch.rows.start, self.row - batch.rows.start + 1)
        else:
            return sums
        parts = [one[chosen] for one in _patterns(batch, self.pattern)]  # (rows, head, query, key)
        total = torch.stack([part.sum(0, dtype=torch.float64) for part in parts])
        return sums.plus({"pattern": total}, len(parts[0]))

    def finish(self, sums: Sums) -> dict[str, torch.Tensor]:
        """The mean."""
        return sums.means()


def previous_coordinates(subject: Subject, *, pattern: str) -> dict[str, Any]:
    """``layer``, ``head``.

    Raises:
        NotApplicableError: there are no such patterns, or rows have one token.
    """
    found, (queries, keys) = _heads(subject, pattern)
    if min(queries, keys) < 2:
        raise refuse("rows have one position, which has none before it")
    return found


@frozen(kw_only=True)
class PreviousTokenScore:
    """``score`` (layer, head): mean over rows and i >= 1 of the attention from position i to i - 1."""

    pattern: str

    def start(self, data: CheckpointData) -> Sums:
        """No rows yet."""
        return Sums()

    def update(self, sums: Sums, batch: CheckpointData) -> Sums:
        """The diagonals of a batch's rows added."""
        import torch

        diagonals = [one.diagonal(-1, dim1=-2, dim2=-1) for one in _patterns(batch, self.pattern)]
        total = torch.stack([d.mean(-1, dtype=torch.float64).sum(0) for d in diagonals])
        return sums.plus({"score": total}, len(diagonals[0]))  # d: (rows, head, n_ctx - 1)

    def finish(self, sums: Sums) -> dict[str, torch.Tensor]:
        """The means."""
        return sums.means()


def prefix_coordinates(subject: Subject, *, pattern: str, ignore: int) -> dict[str, Any]:
    """``layer``, ``head``.

    Raises:
        NotApplicableError: there are no such patterns, or no token of the probe occurs before.
    """
    found, _ = _heads(subject, pattern)
    n = subject.probe.n_ctx
    parts = subject.probe.batches(max(_CELLS // n**2, 1))
    if not any(followers(part.tokens, ignore).any() for _, part in parts):
        raise refuse("no row of the probe holds a token that occurred before, with another between")
    return found


@frozen(kw_only=True)
class PrefixMatchingScore:
    """``score`` (layer, head): mean over qualifying queries of the attention to what followed (Olsson 2022).

    A query qualifies where its token occurred before; the attention is summed over the positions just after
    those occurrences (see :func:`followers`).
    """

    pattern: str
    ignore: int

    def start(self, data: CheckpointData) -> Sums:
        """No rows yet."""
        return Sums()

    def update(self, sums: Sums, batch: CheckpointData) -> Sums:
        """The attention and the qualifying queries of a batch's rows added."""
        import torch

        found = followers(batch.probe.tokens, self.ignore)  # (rows, query, key)
        at = torch.as_tensor(found, device=batch.device)
        by_head = [  # (head,) each
            torch.einsum("rhqk,rqk->rh", one, at.to(one.dtype)).sum(0, dtype=torch.float64)
            for one in _patterns(batch, self.pattern)
        ]
        return sums.plus({"score": torch.stack(by_head)}, int(found.any(-1).sum()))

    def finish(self, sums: Sums) -> dict[str, torch.Tensor]:
        """The means over queries."""
        return sums.means()


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
