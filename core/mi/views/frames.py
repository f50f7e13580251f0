"""Frames of all epochs: computed once, checked, scaled over all epochs, packed for the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import define, field

from mi.domain.visualization import Field, Visualization
from mi.errors import PluginError
from mi.refs import resolve
from mi.views.check import Value, checked, same_shape
from mi.views.data import ViewData
from mi.views.scale import Scale, fit

# What one panel may hold in the browser; more would make the tab fail, not the panel.
PANEL_BYTES = 128 * 2**20
# Smallest, smallest positive (infinite when there is none) and largest value of a column over all epochs.
Extent = tuple[float, float, float]


@define(eq=False)
class FrameSet:
    """The frames of one visualization of one variant over all epochs, and its static fields.

    Attributes:
        visualization: whose.
        epochs: framed epochs, sorted, int64, (E,).
        missing: those of them at which an artifact is missing: their frames are all missing.
        scales: field -> scale, one over all epochs.
        static: static field -> exact value.
        exact_images: image field -> values as the visualization gave them, (E, h, w).
        images: image field -> uint8 codes 0-254, 255 for missing, (E, h, w).
        columns: columns field -> {column: (E, n) float32}, of those columns that change.
        constant: columns field -> {column: (n,)}, of those that do not (positions, names).
        texts: text field -> a string an epoch.
        extents: columns field -> {column: (smallest, smallest positive, largest)} over all epochs.
    """

    visualization: Visualization
    epochs: np.ndarray
    missing: tuple[int, ...] = ()
    scales: dict[str, Scale] = field(factory=dict)
    static: dict[str, Value] = field(factory=dict)
    exact_images: dict[str, np.ndarray] = field(factory=dict)
    images: dict[str, np.ndarray] = field(factory=dict)
    columns: dict[str, dict[str, np.ndarray]] = field(factory=dict)
    constant: dict[str, dict[str, np.ndarray]] = field(factory=dict)
    texts: dict[str, list[str]] = field(factory=dict)
    extents: dict[str, dict[str, Extent]] = field(factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        held = [*self.exact_images.values(), *self.images.values()]
        for group in (self.columns, self.constant):
            held += [a for columns in group.values() for a in columns.values()]
        for value in self.static.values():
            held += list(value.values()) if isinstance(value, dict) else [np.asarray(value)]
        return sum(array.nbytes for array in held)

    @property
    def shipped_bytes(self) -> int:
        """Bytes that go to the browser."""
        held = [*self.images.values(), *(a for c in self.columns.values() for a in c.values())]
        return sum(array.nbytes for array in held)

    def index(self, epoch: int) -> int:
        """Position of a framed epoch."""
        return int(np.flatnonzero(self.epochs == epoch)[0])

    def exact(self, epoch: int) -> dict[str, Value]:
        """The exact values at one epoch: field -> array, columns, or text; NaN where nothing is committed."""
        i = self.index(epoch)
        values: dict[str, Value] = {name: stack[i] for name, stack in self.exact_images.items()}
        for name in self.columns:
            values[name] = {**self.constant[name], **{c: s[i] for c, s in self.columns[name].items()}}
        return values | {name: texts[i] for name, texts in self.texts.items()}


def make_frames(data: ViewData, visualization: Visualization, options: Mapping[str, Any]) -> FrameSet:
    """Call ``static`` once and ``frame`` for every epoch; check, scale and pack what they give.

    Raises:
        PluginError: the visualization does not keep its contract; names it, field and epoch.
        Exception: whatever its functions raise.
    """
    frames = FrameSet(visualization, data.epochs, data.missing)
    fields = visualization.fields
    fixed = {name: f for name, f in fields.items() if f.static}
    moving = {name: f for name, f in fields.items() if not f.static}
    if fixed and visualization.static is not None:
        given = resolve(visualization.static)(data, dict(options))
        frames.static = checked(visualization, fixed, given, "static")
    if moving and visualization.frame is not None:
        _stack(frames, moving, _frames(data, visualization, moving, options))
    for name, declared in fields.items():
        _scale(frames, name, declared)
    for name in frames.exact_images:
        frames.images[name] = frames.scales[name].encode(frames.exact_images[name])
    if frames.shipped_bytes > PANEL_BYTES:
        raise PluginError(
            f"visualization {visualization.id}: {len(frames.epochs)} frames hold "
            f"{frames.shipped_bytes / 2**20:.0f} MiB, expected at most {PANEL_BYTES // 2**20} MiB; "
            "show fewer epochs, or smaller fields"
        )
    return frames


def _frames(
    data: ViewData, visualization: Visualization, fields: Mapping[str, Field], options: Mapping[str, Any]
) -> list[dict[str, Value] | None]:
    function, gone = resolve(visualization.frame or ""), set(data.missing)
    frames: list[dict[str, Value] | None] = []
    first: dict[str, Value] | None = None
    for epoch in map(int, data.epochs):
        if epoch in gone:
            frames.append(None)
            continue
        frame = checked(visualization, fields, function(data, epoch, dict(options)), f"epoch {epoch}")
        first = first or frame
        same_shape(visualization, first, frame, epoch)
        frames.append(frame)
    return frames


def _stack(frames: FrameSet, fields: Mapping[str, Field], found: list[dict[str, Value] | None]) -> None:
    """One array a field or column with the epoch in front; NaN where a frame is missing."""
    present = [f for f in found if f is not None]
    if not present:
        raise PluginError(f"visualization {frames.visualization.id}: none of the epochs shown has artifacts")
    for name, declared in fields.items():
        if declared.kind == "text":
            frames.texts[name] = ["" if f is None else str(f[name]) for f in found]
        elif declared.kind == "image":
            blank = np.full_like(present[0][name], np.nan)
            frames.exact_images[name] = np.stack([blank if f is None else np.asarray(f[name]) for f in found])
        else:
            _stack_columns(frames, name, [None if f is None else f[name] for f in found])


def _stack_columns(frames: FrameSet, name: str, found: list[Any]) -> None:
    present = [f for f in found if f is not None]
    frames.columns[name], frames.constant[name] = {}, {}
    for column, first in present[0].items():
        rest = (f[column] for f in present[1:])
        if all(np.array_equal(first, other, equal_nan=first.dtype.kind == "f") for other in rest):
            frames.constant[name][column] = first
        elif first.dtype.kind == "U":
            raise PluginError(
                f"visualization {frames.visualization.id}: column {column} of field {name} holds strings "
                "that change with the epoch, expected the same at every epoch"
            )
        else:
            blank = np.full(first.shape, np.nan, dtype=np.float32)
            frames.columns[name][column] = np.stack([blank if f is None else f[column] for f in found])
    if len(present) < len(found) and not frames.columns[name]:
        # Nothing changes but whether there is anything: the scaled column carries that.
        value = frames.visualization.fields[name].value
        if value in frames.constant[name]:
            kept = frames.constant[name].pop(value).astype(np.float32)
            blank = np.full_like(kept, np.nan)
            frames.columns[name][value] = np.stack([blank if f is None else kept for f in found])


def _scale(frames: FrameSet, name: str, declared: Field) -> None:
    """The range over all epochs, and every column's extent."""
    owner = f"visualization {frames.visualization.id}: field {name}"
    if declared.kind == "text":
        return
    if declared.kind == "image":
        stack = frames.static[name] if declared.static else frames.exact_images[name]
        frames.scales[name] = fit(declared, [np.asarray(stack)], owner)
        return
    columns: dict[str, Any]
    if declared.static:
        columns = dict(frames.static[name])  # type: ignore[arg-type]
    else:
        columns = {**frames.constant[name], **frames.columns[name]}
    numeric = {c: a for c, a in columns.items() if a.dtype.kind != "U"}
    described = [numeric[declared.value]] if declared.value in numeric else []
    frames.scales[name] = fit(declared, described, owner)
    frames.extents[name] = {c: _extent(a) for c, a in numeric.items()}


def _extent(values: np.ndarray) -> Extent:
    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0, 0.1, 1.0
    positive = good[good > 0]
    least = float(positive.min()) if positive.size else np.inf
    return float(good.min()), least, float(good.max())
