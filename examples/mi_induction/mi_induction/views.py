"""Frames and figures of induction. Frames are plain numpy; bokeh comes with the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_induction.analyses import (
    COMPOSITION,
    DUPLICATE_TOKEN,
    FORMATION,
    HEAD_ABLATION,
    LOSS_BY_DEPTH,
    PATTERN,
)

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
KINDS = {
    "train": "all targets, train",
    "first": "test, not told by the row",
    "repeat": "test, on the repeat",
}
PROGRESS = {
    "previous": "previous-token attention, layer 0",
    "matching": "matching of keys and queries",
    "prefix": "prefix-matching attention, layer 1",
    "loss": "loss on the repeat",
}
SHOWN = {
    "key": "K-composition above chance",
    "query": "Q-composition above chance",
    "value": "V-composition above chance",
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
    """`progress`: four lines; `rises`: where each passes one half."""
    found = data.artifacts[FORMATION.id]
    lines = {name: found[f"progress_{name}"].values for name in PROGRESS}
    return {
        "progress": {"epoch": found["epoch"].values, **lines},
        "rises": {
            "epoch": np.array([float(found[f"rise_{name}"]) for name in PROGRESS]),
            "share": np.full(len(PROGRESS), 0.5),
            "name": np.array(list(PROGRESS.values())),
        },
    }


def formation_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Lines over epochs, with a tick where each passes one half."""
    from mi.views.recipes import epoch_lines

    colors = {"loss": context.color_of("repeat"), "prefix": context.color_of("prefix")}
    dashes = {"matching": "dashed"}  # from the weights, where the others are what the model does
    plot = epoch_lines(sources, context, "progress", PROGRESS, colors=colors, dashes=dashes)
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


def pattern_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """`pattern`: (query, key) of the best head at one epoch."""
    layer, head = _best(data, options["score"])
    pattern = data.at(PATTERN, epoch)["pattern"].sel(layer=layer, head=head)
    return {"pattern": pattern.transpose("query", "key").values}


def pattern_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Query by key."""
    from mi.views.recipes import heatmap

    layer, head = _best(context.data, options["score"])
    return heatmap(sources, context, "pattern", square=True, title=f"attention of L{layer}H{head}")


def _best(data: ViewData, score: str) -> tuple[int, int]:
    """Layer and head that end with the best score of a kind."""
    layer = {"previous": 0, "prefix": 1}[score]
    return layer, int(data.artifacts[FORMATION.id][f"head_{score}"])


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

    color = context.color_of("repeat")
    plot = lines(sources, context, "loss", {"loss": "loss"}, y="loss (nats)", colors={"loss": color})
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
    """`excess`, `matching`: (earlier, later) at one epoch.

    The excess is over 1 / sqrt(d_model), the root mean square for matrices turned at random.
    """
    found = data.at(COMPOSITION.id, epoch).transpose("read_as", "earlier", "later")
    read_as = "key" if options["show"] == "matching" else options["show"]
    excess = found["score"].sel(read_as=read_as).values - data.parameters["d_model"] ** -0.5
    return {"excess": excess, "matching": found["matching"].values}


def composition_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Heads of layer 0 by heads of layer 1."""
    from mi.views.recipes import heatmap

    field = "matching" if options["show"] == "matching" else "excess"
    return heatmap(sources, context, field, x="reads", y="writes", square=True, title=SHOWN[options["show"]])


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
