"""Probes: the analysis dataset that every checkpoint of a variant is fed.

A *saved* probe (``probes/<name>.json``) is a choice: a kind and its options. A *built* probe is that
choice applied to one variant: tokens, labels, masks and the named axes that fold rows into a grid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from mi.domain.values import Option
from mi.refs import Ref

if TYPE_CHECKING:
    import numpy as np

    from mi.domain.code import VariantCode


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


@define(eq=False, slots=False)
class Probe:
    """A probe built for one variant.

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

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

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

    def fold(self, values: Any) -> Any:
        """``values`` (rows, …) as (*shape, …): a view with one axis per named axis."""
        return values.reshape(*self.shape, *values.shape[1:])

    @cached_property
    def digest(self) -> str:
        """Hash of everything that an analyzer can see of the probe (32 hex digits)."""
        import numpy as np

        total = hashlib.blake2b(digest_size=16)

        def add(name: str, array: Any) -> None:
            array = np.ascontiguousarray(array)
            total.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            total.update(array.tobytes())

        add("tokens", self.tokens)
        for name, values in self.axes.items():  # their order is part of the meaning
            add(f"axis {name}", values)
        for name in sorted(self.columns):
            add(f"column {name}", self.columns[name])
        if self.labels is not None:
            add("labels", self.labels)
        for name in sorted(self.masks):
            add(f"mask {name}", self.masks[name])
        total.update(b"complete" if self.complete else b"subset")
        return total.hexdigest()


def probe_from_rows(code: VariantCode, columns: Mapping[str, np.ndarray], *, complete: bool) -> Probe:
    """The probe over chosen rows of a family's grid.

    Args:
        code: the variant, which encodes coordinates as tokens.
        columns: axis name -> (rows,) coordinates.
        complete: whether these are all rows of the grid, in order.
    """
    rows = code.encode(columns)
    return Probe(
        tokens=rows.tokens,
        axes=dict(code.axes()),
        columns=dict(columns),
        complete=complete,
        labels=rows.labels,
        masks=dict(rows.masks),
    )
