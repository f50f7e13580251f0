"""The path of the weights as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import unknown

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
PATH = "geometry_library.parameter_path"
GRADIENTS = "core.weight_gradients"
ALL = "all"
SHOWN = 8  # lines, beside all together, that can still be told apart


def path_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``path``: columns ``x``, ``y``, ``epoch`` and ``age`` (log10 of epoch + 1), (epochs,) each."""
    artifacts = data.artifacts[PATH]
    x, y = _positions(artifacts, options)
    epochs = artifacts["epoch"].values
    return {"path": {"x": x, "y": y, "epoch": epochs, "age": np.log10(epochs + 1.0)}}


def path_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``now``: the one point of this epoch; missing where the path has none yet."""
    artifacts = data.artifacts[PATH]
    here = artifacts["epoch"].values == epoch
    x, y = (column[here] if here.any() else np.array([np.nan]) for column in _positions(artifacts, options))
    return {"now": {"x": x, "y": y}}


def path_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Points of the path joined by a thin line, the cursor a ring around one of them."""
    from mi.views.recipes import points

    artifacts = context.data.artifacts[PATH]
    share = artifacts["share"].values[_index(artifacts, options["matrix"])]
    labels = {
        axis: f"component {options[axis]} ({_percent(share[options[axis] - 1])} of the variance)"
        for axis in ("x", "y")
    }
    ranges = _like_ranges(context)
    plot = points(
        sources,
        context,
        "path",
        x_label=labels["x"],
        y_label=labels["y"],
        x_range=ranges[0],
        y_range=ranges[1],
        color=context.color("path", "age"),
        square=True,
        tooltips=[("epoch", "@epoch{0,0}")],
    )
    plot.line(x="x", y="y", source=sources["path"], line_color="#888888", line_alpha=0.5, line_width=1)
    plot.scatter(
        x="x",
        y="y",
        source=sources["now"],
        size=14,
        fill_color=None,
        line_color=context.color_of("cursor"),
        line_width=3,
        level="overlay",
    )
    context.color_bar(plot, "path", "log10 (epoch + 1)")
    return plot


def speed_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: speed by tensor and epoch."""
    return {"lines": _columns(data.artifacts[PATH], "speed", options)}


def speed_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a tensor."""
    return _lines(sources, context, "lines", "|Δθ| / epochs")


def turning_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: cosine of successive updates by tensor and epoch."""
    return {"lines": _columns(data.artifacts[PATH], "cosine", options)}


def turning_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a tensor."""
    return _lines(sources, context, "lines", "cosine of updates before and after")


def norms_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: squared norm by tensor and epoch."""
    return {"lines": _columns(data.artifacts[PATH], "squared_norm", options)}


def norms_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a tensor."""
    return _lines(sources, context, "lines", "|θ|²")


def pulls_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``cosine`` of −∇L and −λθ, and ``ratio`` of their norms, by tensor and epoch."""
    artifacts = data.artifacts[GRADIENTS]
    names = [str(name) for name in artifacts["weight"].values]
    shown = _shown(names, artifacts["weight_norm"].values[-1], options["matrices"])
    cosine, ratio = artifacts["cosine"].values, artifacts["ratio"].values / _decay(data, options)
    epochs = artifacts["epoch"].values
    return {
        field: {"epoch": epochs} | {name: values[:, names.index(name)] for name in shown}
        for field, values in (("cosine", cosine), ("ratio", ratio))
    }


def pulls_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Cosines above ratios, one line a tensor."""
    from bokeh.layouts import column

    plots = [
        _lines(sources, context, "cosine", "cosine of −∇L and −λθ"),
        _lines(sources, context, "ratio", "|∇L| / |λθ|"),
    ]
    for plot in plots:
        plot.height = max(context.height // 2, 180)
    plots[0].xaxis.axis_label = None
    return column(*plots, sizing_mode="stretch_width")


def _decay(data: ViewData, options: Options) -> float:
    """λ, where the variant has it and decays at all; else 1, so that the ratio is that of the norms."""
    value = data.parameters.get(options["decay"], 1.0)
    return float(value) if isinstance(value, int | float) and value > 0 else 1.0


def _lines(sources: Any, context: FigureContext, field: str, y: str) -> Any:
    from mi.views.recipes import epoch_lines

    names = [name for name in sources[field].data if name != "epoch"]
    return epoch_lines(sources, context, field, {name: name for name in names}, y=y, dashes={ALL: "dashed"})


def _columns(artifacts: xr.Dataset, output: str, options: Options) -> dict[str, np.ndarray]:
    names = [str(name) for name in artifacts["matrix"].values]
    sizes = artifacts["squared_norm"].values[-1]
    values = artifacts[output].values  # (epochs, matrices)
    shown = _shown(names, sizes, options["matrices"])
    return {"epoch": artifacts["epoch"].values} | {n: values[:, names.index(n)] for n in shown}


def _shown(names: Sequence[str], sizes: np.ndarray, chosen: Sequence[str]) -> list[str]:
    """The tensors chosen; when none is, the largest in their own order, and all together.

    Raises:
        UnknownNameError: there is no such tensor.
    """
    for name in chosen:
        if name not in names:
            raise unknown("weight tensor", name, names)
    if chosen:
        return list(chosen)
    own = [i for i, name in enumerate(names) if name != ALL]
    largest = sorted(own, key=lambda i: (-np.nan_to_num(sizes[i]), i))[:SHOWN]
    return [names[i] for i in sorted(largest)] + [name for name in names if name == ALL]


def _positions(artifacts: xr.Dataset, options: Options) -> tuple[np.ndarray, np.ndarray]:
    position = artifacts["position"].values[:, _index(artifacts, options["matrix"])]  # (epochs, components)
    return position[:, options["x"] - 1], position[:, options["y"] - 1]


def _index(artifacts: xr.Dataset, matrix: str) -> int:
    names = [str(name) for name in artifacts["matrix"].values]
    if matrix not in names:
        raise unknown("weight tensor", matrix, names)
    return names.index(matrix)


def _like_ranges(context: FigureContext) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of both axes, equally far apart, so that a distance means the same along either."""
    ends = [context.extent("path", axis, pad=0.0) for axis in ("x", "y")]
    half = max(high - low for low, high in ends) * 0.54
    first, second = (((low + high) / 2 - half, (low + high) / 2 + half) for low, high in ends)
    return first, second


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.0f} %"
