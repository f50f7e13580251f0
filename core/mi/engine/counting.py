"""The rows of a probe that count: those of a mask, found without holding the probe."""

from __future__ import annotations

import numpy as np

from mi.domain.probe import Probe
from mi.engine.batches import evenly


def counting_rows(probe: Probe, mask: str, limit: int | None = None) -> np.ndarray:
    """Places of the rows that count, int64, sorted: (n,).

    Args:
        probe: read in pieces where it is not in memory.
        mask: its name; all rows when empty.
        limit: the first so many of them; None for all.
    """
    if not mask:
        length = len(probe)
        return np.arange(length if limit is None else min(limit, length))
    if probe.held:
        return np.flatnonzero(probe.masks[mask])[:limit]
    found: list[np.ndarray] = []
    for rows in evenly(len(probe), probe.rows_at_once):
        found.append(rows.start + np.flatnonzero(probe.part(rows).masks[mask]))
        if limit is not None and sum(map(len, found)) >= limit:
            break
    return np.concatenate(found)[:limit] if found else np.empty(0, dtype=np.int64)
