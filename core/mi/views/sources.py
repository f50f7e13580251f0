"""What goes to the browser: one source a field for the current frame, one a panel for all frames.

The current-frame sources and the stacks are not synced back: the page's script copies a frame from the stack
into the source, in place, and nothing crosses the wire. An image's source holds ``image`` (codes, for the
colour) and ``value`` (float32, for the tooltip); ``exact`` says whether ``value`` is exact or what the code
stands for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource

from mi.views.check import Value
from mi.views.frames import FrameSet


def current_sources(frames: FrameSet, epoch: int, panel: str) -> dict[str, ColumnDataSource]:
    """One source a field, at ``epoch``; named ``<panel>/<field>``."""
    exact = frames.exact(epoch) if len(frames.epochs) else {}
    return {
        name: ColumnDataSource(
            data=_columns(frames, name, (frames.static | exact)[name]),
            name=f"{panel}/{name}",
            syncable=False,
        )
        for name in frames.visualization.fields
    }


def stacked_source(frames: FrameSet, panel: str) -> ColumnDataSource:
    """All frames of a panel: ``<field>`` (E, h, w) uint8 or E texts, ``<field>/<column>`` (E, n) float32."""
    data: dict[str, Any] = {**frames.images, **frames.texts}
    for name, columns in frames.columns.items():
        data |= {f"{name}/{column}": _shown(stack) for column, stack in columns.items()}
    return ColumnDataSource(data=data, name=f"{panel}/frames", syncable=False)


def describe(frames: FrameSet) -> dict[str, Any]:
    """What the page's script must know of a panel's moving fields, as plain JSON."""
    fields = []
    for name in frames.images:
        table = frames.scales[name].table()
        values = [float(f"{v:.7g}") if np.isfinite(v) else None for v in table]
        fields.append({"name": name, "kind": "image", "table": values})
    fields += [{"name": name, "kind": "text"} for name in frames.texts]
    fields += [
        {"name": name, "kind": "columns", "columns": list(columns)}
        for name, columns in frames.columns.items()
        if columns
    ]
    gone = [frames.index(epoch) for epoch in frames.missing] if fields else []
    return {"fields": fields, "missing": gone}


def exact_images(frames: FrameSet, epoch: int) -> dict[str, np.ndarray]:
    """Image field -> exact values at one epoch, float32, (h, w)."""
    i = frames.index(epoch)
    return {
        name: np.ascontiguousarray(stack[i], dtype=np.float32) for name, stack in frames.exact_images.items()
    }


def _shown(values: np.ndarray) -> np.ndarray:
    """Values as glyphs take them: an infinity has no place on an axis, and is missing."""
    if values.dtype.kind == "f" and np.isinf(values).any():
        return np.where(np.isinf(values), np.asarray(np.nan, dtype=values.dtype), values)
    return values


def _columns(frames: FrameSet, name: str, value: Value) -> dict[str, Any]:
    kind = frames.visualization.fields[name].kind
    if kind == "image":
        values = np.ascontiguousarray(value, dtype=np.float32)
        return {"image": [frames.scales[name].encode(values)], "value": [values], "exact": [1]}
    if isinstance(value, dict):
        return {c: list(map(str, a)) if a.dtype.kind == "U" else _shown(a).copy() for c, a in value.items()}
    return {"text": [value]}
