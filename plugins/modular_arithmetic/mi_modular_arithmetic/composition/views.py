"""Figures of a network's irreps: shares at the cursor and over training, neuron by neuron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_modular_arithmetic.visualizations.parts import draw_four_losses, four_losses, name_rows

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
WEIGHTS = "modular_arithmetic.irrep_weights"
NEURONS = "modular_arithmetic.irrep_neurons"
LOGITS = "modular_arithmetic.irrep_logits"
PROGRESS = "modular_arithmetic.irrep_progress"
MEASURES = {
    "train": "train",
    "test": "test",
    "restricted": "restricted (test pairs, key irreps alone)",
    "excluded": "excluded (train pairs, without them)",
}
LOGIT_SHARES = {"logits: characters": "fve", "logits: answers": "share"}
TITLES = {"logits: characters": "fraction of variance", "neurons": "mean share of energy"}


def shares(data: Mapping[str, xr.Dataset], of: str) -> xr.DataArray:
    """Share of each irrep in what is chosen, last dimension ``irrep``; epochs in front where there are."""
    if of in LOGIT_SHARES:
        return data[LOGITS][LOGIT_SHARES[of]]
    if of == "neurons":
        return data[NEURONS]["fraction"].mean("neuron", skipna=True)  # of those that are not dead
    return data[WEIGHTS]["share"].sel(matrix=of, drop=True)


def measures_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``measures``: train, test, restricted and excluded loss at each checkpoint, in nats."""
    return {"measures": four_losses(data, PROGRESS)}


def measures_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Four losses on a log axis."""
    return draw_four_losses(sources, context, "measures", MEASURES)


def spectrum_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``spectrum``: columns ``irrep`` (its name), ``number`` from 1, and ``y``, its share, (m,) each."""
    found = shares({id: data.at(id, epoch) for id in (WEIGHTS, NEURONS, LOGITS)}, options["of"])
    names = found["irrep"].values
    return {
        "spectrum": {"irrep": names.astype(str), "number": np.arange(1, len(names) + 1), "y": found.values}
    }


def spectrum_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One bar an irrep, in its own colour."""
    from mi.views.recipes import bars
    from mi_fourier_library.views import frequency_color

    return bars(
        sources,
        context,
        "spectrum",
        x="irrep",
        x_label="irrep",
        y=TITLES.get(options["of"], "share of energy"),
        color=frequency_color(context, "number", sources["spectrum"].data["number"]),
    )


def history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``history``: a column ``irrep i`` for each, i from 1: its share at each epoch."""
    found = shares(data.artifacts, options["of"]).transpose("epoch", "irrep").values
    columns = {f"irrep {i}": found[:, i - 1] for i in range(1, found.shape[1] + 1)}
    return {"history": {"epoch": data.artifacts[LOGITS]["epoch"].values, **columns}}


def history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line an irrep, in its own colour."""
    from mi.views.recipes import epoch_lines

    names = enumerate(context.data.artifacts[LOGITS]["irrep"].values, 1)
    labels = {f"irrep {i}": str(name) for i, name in names}
    return epoch_lines(
        sources,
        context,
        "history",
        labels,
        y=TITLES.get(options["of"], "share of energy"),
        colors={column: context.color_of(i) for i, column in enumerate(labels, 1)},
    )


def neurons_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``spectrum``: share by neuron and irrep, neurons in their final order, (neurons, m)."""
    return {"spectrum": data.at(NEURONS, epoch)["fraction"].values[final_order(data)]}


def neurons_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Neuron by irrep."""
    from mi.views.recipes import heatmap

    plot = heatmap(
        sources,
        context,
        "spectrum",
        x="irrep",
        y="neuron, sorted by final irrep",
        title="share of energy",
    )
    name_rows(plot, [str(n) for n in final_order(context.data)], "neuron")
    return plot


def final_order(data: ViewData) -> np.ndarray:
    """Neurons by their irrep at the last epoch, then by falling share, dead ones last: (neurons,)."""
    last = data.artifacts[NEURONS].isel(epoch=-1)
    irrep, share = last["dominant"].values, np.nan_to_num(last["dominant_fraction"].values, nan=-1.0)
    return np.lexsort((-share, irrep, irrep == 0))
