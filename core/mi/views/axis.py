"""Where the cells of a named dimension lie on an axis, and what they are called."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen

EPOCH_LABEL = "epoch"


@frozen(eq=False)
class CellAxis:
    """Cells of equal width along one dimension.

    Attributes:
        start: left edge of the first cell.
        step: width of a cell.
        labels: names of the cells where they are not numbers ``start + (i + 1/2) step``.
        count: how many cells.
    """

    start: float
    step: float
    count: int
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, coordinates: np.ndarray | None, count: int) -> CellAxis:
        """Cells at their coordinates where those are numbers with equal gaps, else at 0, 1, 2, … with labels.

        A coordinate of another length than ``count`` (a visualization that shows a part) counts as none.
        """
        if coordinates is None or len(coordinates) != count:
            return cls(-0.5, 1.0, count)
        if coordinates.dtype.kind in "iuf":
            if count == 1:
                return cls(float(coordinates[0]) - 0.5, 1.0, 1)
            gaps = np.diff(coordinates.astype(float))
            if gaps[0] > 0 and np.allclose(gaps, gaps[0]):
                return cls(float(coordinates[0]) - gaps[0] / 2, float(gaps[0]), count)
        return cls(-0.5, 1.0, count, tuple(str(c) for c in coordinates))

    @property
    def end(self) -> float:
        """Right edge of the last cell."""
        return self.start + self.step * self.count

    def ticks(self, limit: int = 12) -> tuple[list[float], dict[float, str]]:
        """Positions and texts of at most about ``limit`` ticks for a labelled axis."""
        every = max(1, -(-self.count // limit))
        at = [self.start + (i + 0.5) * self.step for i in range(0, self.count, every)]
        return at, {p: self.labels[i * every] for i, p in enumerate(at)} if self.labels else {}


def epoch_edges(epochs: np.ndarray) -> np.ndarray:
    """Edges of cells around epochs, (E + 1,): midpoints between neighbours, the outer ones mirrored.

    Checkpoints are not equally spaced; a cell reaches halfway to its neighbours, so that what is drawn at
    an epoch is what was measured nearest to it.
    """
    at = np.asarray(epochs, dtype=float)
    if len(at) == 1:
        return np.array([at[0] - 0.5, at[0] + 0.5])
    middle = (at[1:] + at[:-1]) / 2
    return np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])


def thin(columns: dict[str, Any], x: str = "epoch", limit: int = 4000) -> dict[str, np.ndarray]:
    """Columns thinned for a line to about ``limit`` points, no extreme of any column lost.

    The rows are cut into runs of equal length; of each run the first row and every column's smallest and
    largest value are kept, so that a spike of one epoch still shows.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    n = len(arrays[x])
    others = [name for name in arrays if name != x]
    runs = max(1, limit // (2 * len(others) + 1))
    if n <= limit:
        return arrays
    keep = {0, n - 1}
    for run in np.array_split(np.arange(n), runs):
        keep.add(int(run[0]))
        for name in others:
            values = np.asarray(arrays[name][run], dtype=float)
            if np.isfinite(values).any():
                keep |= {int(run[np.nanargmin(values)]), int(run[np.nanargmax(values)])}
    rows = np.array(sorted(keep))
    return {name: values[rows] for name, values in arrays.items()}
