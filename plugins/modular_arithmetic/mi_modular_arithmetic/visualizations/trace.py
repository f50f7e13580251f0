"""Figures of one pair's history, and of attention over training: what the maps at the cursor cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import ParameterError
from mi_modular_arithmetic.visualizations.parts import ANSWERS, PATTERN, SCORES, epochs_of

if TYPE_CHECKING:
    from mi.views.context import FigureContext
    from mi.views.data import ViewData

PARTS = "modular_arithmetic.pair_parts"
Options = Mapping[str, Any]
MARGIN, RIGHT, WITHIN, OTHERS = "margin", "right logit", "within the class", "all others"
POSITIONS = ("a", "b", "=")
LINES = 8


def trace_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``trace``: margin and right logit of one pair, and what each frequency gives to it, by epoch."""
    parts, answers = data.artifacts[PARTS], data.artifacts[ANSWERS]
    i, j = _place(data, options)
    s = _class_of(data, i, j)
    part = parts["part"].values[:, s]  # (epochs, n//2)
    right = parts["right"].values[:, i, j].astype(np.float64)
    shown = strongest(part)
    columns: dict[str, Any] = {
        "epoch": parts["epoch"].values,
        MARGIN: answers["margin"].reindex(epoch=parts["epoch"]).values[:, i, j],
        RIGHT: right,
    }
    columns |= {f"k = {k}": part[:, k - 1] for k in shown}
    columns[OTHERS] = part.sum(axis=1) - part[:, [k - 1 for k in shown]].sum(axis=1)
    columns[WITHIN] = right - part.sum(axis=1) - parts["constant"].values[:, s]
    return {"trace": columns}


def trace_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Lines of one pair; frequencies in their colours."""
    from mi.views.recipes import epoch_lines

    i, j = _place(context.data, options)
    shown = strongest(context.data.artifacts[PARTS]["part"].values[:, _class_of(context.data, i, j)])
    mask = context.data.probe.fold(context.data.probe.masks["train"])
    which = "train" if mask[i, j] else "test"
    axes = context.data.probe.axes
    return epoch_lines(
        sources,
        context,
        "trace",
        [MARGIN, RIGHT, *(f"k = {k}" for k in shown), OTHERS, WITHIN],
        y=f"logit of ({', '.join(str(axes[name][at]) for name, at in (('a', i), ('b', j)))}), a {which} pair",
        colors={f"k = {k}": context.color_of(k) for k in shown},
        dashes={OTHERS: "dotted", WITHIN: "dotted", MARGIN: "dashed"},
    )


def strongest(part: np.ndarray) -> list[int]:
    """The frequencies that give most to the right logit at the last checkpoint, rising."""
    order = np.argsort(-np.abs(part[-1]), kind="stable")[:LINES]
    return sorted(int(k) + 1 for k in order)


def _place(data: ViewData, options: Options) -> tuple[int, int]:
    """Where the pair lies in the grid: its operands are chosen by their places, as rows of a map are.

    Raises:
        ParameterError: a place that there is not.
    """
    for name in ("a", "b"):
        count = len(data.probe.axes[name])
        if options[name] >= count:
            raise ParameterError(
                f"option {name} is {options[name]}, expected a place from 0 to {count - 1} in group order"
            )
    return options["a"], options["b"]


def _class_of(data: ViewData, i: int, j: int) -> int:
    """Index in group order of the right answer of a pair."""
    labels = data.probe.fold(data.probe.labels)
    order = np.asarray(list(data.dimensions["element"]))
    (at,) = np.nonzero(order == labels[i, j])
    return int(at[0])


def scores_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``scores``: columns ``x``, ``a``, ``b``: one head's scores from '=' to each number, (n,) each."""
    one = data.at(SCORES, epoch).sel(head=options["head"])
    score = one["score"].values  # (2, n)
    equals = np.full(score.shape[1], float(one["score_equals"]))
    return {"scores": {"x": one["residue"].values, "a": score[0], "b": score[1], "=": equals}}


def scores_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """A line a position, over the numbers in group order."""
    from mi.views.recipes import lines

    return lines(
        sources,
        context,
        "scores",
        {"a": "to a", "b": "to b", "=": "to ="},
        x_label="number, in group order",
        y=f"score of head {options['head']}",
    )


def history_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``history``: share of each frequency in one head's attention, or in what it writes, (n//2, epochs)."""
    head, place = options["head"], POSITIONS.index(options["position"])
    if options["of"] == "written":
        share = data.artifacts[SCORES]["ov_share"].sel(head=head)
    elif options["of"] == "pattern":
        share = data.artifacts[PATTERN]["fraction"].sel(head=head).isel(position=place)
    else:
        scores = data.artifacts[SCORES]["share"].sel(head=head)
        # '=' is one number, and its score has no frequencies.
        share = scores.isel(operand=place) if place < 2 else scores.isel(operand=0).where(False)
    return {"history": share.transpose("freq", "epoch").values}


def history_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Frequency by epoch."""
    from mi.views.recipes import epoch_heatmap

    what = {
        "scores": f"scores to {options['position']}",
        "written": "W_E W_V W_O W_in",
        "pattern": f"attention to {options['position']}",
    }[options["of"]]
    source = PATTERN if options["of"] == "pattern" else SCORES
    return epoch_heatmap(
        sources,
        context,
        "history",
        y="frequency k",
        epochs=epochs_of(context.data, source),
        title=f"share in head {options['head']}'s {what}",
    )
