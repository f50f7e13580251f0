"""Figures of the neurons: what each computes with at the cursor, and how that settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.analyzers.neurons import (
    committed_counts,
    committed_frequency,
    transient_frequencies,
)
from mi_modular_arithmetic.visualizations.parts import NEURONS, TIMELINE, epochs_of, name_rows

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
LEAST = 0.01  # a frequency that never held this share of the neurons gets no line


def spectrum_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``spectrum``: energy share by neuron and frequency, neurons in their final order, (neurons, p//2)."""
    return {"spectrum": data.at(NEURONS, epoch)["fraction"].values[_order(data)]}


def spectrum_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Neuron by frequency."""
    from mi.views.recipes import heatmap

    plot = heatmap(
        sources,
        context,
        "spectrum",
        x="frequency k",
        y="neuron, sorted by final frequency",
        title="share of energy",
    )
    name_rows(plot, [str(n) for n in _order(context.data)], "neuron")
    return plot


def map_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``map``: the frequency to which each neuron is committed by epoch, missing where to none."""
    state = _state(data, options)[:, _order(data)].T  # (neurons, epochs)
    return {"map": np.where(state > 0, state, -1)}


def map_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Neuron by epoch, in the colour of its frequency."""
    from mi.views.recipes import epoch_heatmap

    plot = epoch_heatmap(
        sources,
        context,
        "map",
        y="neuron, sorted by final frequency",
        epochs=epochs_of(context.data, NEURONS),
        title="frequency k",
    )
    name_rows(plot, [str(n) for n in _order(context.data)], "neuron")
    return plot


def timeline_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``counts``: neurons committed to each frequency that matters, and live neurons without commitment."""
    state = _state(data, options)
    artifacts = data.artifacts[NEURONS]
    counts = committed_counts(state, artifacts["freq"].values)
    columns = {f"k = {k}": counts[:, k - 1] for k in _shown(counts, state.shape[1])}
    idle = ((artifacts["dominant"].values > 0) & (state == 0)).sum(axis=1)
    return {"counts": {"epoch": artifacts["epoch"].values, **columns, "uncommitted": idle}}


def timeline_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a frequency; dashed for those that came and went."""
    from mi.views.recipes import epoch_lines

    state = _state(context.data, options)
    counts = committed_counts(state, context.data.artifacts[NEURONS]["freq"].values)
    transient = transient_frequencies(counts, state.shape[1])
    shown = _shown(counts, state.shape[1])
    return epoch_lines(
        sources,
        context,
        "counts",
        [*(f"k = {k}" for k in shown), "uncommitted"],
        y="neurons",
        colors={f"k = {k}": context.color_of(k) for k in shown},
        dashes={f"k = {k}": "dashed" for k in shown if transient[k - 1]} | {"uncommitted": "dotted"},
    )


def _order(data: ViewData) -> np.ndarray:
    order: np.ndarray = data.artifacts[TIMELINE]["order"].values
    return order


def _state(data: ViewData, options: Options) -> np.ndarray:
    """Committed frequency by epoch and neuron, 0 for none: (epochs, neurons)."""
    artifacts = data.artifacts[NEURONS]
    return committed_frequency(
        artifacts["dominant"].values, artifacts["dominant_fraction"].values, options["threshold"]
    )


def _shown(counts: np.ndarray, neurons: int) -> list[int]:
    """Frequencies that ever held a visible share of the neurons, rising."""
    return [int(i) + 1 for i in np.flatnonzero(counts.max(axis=0) >= max(LEAST * neurons, 1))]
