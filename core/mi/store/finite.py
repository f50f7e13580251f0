"""Values that are not finite where they ought to be: counted when they are stored, said wherever they show.

NaN stands for "missing", which is ordinary for outputs that declare ``gaps``; elsewhere it is as suspicious
as an infinity, which is so everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mi.store.schema import ArraySpec

# output -> how many of its cells are not finite; outputs without such cells are left out
Counts = Mapping[str, int]


def count(arrays: Iterable[ArraySpec], values: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The cells of each output that are infinite, or NaN where the output declares no gaps."""
    found = {}
    for array in arrays:
        value = values[array.name]
        if value.dtype.kind not in "fc":
            continue
        bad = np.isinf(value) if array.gaps else ~np.isfinite(value)
        if cells := int(np.count_nonzero(bad)):
            found[array.name] = cells
    return found


def sentence(epochs: Iterable[int], total: int | None = None) -> str:
    """``3 epochs hold non-finite values (epoch 100, 200, 300)``; empty when none does."""
    held = sorted(epochs)
    if not held:
        return ""
    shown = ", ".join(f"{e:,}" for e in held[:4]) + (", …" if len(held) > 4 else "")
    of = f" of {total}" if total is not None else ""
    verb = "holds" if len(held) == 1 and total is None else "hold"
    noun = "epoch" if len(held) == 1 and total is None else "epochs"
    return f"{len(held)}{of} {noun} {verb} non-finite values (epoch {shown})"
