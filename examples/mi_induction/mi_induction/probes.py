"""The probe kind `induction.repeated_segments`, and what of its rows repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mi import ParameterError, Probe, VariantCode

TOLD = 2  # targets whose match is this deep are told by their row, see `match_depth`


def repeated_segments(code: VariantCode, options: dict[str, Any], folder: Path) -> Probe:
    """Rows in which one segment stands twice, at the same two places in all of them.

    A row is BOS, filler, the segment, filler, the segment without its last token, which is the row's label:
    the model has to give it at the last position. All other tokens of a row differ, so nothing else repeats.

    Rows 2i and 2i + 1 are twins, masks `base` and `twin`: they differ in the last token of the first copy,
    and so in the label, and in nothing else. What is patched from one into the other carries just that token.

    The rows come from a Mersenne Twister, whose stream NumPy keeps for ever: a saved probe stays the same.

    Raises:
        ParameterError: an odd number of rows, a segment too long for the context, or too few tokens.
    """
    context, vocabulary = code.parameters["context"], code.parameters["vocabulary"]
    rows, segment = options["rows"], options["segment"] or max(context // 3, 2)
    if rows % 2:
        raise ParameterError(f"option rows is {rows}, expected an even number: rows come in twins")
    spare = context - 2 * segment  # of the `context` tokens after BOS, the label among them
    if spare < 0:
        raise ParameterError(
            f"option segment is {segment}, expected at most {context // 2}, half the context"
        )
    needed = context - segment + 1  # filler, segment, and the twin's other token
    if needed > vocabulary:
        raise ParameterError(
            f"option segment is {segment}, which takes {needed} different tokens a row, "
            f"expected at most the vocabulary's {vocabulary}"
        )
    draws = np.random.RandomState(options["seed"])
    chosen = np.stack([draws.permutation(vocabulary)[:needed] for _ in range(rows // 2)])
    chosen = np.repeat(chosen, 2, axis=0)
    other, chosen = chosen[:, 0], chosen[:, 1:]
    lead = spare // 2
    chosen[1::2, lead + segment - 1] = other[1::2]
    copy = chosen[:, lead : lead + segment]
    tokens = np.concatenate([np.full((rows, 1), vocabulary), chosen, copy], axis=1).astype(np.int64)
    base = np.arange(rows) % 2 == 0
    return Probe(
        tokens=tokens[:, :-1],
        labels=tokens[:, -1],
        masks={"base": base, "twin": ~base},
        text=tuple(" ".join(["BOS", *map(str, row[1:-1])]) + f" → {row[-1]}" for row in tokens.tolist()),
    )


def targets_of(probe: Probe) -> np.ndarray:
    """The token that follows each position: int64, (rows, n); −1 after the last one of rows without label."""
    last = np.full(len(probe), -1) if probe.labels is None else probe.labels
    return np.concatenate([probe.tokens[:, 1:], last[:, None]], axis=1).astype(np.int64)


def match_depth(probe: Probe) -> np.ndarray:
    """How much of what ends with each target stands earlier in its row: int64, (rows, n).

    0: the target is new. 1: it has stood earlier, after another token: a repeat begins. d: so have the d − 1
    tokens before it, in this order; a head that looks for them finds the target behind them. −1: no target.
    """
    full = np.concatenate([probe.tokens[:, :1], targets_of(probe)], axis=1)  # (rows, n + 1)
    length = full.shape[1]
    depth = np.zeros_like(full)
    run = np.zeros((len(full), length + 1), dtype=np.int64)  # run[:, j + 1]: match that ends at t − 1 and j
    for t in range(length):
        run[:, 1:] = np.where(full[:, t : t + 1] == full, run[:, :-1] + 1, 0)
        depth[:, t] = run[:, 1 : t + 1].max(axis=1, initial=0)
    depth[full < 0] = -1
    return depth[:, 1:]
