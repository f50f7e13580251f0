"""Figures of the neurons' weights: phases against each other, misalignment, spread, and localization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.visualizations.parts import TIMELINE, name_rows

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

PHASES = "modular_arithmetic.phase_alignment"
Options = Mapping[str, Any]
CHANCE = "by chance"
SPREAD = {1: "n = 1", 2: "n = 2", 4: "n = 4"}


def scatter_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``points``: columns ``input`` 2φ, ``output`` ψ and ``k`` of each neuron that is shown, (neurons,)."""
    artifacts = data.at(PHASES, epoch)
    k = artifacts["dominant"].values
    shown = _members(artifacts, options["threshold"], options["frequency"])

    def own(name: str) -> np.ndarray:
        values = artifacts[name].values.astype(np.float64)
        return np.where(shown, values[np.arange(len(k)), np.maximum(k, 1) - 1], np.nan)

    return {
        "points": {
            "input": own("input_phase"),
            "output": own("output_phase"),
            "k": np.where(shown, k, np.nan),
            "neuron": artifacts["neuron"].values,
        }
    }


def scatter_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Output phase by input phase, on the diagonal where they fit; in the colour of the frequency."""
    from mi.views.recipes import points
    from mi_fourier_library.views import frequency_color

    span = (-np.pi, np.pi)
    plot = points(
        sources,
        context,
        "points",
        x="input",
        y="output",
        x_label="2φ, what the neuron reads (rad)",
        y_label="ψ, what it writes (rad)",
        x_range=span,
        y_range=span,
        color=frequency_color(context, "k", context.data.artifacts[PHASES]["freq"].values),
        size=5,
        square=True,
        tooltips=[("neuron", "@neuron"), ("k", "@k")],
    )
    plot.line(x=list(span), y=list(span), line_color="#888888", line_dash="dotted", line_width=1)
    return plot


def misalignment_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: weighted mean misalignment of all neurons and of the largest groups, by epoch."""
    artifacts = data.artifacts[PHASES]
    every = artifacts["mean_misalignment"].values
    by_frequency = artifacts["misalignment_by_frequency"].values  # (epochs, n//2)
    groups = {f"k = {k}": by_frequency[:, k - 1] for k in largest_groups(artifacts)}
    chance = np.full(len(every), np.pi / 2)
    return {"lines": {"epoch": artifacts["epoch"].values, "all": every, **groups, CHANCE: chance}}


def misalignment_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a frequency, in its colour; dotted where phases would be if they had nothing to do."""
    from mi.views.recipes import epoch_lines

    ks = largest_groups(context.data.artifacts[PHASES])
    return epoch_lines(
        sources,
        context,
        "lines",
        ["all", *(f"k = {k}" for k in ks), CHANCE],
        y="|2φ − ψ|, weighted by α²β (rad)",
        colors={f"k = {k}": context.color_of(k) for k in ks},
        dashes={CHANCE: "dotted"},
    )


def spread_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``spread``: |mean e^{inφ}| for n = 1, 2, 4 of the chosen group, or the mean of all groups, by epoch."""
    artifacts = data.artifacts[PHASES]
    values = artifacts["rayleigh"].values  # (epochs, harmonics, n//2)
    if options["frequency"]:
        chosen = artifacts["freq"].values == options["frequency"]
        shown = np.where(chosen, values, np.nan)
    else:
        shown = values
    there = ~np.isnan(shown)
    count = there.sum(axis=-1)
    mean = np.where(count > 0, np.where(there, shown, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)
    lines = {SPREAD[int(m)]: mean[:, i] for i, m in enumerate(artifacts["harmonic"].values)}
    return {"spread": {"epoch": artifacts["epoch"].values, **lines}}


def spread_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Three lines, towards 0 where a group's phases are spread evenly."""
    from mi.views.recipes import epoch_lines

    k = options["frequency"]
    of = f"the neurons of k = {k}" if k else "mean over frequencies' groups"
    return epoch_lines(sources, context, "spread", list(SPREAD.values()), y=f"|mean e^(inφ)|, {of}")


def localization_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: mean and median inverse participation ratio, and share of localized neurons, by epoch."""
    artifacts = data.artifacts[PHASES]
    ipr, share = artifacts["ipr"].values, artifacts["share"].values  # (epochs, neurons)
    live = ~np.isnan(ipr)
    count = np.maximum(live.sum(axis=1), 1)
    none = ~live.any(axis=1)
    mean = np.where(none, np.nan, np.where(live, ipr, 0).sum(axis=1) / count)
    median = np.array([np.median(row[ok]) if ok.any() else np.nan for row, ok in zip(ipr, live, strict=True)])
    localized = np.where(none, np.nan, (np.nan_to_num(share) >= options["threshold"]).sum(axis=1) / count)
    return {
        "lines": {
            "epoch": artifacts["epoch"].values,
            "mean IPR": mean,
            "median IPR": median,
            "localized neurons": localized,
        }
    }


def localization_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Three lines from 0 to 1."""
    from mi.views.recipes import epoch_lines

    names = ["mean IPR", "median IPR", "localized neurons"]
    return epoch_lines(sources, context, "lines", names, y="IPR, and share of neurons")


def waves_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``amplitude``: of each neuron's weights by frequency, neurons in their final order, (neurons, n//2)."""
    name = "input_amplitude" if options["side"] == "read" else "output_amplitude"
    order = data.artifacts[TIMELINE]["order"].values
    return {"amplitude": data.at(PHASES, epoch)[name].values[order].astype(np.float32)}


def waves_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Neuron by frequency."""
    from mi.views.recipes import heatmap

    order = context.data.artifacts[TIMELINE]["order"].values
    plot = heatmap(
        sources,
        context,
        "amplitude",
        x="frequency k",
        y="neuron, sorted by final frequency",
        title="α, read" if options["side"] == "read" else "β, written",
    )
    name_rows(plot, [str(n) for n in order], "neuron")
    return plot


def largest_groups(artifacts: xr.Dataset, most: int = 8) -> list[int]:
    """Frequencies that are dominant in at least 2 % of the neurons at the last checkpoint, rising."""
    last = artifacts["dominant"].values[-1]
    ks, counts = np.unique(last[last > 0], return_counts=True)
    big = ks[counts >= max(0.02 * len(last), 1)]
    order = np.argsort(-counts[counts >= max(0.02 * len(last), 1)], kind="stable")[:most]
    return sorted(int(k) for k in big[order])


def _members(artifacts: xr.Dataset, threshold: float, frequency: int) -> np.ndarray:
    """Neurons whose dominant frequency holds enough of their input, and is the chosen one (0: any)."""
    k = artifacts["dominant"].values
    members: np.ndarray = (k > 0) & (np.nan_to_num(artifacts["share"].values) >= threshold)
    return members & (k == frequency) if frequency else members
