"""Probes: the analysis dataset that every checkpoint of a variant is fed.

A *saved* probe (``probes/<name>.json``) is a choice: a kind and its options. A *built* probe is that
choice applied to one variant: tokens, labels, masks and the named axes that fold rows into a grid.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from mi.domain.values import Option
from mi.refs import Ref

if TYPE_CHECKING:
    import numpy as np

    from mi.domain.code import VariantCode

READ_BYTES = 2**24  # how much of a probe is read at once where it is read from end to end


@frozen(kw_only=True)
class ProbeKind:
    """A way of choosing the rows of a probe.

    Attributes:
        id: ``<plugin>.<name>``; kinds of the core are ``core.<name>``.
        title: a few words for users.
        build: ``f(code: VariantCode, options: dict, folder: Path) -> Probe``; ``folder`` is the folder of the
            probe's file, against which relative paths in options are resolved.
        options: name -> :class:`Option`.
        description: one line for users.
    """

    id: str
    title: str
    build: Ref
    options: Mapping[str, Option] = field(factory=dict)
    description: str = ""


@frozen(kw_only=True)
class ProbeSpec:
    """A saved probe, as in ``probes/<name>.json``."""

    name: str
    kind: str
    title: str = ""
    options: Mapping[str, Any] = field(factory=dict)
    notes: str = ""


@frozen(eq=False)
class Rows:
    """What a family makes of chosen rows.

    Attributes:
        tokens: int64, (rows, n_ctx).
        labels: int64, (rows,), or None when rows have no right answer.
        masks: name -> bool, (rows,).
    """

    tokens: np.ndarray
    labels: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] = field(factory=dict)


class RowSource(Protocol):
    """Makes rows of a probe when they are read; the same rows the same, in whatever pieces."""

    def __len__(self) -> int:
        """How many rows there are."""

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """Columns and rows ``low`` to ``high`` (exclusive): axis -> (high - low,), and what they encode."""


@frozen(eq=False, slots=False)
class Probe:
    """A probe built for one variant.

    It may be larger than memory: :meth:`streamed` makes one whose rows are made when they are read.
    ``tokens``, ``columns``, ``labels`` and ``masks`` give all rows at once; :meth:`part` and :meth:`batches`
    some.

    Attributes:
        tokens: int64, (rows, n_ctx).
        axes: name -> coordinates of the complete grid, in the order in which rows run (the last axis
            fastest). Empty for a probe without named axes (prompts).
        columns: name -> (rows,): each row's coordinate along each axis.
        complete: whether the rows are exactly the complete grid in order.
        labels: int64, (rows,), or None.
        masks: name -> bool, (rows,).
        text: rows as text, for display; empty when the columns say it all.
    """

    tokens: np.ndarray
    axes: Mapping[str, np.ndarray] = field(factory=dict)
    columns: Mapping[str, np.ndarray] = field(factory=dict)
    complete: bool = False
    labels: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] = field(factory=dict)
    text: tuple[str, ...] = ()

    @classmethod
    def streamed(
        cls, source: RowSource, *, axes: Mapping[str, np.ndarray] | None = None, complete: bool = False
    ) -> Probe:
        """A probe whose rows are made when they are read.

        Args:
            source: makes them.
            axes, complete: as the attributes.
        """
        from mi.domain.lazyprobe import LazyProbe

        return LazyProbe(source, axes or {}, complete)

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def n_ctx(self) -> int:
        """Tokens of a row."""
        return int(self.tokens.shape[1])

    @property
    def labelled(self) -> bool:
        """Whether rows have labels."""
        return self.labels is not None

    @property
    def mask_names(self) -> tuple[str, ...]:
        """Names of the masks over rows."""
        return tuple(self.masks)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row: its tokens, coordinates, label and masks."""
        first = self.part(slice(0, 1)).arrays.values()
        return sum(array.dtype.itemsize * math.prod(array.shape[1:]) for array in first)

    @property
    def rows_at_once(self) -> int:
        """How many rows to read together where all are read, one batch after another."""
        return max(READ_BYTES // max(self.row_bytes, 1), 1)

    @property
    def held(self) -> bool:
        """Whether all rows are in memory, or would hardly be noticed there."""
        return True

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the named axes for a complete grid, else ``(rows,)``."""
        if self.complete:
            return tuple(len(c) for c in self.axes.values())
        return (len(self),)

    @property
    def row_dims(self) -> tuple[str, ...]:
        """Names that replace the row axis: the named axes for a complete grid, else ``("row",)``."""
        return tuple(self.axes) if self.complete else ("row",)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that there is for each row, by name: tokens, columns, labels, masks; rows first."""
        labels = {} if self.labels is None else {"labels": self.labels}
        return {
            "tokens": self.tokens,
            **{f"column {name}": values for name, values in self.columns.items()},
            **labels,
            **{f"mask {name}": values for name, values in self.masks.items()},
        }

    def fold(self, values: Any) -> Any:
        """``values`` (rows, …) as (*shape, …): a view with one axis per named axis."""
        return values.reshape(*self.shape, *values.shape[1:])

    def part(self, rows: slice) -> Probe:
        """The probe of these consecutive rows alone, which is no complete grid."""
        low, high, _ = rows.indices(len(self))
        rows = slice(low, high)
        return Probe(
            tokens=self.tokens[rows],
            axes=self.axes,
            columns={name: values[rows] for name, values in self.columns.items()},
            labels=None if self.labels is None else self.labels[rows],
            masks={name: values[rows] for name, values in self.masks.items()},
            text=self.text[rows],
        )

    def batches(self, size: int) -> Iterator[tuple[slice, Probe]]:
        """All rows in order, ``size`` at a time: where they lie, and the probe of them alone."""
        for low in range(0, len(self), size):
            rows = slice(low, min(low + size, len(self)))
            yield rows, self.part(rows)

    def sealed(self, why: str) -> Probe:
        """The same probe, of which only parts can be read; all rows at once are refused with ``why``."""
        from mi.domain.lazyprobe import ArrayRows, LazyProbe

        return LazyProbe(ArrayRows(self), self.axes, self.complete, text=self.text, refusal=why)

    def private(self) -> Probe:
        """The same probe, which shares with nobody what it comes to hold."""
        return self

    def limited(self, limit: int) -> Probe:
        """The same probe, whose rows are refused all at once where they take more than ``limit`` bytes.

        Rows that are in memory already stay so.
        """
        return self

    @cached_property
    def digest(self) -> str:
        """Hash of everything that an analyzer can see of the probe (32 hex digits), however it is read."""
        import numpy as np

        found: dict[str, Any] = {}
        for _, part in self.batches(self.rows_at_once):
            for name, array in part.arrays.items():
                if name not in found:
                    shape = (len(self), *array.shape[1:])
                    found[name] = hashlib.blake2b(f"{array.dtype.str}:{shape};".encode(), digest_size=16)
                found[name].update(np.ascontiguousarray(array).tobytes())
        total = hashlib.blake2b(digest_size=16)
        for name, values in self.axes.items():  # their order is part of the meaning
            array = np.ascontiguousarray(values)
            total.update(f"axis {name}:{array.dtype.str}:{array.shape};".encode())
            total.update(array.tobytes())
        for name in sorted(found):
            total.update(f"{name}:{found[name].hexdigest()};".encode())
        total.update(b"complete" if self.complete else b"subset")
        return total.hexdigest()


def probe_from_rows(code: VariantCode, columns: Mapping[str, np.ndarray], *, complete: bool) -> Probe:
    """The probe over chosen rows of a family's grid; they are encoded when they are read.

    Args:
        code: the variant, which encodes coordinates as tokens.
        columns: axis name -> (rows,) coordinates.
        complete: whether these are all rows of the grid, in order.
    """
    from mi.domain.lazyprobe import ColumnRows

    return Probe.streamed(ColumnRows(code, dict(columns)), axes=dict(code.axes()), complete=complete)
