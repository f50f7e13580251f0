"""Gradients of the loss by weight tensor, beside the weights that weight decay pulls on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from bokeh.models import LayoutDOM

    from mi.engine.data import CheckpointData, Subject
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

ID = "core.weight_gradients"


def coordinates(subject: Subject, *, rows: str) -> dict[str, list[str]]:
    """``weight``: names of the checkpoint's tensors, sorted."""
    return {"weight": sorted(subject.weights)}


def weight_gradients(data: CheckpointData, *, rows: str) -> dict[str, torch.Tensor]:
    """Norms, cosine and ratio of each tensor's gradient and the tensor itself; see the declaration.

    Sums are taken in float64: a gradient's squares underflow in float32 long before training ends.
    """
    import torch

    found = data.gradients(rows)
    names = sorted(found.weights)
    gradients = [found.weights[name].double() for name in names]
    weights = [data.weights[name].double() for name in names]
    of_gradients = torch.stack([g.norm() for g in gradients])  # (weight,)
    of_weights = torch.stack([w.norm() for w in weights])
    along = torch.stack([(g * w).sum() for g, w in zip(gradients, weights, strict=True)])
    missing = torch.full_like(along, torch.nan)
    both = of_gradients * of_weights
    return {
        "gradient_norm": of_gradients,
        "weight_norm": of_weights,
        "cosine": torch.where(both > 0, along / both, missing).clamp(-1, 1),
        "ratio": torch.where(of_weights > 0, of_gradients / of_weights, missing),
        "total_norm": of_gradients.square().sum().sqrt(),
        "loss": found.loss,
    }


def static(data: ViewData, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """``norm`` and ``cosine``: (weight, epoch)."""
    artifacts = data.artifacts[ID].transpose("weight", "epoch", ...)
    return {"norm": artifacts["gradient_norm"].values, "cosine": artifacts["cosine"].values}


def figure(sources: Any, context: FigureContext, options: Mapping[str, Any]) -> LayoutDOM:
    """Norms above cosines, one row a tensor."""
    from bokeh.layouts import column

    from mi.views.recipes import epoch_heatmap

    artifacts = context.data.artifacts[ID]
    names = [str(name) for name in artifacts["weight"].values]
    titles = {"norm": "gradient norm", "cosine": "cosine of gradient and weight"}
    plots = []
    for field, title in titles.items():
        plot = epoch_heatmap(
            sources,
            context,
            field,
            y="weight",
            rows=names,
            epochs=artifacts["epoch"].values,
            title=title,
            height=max(context.height // 2, 160),
        )
        plots.append(plot)
    plots[0].xaxis.axis_label = None
    return column(*plots, sizing_mode="stretch_width")
