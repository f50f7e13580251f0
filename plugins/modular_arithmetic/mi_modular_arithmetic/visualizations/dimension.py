"""Figures of singular values and effective dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import unknown
from mi_modular_arithmetic.matrices import JOINT, PER_HEAD, in_layer, named
from mi_modular_arithmetic.visualizations.parts import DIMENSION, PROGRESS, key_frequencies

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
MEASURES = {
    "participation_ratio": "participation ratio",
    "stable_rank": "stable rank",
    "entropy_rank": "entropy rank",
}
TWICE = "2 × key frequencies"


def dimension_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``dimension``: the chosen measure of each matrix by epoch, and what the key frequencies would need."""
    return {"dimension": {"epoch": data.artifacts[DIMENSION]["epoch"].values, **_columns(data, options)}}


def dimension_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a matrix."""
    from mi.views.recipes import epoch_lines

    names = [*JOINT, *PER_HEAD, TWICE]
    return epoch_lines(
        sources,
        context,
        "dimension",
        {name: name for name in names},
        y=f"{MEASURES[options['measure']]} (dimensions)",
        dashes={TWICE: "dotted"},
    )


def crossing_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``crossing``: epoch from which the row stays below the column, (matrices, matrices + 1)."""
    columns = _columns(data, options)
    values = np.stack(list(columns.values()), axis=1)  # (epochs, matrices and twice the key frequencies)
    epochs = crossings(data.artifacts[DIMENSION]["epoch"].values, values)
    return {"crossing": epochs[:-1][::-1]}


def crossing_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Matrix by matrix, the first on top."""
    from bokeh.models import FixedTicker

    from mi.views.recipes import heatmap

    names = list(_columns(context.data, options))
    plot = heatmap(
        sources,
        context,
        "crossing",
        x="than",
        y="fewer dimensions in",
        rows=names[:-1][::-1],
        title="epoch",
    )
    plot.xaxis.ticker = FixedTicker(ticks=list(range(len(names))))
    plot.xaxis.major_label_overrides = {i: "2 |K|" if n == TWICE else n for i, n in enumerate(names)}
    return plot


def crossings(epochs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """First epoch from which column i stays below column j to the end: (n, n); NaN for never and always.

    Args:
        epochs: of the rows, rising.
        values: (epochs, n).
    """
    below = values[:, :, None] < values[:, None, :]  # (epochs, i, j); false where one is missing
    held = np.logical_and.accumulate(below[::-1], axis=0)[::-1]
    crossed = held[-1] & ~held[0]
    found: np.ndarray = np.where(crossed, epochs[held.argmax(axis=0)], np.nan)
    return found


def history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``history``: singular values of the chosen matrix, (ranks, epochs), without ranks that it lacks.

    Raises:
        UnknownNameError: there is no such matrix.
    """
    artifacts = data.artifacts[DIMENSION]
    names = [str(name) for name in artifacts["matrix"].values]
    if options["matrix"] not in names:
        raise unknown("matrix", options["matrix"], names)
    values = artifacts["singular_values"].values[:, names.index(options["matrix"])].T  # (ranks, epochs)
    there = ~np.isnan(values).all(axis=1)
    return {"history": values[: max(int(there.sum()), 1)]}


def history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Rank by epoch."""
    from mi.views.recipes import epoch_heatmap

    ranks = np.shape(sources["history"].data["image"][0])[0]
    return epoch_heatmap(
        sources,
        context,
        "history",
        y="rank (from the largest)",
        rows=[str(rank + 1) for rank in range(ranks)],
        epochs=context.data.artifacts[DIMENSION]["epoch"].values,
        title=f"singular values of {options['matrix']}",
    )


def _columns(data: ViewData, options: Options) -> dict[str, np.ndarray]:
    """The chosen measure by matrix, heads in mean, and twice the key frequencies: (epochs,) each."""
    artifacts = data.artifacts[DIMENSION]
    values = artifacts[options["measure"]].values  # (epochs, matrices)
    names = artifacts["matrix"].values.tolist()
    layer = in_layer(names, options["layer"])
    columns = {name: values[:, names.index(named(layer, name))] for name in JOINT}
    for name in PER_HEAD:
        heads = [i for i, one in enumerate(names) if one.startswith(f"{layer}{name}.")]
        columns[name] = values[:, heads].mean(axis=1)
    needed = 2 * len(key_frequencies(data.artifacts[PROGRESS]))
    return {**columns, TWICE: np.full(len(values), float(needed))}


def singular_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``values``: singular values of each matrix from the largest; of one head where heads differ."""
    artifacts = data.at(DIMENSION, epoch)
    values, names = artifacts["singular_values"].values, artifacts["matrix"].values.tolist()
    layer = in_layer(names, options["layer"])
    shown = _singular(options).items()
    columns = {label: values[names.index(named(layer, name))] for name, label in shown}
    return {"values": {"rank": artifacts["rank"].values + 1, **columns}}


def singular_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a matrix."""
    from mi.views.recipes import lines

    return lines(
        sources,
        context,
        "values",
        {name: name for name in _singular(options).values()},
        x="rank",
        x_label="rank (from the largest)",
        y="singular value",
    )


def _singular(options: Options) -> dict[str, str]:
    """Names of the matrices shown within their layer -> the names by which they have their colours."""
    return {name: name for name in JOINT} | {f"{name}.{options['head']}": name for name in PER_HEAD}
