"""Figures of singular values and effective dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

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
    artifacts = data.artifacts[DIMENSION]
    values = artifacts[options["measure"]].values  # (epochs, matrices)
    names = artifacts["matrix"].values.tolist()
    layer = in_layer(names, options["layer"])
    columns = {name: values[:, names.index(named(layer, name))] for name in JOINT}
    for name in PER_HEAD:
        heads = [i for i, one in enumerate(names) if one.startswith(f"{layer}{name}.")]
        columns[name] = values[:, heads].mean(axis=1)
    needed = 2 * len(key_frequencies(data.artifacts[PROGRESS]))
    columns[TWICE] = np.full(len(values), float(needed))
    return {"dimension": {"epoch": artifacts["epoch"].values, **columns}}


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
