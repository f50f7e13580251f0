"""What tooltips say of cells, values and epochs; small formatters that run in the browser."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSHover

from mi.views.axis import CellAxis

_CELL = """
const i = Math.min(Math.max(Math.floor((value - start) / step), 0), count - 1);
return labels.length ? labels[i] : String(Number((start + (i + 0.5) * step).toPrecision(12)));
"""

# While scrubbing, a cell's value is what its colour code stands for: said with "≈".
_VALUE = """
if (Number.isNaN(value)) return "missing";
if (!Number.isFinite(value)) return value > 0 ? "infinite" : "minus infinite";
const shown = Number(value.toPrecision(4)).toString();
return (source.data.exact[0] ? "" : "≈ ") + shown;
"""

_EPOCH = """
const said = value.toLocaleString("en-US");
const i = epochs.indexOf(value);
return i < 0 ? said : said + " · checkpoint " + i;
"""


def cell_hover(axis: CellAxis) -> CustomJSHover:
    """The coordinate of the cell under the pointer, from ``$x`` or ``$y``."""
    labels: Any = list(axis.labels)
    return CustomJSHover(
        args={"start": axis.start, "step": axis.step, "count": axis.count, "labels": labels}, code=_CELL
    )


def value_hover(source: ColumnDataSource) -> CustomJSHover:
    """The value of the cell under the pointer, ``≈`` where it comes from one byte."""
    return CustomJSHover(args={"source": source}, code=_VALUE)


def epoch_hover(epochs: np.ndarray) -> CustomJSHover:
    """An epoch, with the index of its checkpoint where it has one."""
    return CustomJSHover(args={"epochs": [int(e) for e in epochs]}, code=_EPOCH)
