"""Figures of heads: patterns, and scores at the cursor and over training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import ParameterError
from mi_transformer_library.anatomy import head_name

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

PATTERN = "transformer_library.attention_pattern"
Options = Mapping[str, Any]


def pattern_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``pattern``: one head's attention, (query, key)."""
    artifacts = data.at(PATTERN, epoch)
    return {"pattern": chosen(artifacts, options, "layer", "head")["pattern"].values}


def pattern_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Query by key."""
    from mi.views.recipes import heatmap

    title = f"attention of {head_name(options['layer'], options['head'])}"
    return heatmap(sources, context, "pattern", x="key", y="query", square=True, title=title)


def score_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``score``: every head's, (layer, head)."""
    (id,) = data.artifacts
    return {"score": data.at(id, epoch)["score"].values}


def score_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Layer by head."""
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "score", title="score")


def history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``history``: every head's score over all epochs, (layers x heads, epochs)."""
    score = _score(data)
    return {"history": score.transpose("layer", "head", "epoch").values.reshape(-1, score.sizes["epoch"])}


def history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Head by epoch."""
    from mi.views.recipes import epoch_heatmap

    score = _score(context.data)
    names = [head_name(layer, head) for layer in score["layer"].values for head in score["head"].values]
    return epoch_heatmap(
        sources, context, "history", y="head", rows=names, epochs=score["epoch"].values, title="score"
    )


def chosen(artifacts: xr.Dataset, options: Options, *dims: str) -> xr.Dataset:
    """The artifacts at the coordinates that options of the same names give.

    Raises:
        ParameterError: the model has no such layer or head.
    """
    for dim in dims:
        known = artifacts[dim].values
        if options[dim] not in known:
            low, high = int(np.min(known)), int(np.max(known))
            raise ParameterError(f"{dim} is {options[dim]}, expected one from {low} to {high}")
    return artifacts.sel({dim: options[dim] for dim in dims})


def _score(data: ViewData) -> xr.DataArray:
    (id,) = data.artifacts
    return data.artifacts[id]["score"]
