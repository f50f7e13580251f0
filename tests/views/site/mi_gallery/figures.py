"""What the gallery draws."""

from __future__ import annotations

import sys

import numpy as np

ID = "sample.answers"


def map_frame(data, epoch, options):
    return {"map": options.get("sign", 1) * data.at(ID, epoch)["right"].transpose("y", "x").values}


def map_figure(sources, context, options):
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "map", square=True, title="logit")


def history_static(data, options):
    return {"history": data.artifacts[ID]["right"].isel(y=0).transpose("x", "epoch").values}


def history_figure(sources, context, options):
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(sources, context, "history", epochs=context.data.artifacts[ID]["epoch"].values)


def few(data):
    raise AssertionError("nobody runs it: the store is written by hand")


def few_static(data, options):
    return {"history": data.artifacts["gallery.few"]["right"].isel(y=0).transpose("x", "epoch").values}


def few_figure(sources, context, options):
    from mi.views.recipes import epoch_heatmap

    at = context.data.artifacts["gallery.few"]["epoch"].values
    return epoch_heatmap(sources, context, "history", epochs=at)


def curves_static(data, options):
    from mi.views.recipes import thin

    names = ("train_loss", "test_loss")
    return {
        "curves": thin({"epoch": data.losses["epoch"].values, **{n: data.losses[n].values for n in names}})
    }


def curves_figure(sources, context, options):
    from mi.views.recipes import epoch_lines

    return epoch_lines(sources, context, "curves")


def bars_frame(data, epoch, options):
    right = data.at(ID, epoch)["right"]
    bars = {
        "x": right["x"].values,
        "height": right.mean("y").values,
        "name": [f"x {i}" for i in right["x"].values],
    }
    return {"bars": bars, "note": f"epoch {epoch}"}


def bars_figure(sources, context, options):
    from mi.views.recipes import bars

    plot = bars(sources, context, "bars", top="height")
    plot.text(x=0, y=0, text="text", source=sources["note"])
    return plot


def points_frame(data, epoch, options):
    right = data.at(ID, epoch)["right"].values
    angle = np.arctan2(right[:, 0], right[:, 1])
    return {"points": {"x": right.mean(axis=1), "y": right.std(axis=1), "angle": angle}}


def points_figure(sources, context, options):
    from mi.views.recipes import points

    return points(sources, context, "points", color=context.color("points", "angle"), size=12)


def groups_frame(data, epoch, options):
    right = data.at(ID, epoch)["right"].transpose("y", "x").values
    return {"groups": np.where(right > 0.5, 2, np.where(right < -0.5, 1, -1))}


def groups_figure(sources, context, options):
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "groups")


def plain_static(data, options):
    return history_static(data, options) | curves_static(data, options)


def plain_frame(data, epoch, options):
    row = data.at(ID, epoch)["right"].isel(y=0)
    frame = {"row": {"x": row["x"].values, "right": row.values}}
    for other in (map_frame, bars_frame, points_frame):
        frame |= other(data, epoch, options)
    return frame


def raises_frame(data, epoch, options):
    raise ZeroDivisionError("no <b>luck</b> at all")


def exits_frame(data, epoch, options):
    sys.exit("leaving")


def ragged_frame(data, epoch, options):
    return {"map": [[1.0, 2.0], [3.0]]}


def grows_frame(data, epoch, options):
    return {"map": np.zeros((1 + epoch, 2))}


def wrong_frame(data, epoch, options):
    return {"mapp": np.zeros((2, 2))}


def strange_frame(data, epoch, options):
    return {"map": np.array([["a", "b"]])}


def unsendable_figure(sources, context, options):
    plot = map_figure(sources, context, options)
    plot.tags = [object()]
    return plot
