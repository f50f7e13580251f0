"""Frames and figures, each wrong in one way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

ID = "testing.activity"
KEPT = []


def bars_of(mean, unit=None):
    return {"bars": {"x": np.arange(len(mean)) if unit is None else unit, "y": mean}}


def right(data, epoch, options):
    return bars_of(data.at(ID, epoch)["mean"].values)


def other_field(data, epoch, options):
    return {"bar": right(data, epoch, options)["bars"]}


def raises(data, epoch, options):
    raise LookupError("no bars today")


def grows(data, epoch, options):
    return bars_of(np.arange(1.0 + epoch))


def edits(data, epoch, options):
    mean = data.at(ID, epoch)["mean"].values
    mean += 1
    return bars_of(np.zeros(len(mean)))


def drawn(data, epoch, options):
    return bars_of(np.frombuffer(os.urandom(6), dtype=np.uint8))


def hidden_read(data, epoch, options):
    import xarray as xr

    folder = Path(data.token.splitlines()[1])
    with xr.open_zarr(folder / "artifacts.zarr", group=f"{data.probe_name}/{ID}") as found:
        return bars_of(found["mean"].sel(epoch=epoch).fillna(0).values)


def cosmetic(data, epoch, options):
    return bars_of(options["sign"] * data.at(ID, epoch)["mean"].values)


def gaps(data, options):
    history = np.zeros((6, len(data.epochs)))
    history[:, :] = data.artifacts[ID]["mean"].transpose("unit", "epoch").values
    return {"history": history}


def figure(sources, context, options):
    plot = context.figure("unit", "mean")
    plot.vbar(x="x", top="y", width=0.8, source=sources["bars"])
    return plot


def history(sources, context, options):
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(sources, context, "history")


def no_figure(sources, context, options):
    return "a figure"


def empty(sources, context, options):
    from bokeh.layouts import column

    return column()


def shared(sources, context, options):
    if not KEPT:
        KEPT.append(figure(sources, context, options))
    return KEPT[0]


def choice(sources, context, options):
    if options["kind"] == "lines":
        raise NotImplementedError("lines")
    return figure(sources, context, options)


def first_panel(sources, context, options):
    if sources["bars"].name != "panel-0/bars":
        raise ValueError("not alone")
    return figure(sources, context, options)
