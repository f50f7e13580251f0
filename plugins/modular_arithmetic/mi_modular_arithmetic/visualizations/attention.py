"""Figures of attention from '=': map over pairs, mean over training, frequencies of the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.visualizations.parts import PATTERN, SCORES

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
POSITIONS = ("a", "b", "=")


def pattern_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``pattern``: attention from '=' to the chosen position over pairs, (b, a), each p."""
    head, position = options["head"], POSITIONS.index(options["position"])
    return {"pattern": attention(data.at(SCORES, epoch), head)[position].T}


def attention(scores: xr.Dataset, head: int) -> np.ndarray:
    """One head's attention row of '=' over all pairs, (3, a, b): the softmax of its three scores."""
    one = scores.sel(head=head)
    score = one["score"].values.astype(np.float64)  # (2, p)
    shape = (score.shape[1], score.shape[1])
    rows = np.stack(
        [
            np.broadcast_to(score[0][:, None], shape),
            np.broadcast_to(score[1][None, :], shape),
            np.broadcast_to(float(one["score_equals"]), shape),
        ]
    )
    rows = np.exp(rows - rows.max(axis=0))
    shares: np.ndarray = rows / rows.sum(axis=0)
    return shares


def pattern_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """A square map over the operands."""
    from mi.views.recipes import heatmap

    title = f"attention of head {options['head']} from '=' to {options['position']}"
    return heatmap(sources, context, "pattern", x="a", y="b", square=True, title=title)


def mean_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``mean``: each head's mean attention to the chosen position by epoch."""
    artifacts = data.artifacts[PATTERN]
    mean = artifacts["mean"].values[..., POSITIONS.index(options["position"])]  # (epochs, heads)
    heads = {f"head {h}": mean[:, i] for i, h in enumerate(artifacts["head"].values)}
    return {"mean": {"epoch": artifacts["epoch"].values, **heads}}


def mean_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a head."""
    from mi.views.recipes import epoch_lines

    heads = [f"head {h}" for h in context.data.artifacts[PATTERN]["head"].values]
    return epoch_lines(sources, context, "mean", heads, y=f"mean attention from '=' to {options['position']}")


def spectrum_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``spectrum``: energy share by frequency, one row a head (and operand), the first head on top."""
    artifacts = data.at(SCORES, epoch)
    rows = artifacts["ov_share" if options["of"] == "written" else "share"].values
    return {"spectrum": rows.reshape(-1, rows.shape[-1])[::-1]}


def spectrum_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Head by frequency."""
    from mi.views.recipes import heatmap

    heads = context.data.artifacts[SCORES]["head"].values
    if options["of"] == "written":
        names = [f"head {h}" for h in heads]
    else:
        names = [f"head {h} · {operand}" for h in heads for operand in POSITIONS[:2]]
    return heatmap(
        sources, context, "spectrum", x="frequency k", y="head", rows=names[::-1], title="share of energy"
    )
