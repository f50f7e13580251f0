"""Figures of activation patching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_transformer_library.view_heads import chosen

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

PATCHING = "transformer_library.activation_patching"
Options = Mapping[str, Any]


def recovery_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``recovery``: of the chosen kind, (layer, position); missing where the model has no such site."""
    recovery = data.at(PATCHING, epoch)["recovery"]
    kinds = [str(kind) for kind in recovery["kind"].values]
    if options["kind"] not in kinds:
        return {"recovery": np.full(recovery.shape[1:], np.nan)}
    return {"recovery": recovery.values[kinds.index(options["kind"])]}


def recovery_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Layer by position."""
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "recovery", title="share of the answer that comes back")


def heads_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``recovery``: of the heads of one layer, (head, position)."""
    return {"recovery": chosen(data.at(PATCHING, epoch), options, "layer")["head_recovery"].values}


def heads_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Head by position."""
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "recovery", title=f"share that comes back, layer {options['layer']}")
