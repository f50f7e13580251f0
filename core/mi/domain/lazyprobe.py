"""Probes whose rows are made when they are read: a grid, rows chosen of it, rows of a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from mi.domain.probe import READ_BYTES, Probe, Rows, RowSource
from mi.domain.sizes import said_bytes
from mi.errors import ParameterError, PlanError
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.code import VariantCode


class LazyProbe(Probe):
    """A probe that reads its rows from a source: parts when they are asked for, all of them at most once.

    Args:
        source: makes the rows.
        axes, complete, text: as of a :class:`Probe`.
        refusal: why all rows cannot be had at once; empty where they can.
    """

    def __new__(cls, *given: Any, **fields: Any) -> Probe:  # type: ignore[misc]
        """A plain probe where ``attrs.evolve`` asks for one of the arrays of a lazy one."""
        return super().__new__(cls) if given or "source" in fields else Probe(**fields)

    def __init__(
        self,
        source: RowSource,
        axes: Mapping[str, np.ndarray],
        complete: bool = False,
        *,
        text: tuple[str, ...] = (),
        refusal: str = "",
    ) -> None:
        self.__dict__.update(source=source, axes=axes, complete=complete, text=text, refusal=refusal)

    source: RowSource
    refusal: str

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def _first(self) -> Probe:
        """A row, which tells what all of them have."""
        return self._all if "_all" in self.__dict__ else self._read(0, min(1, len(self)))

    @cached_property
    def _all(self) -> Probe:
        if self.refusal:
            raise PlanError(self.refusal)
        if len(self) <= self.rows_at_once:
            return self._read(0, len(self))
        whole: dict[str, np.ndarray] = {}  # filled in pieces: what encoding takes on the way stays small
        for low in range(0, len(self), self.rows_at_once):
            rows = slice(low, min(low + self.rows_at_once, len(self)))
            for name, values in self._read(rows.start, rows.stop).arrays.items():
                if name not in whole:
                    whole[name] = np.empty((len(self), *values.shape[1:]), values.dtype)
                whole[name][rows] = values
        return Probe(
            tokens=whole["tokens"],
            axes=self.axes,
            columns=_named("column ", whole),
            complete=self.complete,
            labels=whole.get("labels"),
            masks=_named("mask ", whole),
            text=self.text,
        )

    def _read(self, low: int, high: int) -> Probe:
        columns, rows = self.source.read(low, high)
        if rows.tokens.ndim != 2 or len(rows.tokens) != high - low:
            raise ParameterError(
                f"{type(self.source).__name__} made tokens of shape {rows.tokens.shape} of "
                f"{high - low} rows, expected (rows, n_ctx)"
            )
        return Probe(
            tokens=rows.tokens,
            axes=self.axes,
            columns=columns,
            labels=rows.labels,
            masks=rows.masks,
            text=self.text[low:high],
        )

    @property
    def tokens(self) -> np.ndarray:
        """All tokens, int64, (rows, n_ctx)."""
        return self._all.tokens

    @property
    def columns(self) -> Mapping[str, np.ndarray]:
        """All coordinates."""
        return self._all.columns

    @property
    def labels(self) -> np.ndarray | None:
        """All labels, int64, (rows,), or None."""
        return self._all.labels if self.labelled else None

    @property
    def masks(self) -> Mapping[str, np.ndarray]:
        """All masks, bool, (rows,)."""
        return self._all.masks if self.mask_names else {}

    @property
    def n_ctx(self) -> int:
        """Tokens of a row."""
        return self._first.n_ctx

    @property
    def labelled(self) -> bool:
        """Whether rows have labels."""
        return self._first.labelled

    @property
    def mask_names(self) -> tuple[str, ...]:
        """Names of the masks over rows."""
        return self._first.mask_names

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return sum(array.dtype.itemsize * math.prod(array.shape[1:]) for array in self._first.arrays.values())

    @property
    def held(self) -> bool:
        """Whether all rows are in memory, or would hardly be noticed there."""
        return "_all" in self.__dict__ or (not self.refusal and len(self) * self.row_bytes <= READ_BYTES)

    def private(self) -> Probe:
        """The same probe, which reads its rows for itself: nobody shares what it holds."""
        return LazyProbe(self.source, self.axes, self.complete, text=self.text, refusal=self.refusal)

    def part(self, rows: slice) -> Probe:
        """The probe of these rows alone; they are read when something of them is."""
        if self.held:
            return self._all.part(rows)
        low, high, _ = rows.indices(len(self))
        return LazyProbe(Window(self.source, low, high), self.axes, text=self.text[low:high])

    def sealed(self, why: str) -> Probe:
        """As :meth:`Probe.sealed`."""
        return LazyProbe(ArrayRows(self), self.axes, self.complete, text=self.text, refusal=why)

    def limited(self, limit: int) -> Probe:
        """As :meth:`Probe.limited`."""
        size = len(self) * self.row_bytes
        if size <= limit or "_all" in self.__dict__:
            return self
        why = (
            f"the probe's {counted(len(self), 'row')} take {said_bytes(size)} all together, more than the "
            f"{said_bytes(limit)} of memory given; read them in batches"
        )
        return LazyProbe(self.source, self.axes, self.complete, text=self.text, refusal=why)


def _named(start: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(start): v for name, v in arrays.items() if name.startswith(start)}


@frozen(eq=False)
class Window:
    """Some consecutive rows of a source."""

    source: RowSource
    low: int
    high: int

    def __len__(self) -> int:
        return self.high - self.low

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """As of :class:`RowSource`."""
        return self.source.read(self.low + low, self.low + high)


@frozen(eq=False)
class ArrayRows:
    """Rows of another probe."""

    probe: Probe

    def __len__(self) -> int:
        return len(self.probe)

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """As of :class:`RowSource`."""
        part = self.probe.part(slice(low, high))
        return part.columns, Rows(tokens=part.tokens, labels=part.labels, masks=part.masks)


@frozen(eq=False)
class ColumnRows:
    """Rows with these coordinates, encoded by the family.

    Attributes:
        code: the variant.
        columns: axis -> (rows,).
    """

    code: VariantCode
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """As of :class:`RowSource`."""
        columns = {name: values[low:high] for name, values in self.columns.items()}
        return columns, self.code.encode(columns)


@frozen(eq=False)
class GridRows:
    """Rows of a family's grid: all of them, or chosen ones.

    Attributes:
        code: the variant.
        axes: name -> coordinates.
        chosen: int64, (rows,): places in the complete grid, in the order of rows; None for all.
    """

    code: VariantCode
    axes: Mapping[str, np.ndarray]
    chosen: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(len(values) for values in self.axes.values())

    def __len__(self) -> int:
        return math.prod(self.shape) if self.chosen is None else len(self.chosen)

    def columns(self, low: int, high: int) -> dict[str, np.ndarray]:
        """Coordinates of rows: axis -> (high - low,)."""
        places: Any = np.arange(low, high) if self.chosen is None else self.chosen[low:high]
        along = np.unravel_index(places, self.shape)
        return {name: values[at] for (name, values), at in zip(self.axes.items(), along, strict=True)}

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """As of :class:`RowSource`."""
        columns = self.columns(low, high)
        return columns, self.code.encode(columns)
