"""Values that are not finite where they ought to be: counted when they are stored, said wherever they show.

NaN stands for "missing", which is ordinary for outputs that declare ``gaps``; elsewhere it is as suspicious
as an infinity, which is so everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mi.store.schema import ArraySpec

# What else is counted with a result, under names that no output can have: the checkpoint's own weights, and
# the results (of a trajectory: the epochs) that it was made from and that are flagged.
WEIGHTS, INPUTS = "(weights)", "(inputs)"
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


def sentence(flagged: Mapping[str, Iterable[int | None]]) -> str:
    """``3 epochs hold or come from non-finite values (epoch 100, …): tiny.means``; empty when none does.

    Args:
        flagged: analyzer -> epochs, None for what has no axis of epochs.
    """
    names = ", ".join(name for name, epochs in flagged.items() if list(epochs))
    epochs = sorted({e for held in flagged.values() for e in held if e is not None})
    if not names:
        return ""
    if not epochs:
        return f"non-finite values over all epochs: {names}"
    shown = ", ".join(f"{e:,}" for e in epochs[:4]) + (", …" if len(epochs) > 4 else "")
    said = "1 epoch holds or comes" if len(epochs) == 1 else f"{len(epochs)} epochs hold or come"
    return f"{said} from non-finite values (epoch {shown}): {names}"
