"""Frames and figures of induction. Frames are plain numpy; bokeh comes with the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_induction.analyses import COMPOSITION, DUPLICATE_TOKEN, FORMATION, HEAD_ABLATION, LOSS_BY_DEPTH

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
KINDS = {
    "train": "all targets, train",
    "first": "test, not told by the row",
    "repeat": "test, on the repeat",
}
PROGRESS = {"previous": "previous-token head", "prefix": "prefix-matching head", "loss": "loss on the repeat"}
SHOWN = {
    "key": "K-composition",
    "query": "Q-composition",
    "value": "V-composition",
    "matching": "tokens that find themselves",
}


def losses_static(data: ViewData, options: Options) -> dict[str, Any]:
    """`losses`: train loss and both test losses at every epoch that was measured, thinned for drawing."""
    from mi.views.recipes import thin

    losses = data.losses
    assert losses is not None, "declared by the visualization"
    columns = {"train": "train_loss", "first": "test_first_loss", "repeat": "test_repeat_loss"}
    measured = np.isfinite(losses["test_repeat_loss"].values)
    found = {name: losses[metric].values[measured] for name, metric in columns.items()}
    found = thin({"epoch": losses["epoch"].values[measured], **found})
    return {"losses": {**found, "chance": np.full(len(found["epoch"]), chance(data.parameters))}}


def losses_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Three lines, and chance dotted."""
    from mi.views.recipes import epoch_lines

    return epoch_lines(
        sources,
        context,
        "losses",
        KINDS | {"chance": "ln(vocabulary)"},
        y="loss (nats)",
        colors={"chance": "#888888"},
        dashes={"chance": "dotted"},
    )


def chance(parameters: Mapping[str, Any]) -> float:
    """Loss of the best guess on a token drawn at random, in nats."""
    return math.log(parameters["vocabulary"])


def formation_static(data: ViewData, options: Options) -> dict[str, Any]:
    """`progress`: three lines; `rises`: where each passes one half."""
    found = data.artifacts[FORMATION.id]
    lines = {name: found[f"progress_{name}"].values for name in PROGRESS}
    rises = [float(found["rise_previous"]), float(found["rise_prefix"])]
    return {
        "progress": {"epoch": found["epoch"].values, **lines},
        "rises": {
            "epoch": np.array(rises),
            "share": np.full(2, 0.5),
            "name": np.array([PROGRESS["previous"], PROGRESS["prefix"]]),
        },
    }


def formation_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Lines over epochs; the heads' names in the legend."""
    from mi.views.recipes import epoch_lines

    found = context.data.artifacts[FORMATION.id]
    labels = dict(PROGRESS)
    for layer, name in enumerate(("previous", "prefix")):
        labels[name] += f" L{layer}H{int(found[f'head_{name}'])}"
    plot = epoch_lines(sources, context, "progress", labels)
    marks = plot.scatter(
        x="epoch",
        y="share",
        source=sources["rises"],
        marker="dash",
        angle=math.pi / 2,
        size=16,
        line_color="#555555",
        line_width=2,
    )
    context.hover(plot, marks, [("passes one half", "@name"), ("at epoch", "@epoch{0}")])
    return plot


def chance_static(data: ViewData, options: Options) -> dict[str, Any]:
    """`chance`: the loss of the best guess on a new token, at every depth."""
    depth = data.artifacts[LOSS_BY_DEPTH.id]["depth"].values
    return {"chance": {"x": depth, "loss": np.full(len(depth), chance(data.parameters))}}


def depth_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """`loss`: by depth, at one epoch."""
    loss = data.at(LOSS_BY_DEPTH.id, epoch)["loss"]
    return {"loss": {"x": loss["depth"].values, "loss": loss.values}}


def depth_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line with its points, and chance dotted."""
    from mi.views.recipes import lines

    plot = lines(sources, context, "loss", {"loss": "loss"}, y="loss (nats)")
    color = context.color_of("loss")
    plot.scatter(x="x", y="loss", source=sources["loss"], size=5, color=color)
    plot.line(
        x="x", y="loss", source=sources["chance"], line_dash="dotted", line_color="#888888", line_width=2
    )
    return plot


def depth_history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """`loss`: (depth, epoch)."""
    return {"loss": data.artifacts[LOSS_BY_DEPTH.id]["loss"].transpose("depth", "epoch").values}


def depth_history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Depth by epoch."""
    from mi.views.recipes import epoch_heatmap

    epochs = context.data.artifacts[LOSS_BY_DEPTH.id]["epoch"].values
    return epoch_heatmap(sources, context, "loss", y="depth of the match", epochs=epochs, title="loss (nats)")


def ablation_static(data: ViewData, options: Options) -> dict[str, Any]:
    """`increase`: one column a head, over epochs."""
    return {"increase": _heads(data, HEAD_ABLATION.id, "increase")}


def ablation_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a head."""
    return _head_lines(sources, context, "increase", "rise of the loss (nats)")


def duplicate_static(data: ViewData, options: Options) -> dict[str, Any]:
    """`score`: one column a head, over epochs."""
    return {"score": _heads(data, DUPLICATE_TOKEN.id, "score")}


def duplicate_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a head."""
    return _head_lines(sources, context, "score", "share of attention")


def composition_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """`score`: (earlier, later) at one epoch."""
    found = data.at(COMPOSITION.id, epoch)
    shown = options["show"]
    chosen = found["matching"] if shown == "matching" else found["score"].sel(read_as=shown)
    return {"score": chosen.transpose("earlier", "later").values}


def composition_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Heads of layer 0 by heads of layer 1."""
    from mi.views.recipes import heatmap

    return heatmap(
        sources, context, "score", x="head of layer 1", y="head of layer 0", square=True,
        title=SHOWN[options["show"]],
    )  # fmt: skip


def _heads(data: ViewData, analyzer: str, output: str) -> dict[str, np.ndarray]:
    """Columns `epoch` and one a head, named `L0H0` and so on."""
    scores = data.artifacts[analyzer][output].transpose("epoch", "layer", "head")
    columns = {
        f"L{layer}H{head}": scores.values[:, i, j]
        for i, layer in enumerate(scores["layer"].values)
        for j, head in enumerate(scores["head"].values)
    }
    return {"epoch": scores["epoch"].values, **columns}


def _head_lines(sources: Any, context: FigureContext, field: str, y: str) -> Any:
    """Lines over epochs, dashed for layer 0; a head has one colour on every panel."""
    from mi.views.recipes import epoch_lines

    names = [name for name in sources[field].data if name != "epoch"]
    return epoch_lines(
        sources,
        context,
        field,
        {name: name for name in names},
        y=y,
        dashes={name: "dashed" for name in names if name.startswith("L0")},
    )
