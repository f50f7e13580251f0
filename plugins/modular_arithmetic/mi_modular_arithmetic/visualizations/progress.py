"""Figures of the progress measures: losses of parts of the circuit, and the strength of each frequency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.visualizations.parts import (
    PROGRESS,
    SPECTRUM,
    draw_four_losses,
    epochs_of,
    four_losses,
    key_frequencies,
    over_epochs,
)

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
MEASURES = {
    "train": "train",
    "test": "test",
    "restricted": "restricted (test pairs, key frequencies alone)",
    "excluded": "excluded (train pairs, without them)",
}
STRENGTHS = {"fve": "fraction of variance", "trig_coefficient": "coefficient (logit)"}
SPARSITY = {"embedding": "embedding", "neurons": "neurons"}


def measures_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``measures``: train, test, restricted and excluded loss at each checkpoint, in nats."""
    return {"measures": four_losses(data, PROGRESS)}


def measures_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Four losses on a log axis."""
    return draw_four_losses(sources, context, "measures", MEASURES)


def strength_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``strength``: strength of each frequency in the logits over all epochs, (p//2, epochs)."""
    return {"strength": over_epochs(data, SPECTRUM, options["quantity"], "freq")}


def strength_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Frequency by epoch."""
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(
        sources,
        context,
        "strength",
        y="frequency k",
        epochs=epochs_of(context.data, SPECTRUM),
        title=STRENGTHS[options["quantity"]],
    )


def key_lines_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: fraction of variance of each key frequency and of all others together, by epoch."""
    spectrum = data.artifacts[SPECTRUM]
    fve = spectrum["fve"].values  # (epochs, p//2)
    keys = key_frequencies(data.artifacts[PROGRESS])
    others = ~np.isin(spectrum["freq"].values, keys)
    lines = {f"k = {k}": fve[:, spectrum["freq"].values == k][:, 0] for k in keys}
    return {"lines": {"epoch": spectrum["epoch"].values, **lines, "all others": fve[:, others].sum(axis=1)}}


def key_lines_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a key frequency, in its colour."""
    from mi.views.recipes import epoch_lines

    keys = key_frequencies(context.data.artifacts[PROGRESS])
    return epoch_lines(
        sources,
        context,
        "lines",
        [*(f"k = {k}" for k in keys), "all others"],
        y="fraction of the logits' variance",
        colors={f"k = {k}": context.color_of(k) for k in keys}
        | {"all others": context.color_of("all others")},
        dashes={"all others": "dotted"},
    )


def excluded_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``excluded``: train loss without each frequency over all epochs, (p//2, epochs)."""
    return {"excluded": over_epochs(data, PROGRESS, "excluded_loss", "freq")}


def excluded_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Frequency by epoch."""
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(
        sources,
        context,
        "excluded",
        y="frequency k left out",
        epochs=epochs_of(context.data, PROGRESS),
        title="train loss (nats)",
    )


def sparsity_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``gini``: Gini coefficients of the embedding's and the neurons' spectra by epoch."""
    artifacts = data.artifacts[PROGRESS]
    columns = {name: artifacts[f"gini_{name}"].values for name in SPARSITY}
    return {"gini": {"epoch": artifacts["epoch"].values, **columns}}


def sparsity_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Two lines from 0, all frequencies alike, towards 1, one frequency alone."""
    from mi.views.recipes import epoch_lines

    return epoch_lines(sources, context, "gini", SPARSITY, y="Gini coefficient")


def weights_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``weights``: sum of squared weights by epoch."""
    artifacts = data.artifacts[PROGRESS]
    return {"weights": {"epoch": artifacts["epoch"].values, "y": artifacts["sum_squared_weights"].values}}


def weights_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line."""
    from mi.views.recipes import epoch_lines

    return epoch_lines(
        sources, context, "weights", {"y": "sum of squared weights"}, y="sum of squared weights"
    )
