"""Figures of ablation: what each frequency and each head is worth, over training and at the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mi_modular_arithmetic.visualizations.parts import epochs_of

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

FREQUENCIES = "modular_arithmetic.frequency_ablation"
HEADS = "modular_arithmetic.head_ablation"
Options = Mapping[str, Any]
MEASURES = {"loss": "change of loss (nats)", "accuracy": "change of accuracy"}
PLACES = {
    "embedding": "the embedding",
    "neurons": "the neurons' part of the logits",
    "logits": "the logits",
    "class_logits": "the logits as r_k",
    "group": "its group of neurons",
}


def map_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``change``: of the loss or the accuracy without each frequency, (n//2, epochs)."""
    return {"change": _change(data.artifacts[FREQUENCIES], options).transpose("freq", "epoch").values}


def _change(artifacts: xr.Dataset, options: Options) -> xr.DataArray:
    """The chosen change at the chosen place; missing where there is none (r_k of a task without classes)."""
    change = artifacts[f"{options['measure']}_change"].sel(pairs=options["pairs"])
    return change.reindex(place=[options["place"]]).isel(place=0)


def map_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Frequency by epoch, at the checkpoints that were ablated."""
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(
        sources,
        context,
        "change",
        y=f"k out of {PLACES[options['place']]}",
        epochs=epochs_of(context.data, FREQUENCIES),
        title=f"{MEASURES[options['measure']]}, {options['pairs']} pairs",
    )


def bars_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``bars``: columns ``freq`` and ``y``, the change without each frequency at the cursor, (n//2,) each."""
    change = _change(data.at(FREQUENCIES, epoch), options)
    return {"bars": {"freq": change["freq"].values, "y": change.values}}


def bars_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One bar a frequency, in its colour."""
    from mi.views.recipes import bars
    from mi_fourier_library.views import frequency_color

    return bars(
        sources,
        context,
        "bars",
        x="freq",
        x_label=f"frequency k taken out of {PLACES[options['place']]}",
        y=f"{MEASURES[options['measure']]}, {options['pairs']} pairs",
        color=frequency_color(context, "freq", sources["bars"].data["freq"]),
    )


def heads_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``heads``: change without each head by epoch."""
    artifacts = data.artifacts[HEADS]
    change = artifacts[f"{options['measure']}_change"].sel(pairs=options["pairs"])
    heads = {f"head {h}": change.sel(head=h).values for h in artifacts["head"].values}
    return {"heads": {"epoch": artifacts["epoch"].values, **heads}}


def heads_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a head."""
    from mi.views.recipes import epoch_lines

    heads = [f"head {h}" for h in context.data.artifacts[HEADS]["head"].values]
    y = f"{MEASURES[options['measure']]}, {options['pairs']} pairs"
    return epoch_lines(sources, context, "heads", heads, y=y)
