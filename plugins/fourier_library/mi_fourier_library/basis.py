"""Orthonormal bases whose rows come in groups: the frequencies of a circle, the irreps of a group.

Whatever is asked of a spectrum (how much of a signal lies in each frequency) is asked of the groups
of rows alone: energy in a group of rows does not depend on which orthonormal rows span it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mi_fourier_library.bases import basis_frequencies, basis_labels, frequencies, real_basis
from mi_fourier_library.groups import FiniteGroup

_ROUNDING = 1e-9


@dataclass(frozen=True)
class RowGroup:
    """Rows of a basis that belong together.

    label: what they are called, such as "3" for frequency 3.
    rows: their places in the basis, rising.
    dimension: of one copy of the real representation that they span; 2 for a frequency.
    """

    label: str
    rows: tuple[int, ...]
    dimension: int = 1

    @property
    def multiplicity(self) -> int:
        """How many copies of it there are."""
        return len(self.rows) // self.dimension


@dataclass(frozen=True, eq=False)
class Basis:
    """An orthonormal basis of the functions on n elements.

    name: of whose functions, such as "Z_7" or "S_5".
    matrix: (n, n), (basis, element), float64, read-only. The first row is the constant.
    labels: a name for each row.
    groups: the constant alone first; together they hold every row once.

    Raises ValueError when the rows are not orthonormal, the first is not constant, or the groups do
    not hold every row once in whole copies, the constant alone in the first.
    """

    name: str
    matrix: NDArray[np.float64]
    labels: tuple[str, ...]
    groups: tuple[RowGroup, ...]

    def __post_init__(self) -> None:
        """Check what everything else relies on."""
        n = len(self.matrix)
        gram = self.matrix @ self.matrix.T
        if self.matrix.shape != (n, n) or np.abs(gram - np.eye(n)).max() > _ROUNDING:
            raise ValueError(f"the rows of the basis of {self.name} are not orthonormal")
        if np.ptp(self.matrix[0]) > _ROUNDING:
            raise ValueError(f"the first row of the basis of {self.name} is not the constant")
        rows = [row for group in self.groups for row in group.rows]
        whole = all(len(g.rows) % g.dimension == 0 and g.rows for g in self.groups)
        if sorted(rows) != list(range(n)) or self.groups[0].rows != (0,) or not whole:
            raise ValueError(
                f"the groups of the basis of {self.name} must hold each of its {n} rows once, in "
                "whole copies, the first the constant alone"
            )
        if len(self.labels) != n:
            raise ValueError(f"the basis of {self.name} has {len(self.labels)} labels, not {n}")
        self.matrix.flags.writeable = False

    @property
    def varying(self) -> tuple[RowGroup, ...]:
        """The groups but the constant: the frequencies, or the irreps that are not trivial."""
        return self.groups[1:]

    @property
    def indicator(self) -> NDArray[np.float64]:
        """1 where a row belongs to a group, else 0: (groups, n)."""
        table = np.zeros((len(self.groups), len(self.matrix)))
        for i, group in enumerate(self.groups):
            table[i, list(group.rows)] = 1
        return table


@lru_cache
def circle(n: int) -> Basis:
    """Return the basis of Z_n: `real_basis(n)`, a group of rows for each frequency.

    Raises ValueError when n < 2.
    """
    of_row = basis_frequencies(n)
    groups = [RowGroup("0", (0,))]
    for k in frequencies(n):
        rows = tuple(np.flatnonzero(of_row == k).tolist())
        groups.append(RowGroup(str(k), rows, len(rows)))
    return Basis(f"Z_{n}", real_basis(n), basis_labels(n), tuple(groups))


@lru_cache
def regular_basis(group: FiniteGroup) -> Basis:
    """Return a basis of the functions on a finite group, grouped by irrep.

    The rows of irrep ρ, of dimension d, are an orthonormal basis of its isotypic part of the
    regular representation, which holds d copies of it: d² rows. They are the columns of its
    projector, made orthonormal in the order of the elements; which rows span the part says
    nothing, the part itself is the group's alone.
    """
    rows: list[NDArray[np.float64]] = []
    labels: list[str] = []
    groups = []
    for irrep, dimension, projector in zip(
        group.irreps, group.dimensions, group.projectors, strict=True
    ):
        found = _spanning(projector, int(dimension) ** 2)
        start = len(labels)
        groups.append(RowGroup(irrep, tuple(range(start, start + len(found))), int(dimension)))
        labels += [f"{irrep} {i}" for i in range(len(found))]
        rows.append(found)
    return Basis(group.name, np.concatenate(rows), tuple(labels), tuple(groups))


def _spanning(projector: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """Orthonormal rows (rank, n) that span a projector's range: Gram-Schmidt on its columns.

    Each column is made orthogonal twice: once leaves rounding of the size of what was taken out.
    """
    found = np.empty((0, len(projector)))
    for column in projector:
        rest = column - found.T @ (found @ column)
        rest = rest - found.T @ (found @ rest)
        norm = float(np.linalg.norm(rest))
        if norm > 1e-6:
            found = np.vstack([found, rest / norm])
        if len(found) == rank:
            return found
    raise ValueError(
        f"a projector has rank {len(found)}, expected {rank}: are these its characters?"
    )
