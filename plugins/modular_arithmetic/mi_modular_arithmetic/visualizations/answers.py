"""Figures of the answers: every pair at the cursor, accuracy by right answer, when each pair was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.visualizations.parts import ANSWERS, GRADUATION

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
QUANTITIES = {"p_correct": "p(correct)", "correct": "1 where right"}
MARGIN = "margin (logit)"
_UNUSED = np.full((1, 1), np.nan)  # stands for the field that the options leave out; costs one byte an epoch


def grid_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``marks``: the pairs of the chosen set, where their cells lie: columns ``a`` and ``b``."""
    probe = data.probe
    none = np.zeros(len(probe), dtype=bool)
    chosen = none if options["mark"] == "none" else probe.masks[options["mark"]]
    return {"marks": {axis: _centres(probe.axes[axis], probe.columns[axis][chosen]) for axis in ("a", "b")}}


def _centres(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where on an axis the cells of some of its coordinates lie, same shape; in group order or any other."""
    from mi.views.axis import CellAxis

    cells, order = CellAxis.of(axis, len(axis)), np.argsort(axis)
    place = order[np.searchsorted(axis, values, sorter=order)]
    return cells.start + (place + 0.5) * cells.step


def grid_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``margin`` or ``share``, whichever holds the chosen quantity: over pairs, (b, a)."""
    artifact = data.at(ANSWERS, epoch)[options["quantity"]].transpose("b", "a").values
    if options["quantity"] == "margin":
        return {"margin": artifact, "share": _UNUSED}
    return {"margin": _UNUSED, "share": np.where(artifact < 0, np.nan, artifact)}


def grid_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """A square map over the operands, the chosen set dotted."""
    from mi.views.recipes import heatmap

    field = "margin" if options["quantity"] == "margin" else "share"
    title = QUANTITIES.get(options["quantity"], MARGIN)
    plot = heatmap(sources, context, field, x="a", y="b", square=True, title=title)
    plot.scatter(
        x="a", y="b", size=1.6, color="#ffffff", alpha=0.75, source=sources["marks"], level="overlay"
    )
    return plot


def residue_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``accuracy``: columns ``residue`` and ``y``, accuracy by right answer, (n,) each."""
    artifact = data.at(ANSWERS, epoch)
    name = "residue_accuracy_test" if options["pairs"] == "test" else "residue_accuracy"
    return {"accuracy": {"residue": artifact["residue"].values, "y": artifact[name].values}}


def residue_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One bar a residue."""
    from mi.views.recipes import bars

    pairs = "test pairs" if options["pairs"] == "test" else "all pairs"
    return bars(
        sources,
        context,
        "accuracy",
        x="residue",
        x_label="right answer, in group order",
        y=f"accuracy on {pairs}",
        color=context.color_of("test" if options["pairs"] == "test" else "all pairs"),
    )


def graduation_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``graduation``: epoch from which a pair is answered right, over pairs (b, a); missing for never."""
    epochs = data.artifacts[GRADUATION]["graduation"].transpose("b", "a").values
    return {"graduation": np.where(epochs >= 0, epochs, np.nan)}


def graduation_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """A square map over the operands."""
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "graduation", x="a", y="b", square=True, title="epoch learned")
