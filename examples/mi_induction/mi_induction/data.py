"""Sequences with a repeated segment.

A full row is BOS followed by `length` tokens drawn uniformly. Somewhere in it a segment of random length
stands
twice, and both places are random: what comes next in the second copy can be told from the content of the
first one, and from no fixed distance.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Batch(NamedTuple):
    """Full rows, one token longer than what the model reads: the last token is only ever a target.

    Attributes:
        tokens: int64, (rows, length + 1); column 0 is BOS.
        repeated: bool, (rows, length): whether the target at position t, `tokens[:, t + 1]`, stands in the
            second copy and not at its start, so that the first copy tells it.
    """

    tokens: torch.Tensor
    repeated: torch.Tensor


def draw(
    generator: torch.Generator, rows: int, *, length: int, vocabulary: int, shortest: int, longest: int
) -> Batch:
    """Rows drawn anew with `generator`, on the CPU.

    Args:
        generator: what is drawn from; nothing else is.
        rows: how many.
        length: positions that the model reads, BOS among them.
        vocabulary: tokens 0..vocabulary − 1; BOS is the token `vocabulary`.
        shortest, longest: of the segment, both included; 2 · longest <= length.
    """
    tokens = torch.randint(vocabulary, (rows, length + 1), generator=generator)
    tokens[:, 0] = vocabulary
    segment = torch.randint(shortest, longest + 1, (rows,), generator=generator)
    # Positions that neither copy takes are split at two random cuts: before, between and after the copies.
    spare = length - 2 * segment
    cuts = (torch.rand((rows, 2), generator=generator) * (spare[:, None] + 1)).long().sort(dim=1).values
    first, second = 1 + cuts[:, 0], 1 + cuts[:, 1] + segment
    at = torch.arange(length + 1)
    inside = at - second[:, None]  # (rows, length + 1): place in the second copy
    copied = (inside >= 0) & (inside < segment[:, None])
    tokens = tokens.gather(1, torch.where(copied, first[:, None] + inside, at))
    return Batch(tokens, (copied & (inside >= 1))[:, 1:])
