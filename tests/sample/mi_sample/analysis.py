"""Pure functions: activations to arrays, arrays to a frame, sources to a figure."""

from __future__ import annotations

from typing import Any


def answers(data: Any, scale: float) -> dict[str, Any]:
    logits = scale * data.site("unembed.hook_out", -1)
    right = logits.gather(1, data.labels[:, None])[:, 0]
    return {"right": data.probe.fold(right), "answer": data.probe.fold(logits)}


def curve(data: Any) -> dict[str, Any]:
    right = data.artifacts["sample.answers"]["right"]
    return {"share": (right > 0).mean(("x", "y")).values}


def frame(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    right = data.at("sample.answers", epoch)["right"]
    return {"right": options["sign"] * right.transpose("y", "x").values}


def figure(sources: dict[str, Any], context: Any, options: dict[str, Any]) -> Any:
    from bokeh.plotting import figure as bokeh_figure

    plot = bokeh_figure(width=300, height=300)
    plot.image("image", 0, 0, 1, 1, source=sources["right"], color_mapper=context.mapper("right"))
    return plot
