"""Figures of the groups of neurons: positions with their trails, and their shape over training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
GROUPS = "modular_arithmetic.group_geometry"
MEASURES = {
    "spread": "spread of the group",
    "center": "norm of the group's mean",
    "dimension": "dimensions of the group",
    "captured": "variance on the last checkpoint's axes",
    "r2": "R² of the quadratic, own components",
    "r2_shared": "R² of the quadratic, the last checkpoint's axes",
    "r2_linear": "R² of the plane, the last checkpoint's axes",
    "determinant": "4ab − c², own components",
    "determinant_shared": "4ab − c², the last checkpoint's axes",
}
BENT = 0.05  # |4ab − c²| from which a surface bends along both of its axes


def scatter_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``trails``: where each neuron of the group has been, one after the other, NaN between them."""
    artifacts = data.artifacts[GROUPS]
    x, y = _places(artifacts, options)  # (epochs, neurons)
    gap = np.full((1, x.shape[1]), np.nan)
    return {"trails": {name: np.concatenate([c, gap]).T.ravel() for name, c in (("x", x), ("y", y))}}


def scatter_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``neurons``: columns ``x``, ``y`` and ``neuron`` at this epoch, (neurons of the group,) each."""
    artifacts = data.artifacts[GROUPS]
    x, y = _places(artifacts, options)
    here = np.flatnonzero(artifacts["epoch"].values == epoch)
    missing = np.full(x.shape[1], np.nan)
    at = {"x": x[here[0]] if len(here) else missing, "y": y[here[0]] if len(here) else missing}
    return {"neurons": {**at, "neuron": _members(artifacts, options)}}


def scatter_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One point a neuron, its trail behind it; both axes have one scale."""
    from mi.views.recipes import points

    ends = [context.extent("trails", axis) for axis in ("x", "y")]
    half = max(abs(end) for pair in ends for end in pair)
    k = _frequency(context.data.artifacts[GROUPS], options)
    plot = points(
        sources,
        context,
        "neurons",
        x_label=f"component {options['x']} of the neurons of k = {k}",
        y_label=f"component {options['y']}",
        x_range=(-half, half),
        y_range=(-half, half),
        color=context.color_of(k),
        size=7,
        square=True,
        tooltips=[("neuron", "@neuron")],
    )
    plot.line(
        x="x", y="y", source=sources["trails"], line_color=context.color_of(k), line_alpha=0.25, line_width=1
    )
    return plot


def shape_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: the chosen measure by group and epoch."""
    artifacts = data.artifacts[GROUPS]
    values, ks = (
        artifacts["measures"].sel(measure=options["measure"]).values,
        artifacts["freq"].values.tolist(),
    )
    columns = {f"k = {k}": values[:, ks.index(k)] for k in groups(artifacts)}
    nothing = {} if columns else {"no group": np.full(len(values), np.nan)}
    return {"lines": {"epoch": artifacts["epoch"].values, **columns, **nothing}}


def shape_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a group, in its frequency's colour."""
    from mi.views.recipes import epoch_lines

    names = [name for name in sources["lines"].data if name != "epoch"]
    colors = {f"k = {k}": context.color_of(k) for k in groups(context.data.artifacts[GROUPS])}
    return epoch_lines(sources, context, "lines", names, y=MEASURES[options["measure"]], colors=colors)


def kind_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``kind``: 0 where no quadratic fits, 1 a trough, 2 a bowl, 3 a saddle, (groups, epochs)."""
    artifacts = data.artifacts[GROUPS]
    ks = [artifacts["freq"].values.tolist().index(k) for k in groups(artifacts)]
    basis = "" if options["basis"] == "aligned" else "_shared"
    r2, determinant = (
        artifacts["measures"].sel(measure=f"{name}{basis}").values[:, ks].T for name in ("r2", "determinant")
    )
    kinds = shape_kinds(r2, determinant, options["curved"])
    return {"kind": kinds if len(ks) else np.full((1, r2.shape[1]), -1)}


def kind_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Group by epoch, in the colour of its shape."""
    from bokeh.models import Legend, LegendItem

    from mi.views.recipes import epoch_heatmap

    artifacts = context.data.artifacts[GROUPS]
    plot = epoch_heatmap(
        sources,
        context,
        "kind",
        y="group",
        rows=[f"k = {k}" for k in groups(artifacts)] or ["no group"],
        epochs=artifacts["epoch"].values,
        title="0 flat, 1 trough, 2 bowl, 3 saddle",
    )
    items = []
    for code, name in enumerate(("flat or unruly", "trough", "bowl", "saddle")):
        mark = plot.scatter(
            x=[np.nan], y=[np.nan], size=10, marker="square", color=context.palette("kind")[code]
        )
        items.append(LegendItem(label=name, renderers=[mark]))
    plot.add_layout(Legend(items=items, orientation="horizontal", border_line_color=None), "above")
    return plot


def shape_kinds(r2: np.ndarray, determinant: np.ndarray, curved: float) -> np.ndarray:
    """0 where the quadratic explains less than ``curved``, else 1 trough, 2 bowl, 3 saddle; -1 unknown."""
    kinds = np.where(determinant < -BENT, 3, np.where(determinant > BENT, 2, 1))
    known = ~(np.isnan(r2) | np.isnan(determinant))
    found: np.ndarray = np.where(known, np.where(np.nan_to_num(r2) >= curved, kinds, 0), -1)
    return found


def groups(artifacts: xr.Dataset) -> list[int]:
    """Frequencies that have a group, rising."""
    return [int(k) for k in artifacts["freq"].values[artifacts["size"].values > 0]]


def _frequency(artifacts: xr.Dataset, options: Options) -> int:
    """The chosen frequency; the one of the largest group for 0."""
    chosen = int(options["frequency"])
    size = artifacts["size"].values
    return chosen or int(artifacts["freq"].values[size.argmax()])


def _members(artifacts: xr.Dataset, options: Options) -> np.ndarray:
    """The neurons of the group; the first one where there is no such group, whose place is missing."""
    found = np.flatnonzero(artifacts["member"].values == _frequency(artifacts, options))
    return found if len(found) else np.zeros(1, dtype=np.int64)


def _places(artifacts: xr.Dataset, options: Options) -> tuple[np.ndarray, np.ndarray]:
    members = _members(artifacts, options)
    name = "aligned" if options["basis"] == "aligned" else "position"
    places = artifacts[name].values[:, members]  # (epochs, members, components)
    if (artifacts["member"].values[members] != _frequency(artifacts, options)).any():
        places = np.full_like(places, np.nan)
    return places[..., options["x"] - 1], places[..., options["y"] - 1]
