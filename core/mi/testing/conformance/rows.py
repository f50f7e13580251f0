"""What tokens, labels and masks of rows must look like."""

from __future__ import annotations

import numpy as np

from mi.domain.probe import Probe, Rows
from mi.testing.conformance.verdict import broken


def grid(axes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Coordinates of every row of the grid, (rows,) each, the last axis fastest."""
    meshes = np.meshgrid(*axes.values(), indexing="ij") if axes else []
    return {name: values.reshape(-1) for name, values in zip(axes, meshes, strict=True)}


def check_rows(who: str, rows: Rows | Probe, count: int) -> None:
    """Shapes and dtypes of encoded rows."""
    tokens = np.asarray(rows.tokens)
    if tokens.ndim != 2 or tokens.dtype != np.int64 or len(tokens) != count:
        broken(f"{who} gives tokens of shape {tokens.shape}, {tokens.dtype}; give int64 ({count}, n_ctx)")
    if tokens.size and tokens.min() < 0:
        broken(f"{who} gives the token {tokens.min()}; tokens count from 0")
    if rows.labels is not None:
        labels = np.asarray(rows.labels)
        if labels.shape != (count,) or labels.dtype != np.int64:
            broken(
                f"{who} gives labels of shape {labels.shape} and dtype {labels.dtype}; give int64 ({count},)"
            )
    for name, values in rows.masks.items():
        mask = np.asarray(values)
        if mask.shape != (count,) or mask.dtype != bool:
            broken(f"{who} gives masks[{name!r}] of shape {mask.shape} and dtype {mask.dtype}; "
                   f"give bool ({count},)")  # fmt: skip
