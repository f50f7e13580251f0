"""Visualizations that misbehave, each in its own way."""

from __future__ import annotations

import time
from typing import Any

from mi import Family, Field, Option, Visualization, hookimpl


def raises(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError("<script>alert(1)</script> at /secret")


def leaves(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    raise SystemExit(3)


def slow(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    time.sleep(options["seconds"] / len(data.epochs))
    return {"said": f"epoch {epoch}"}


def ragged(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    return {"points": {"x": [0.0, 1.0], "y": [0.0]}}


def figure(sources: dict[str, Any], context: Any, options: dict[str, Any]) -> Any:
    plot = context.figure()
    plot.circle(x=[0], y=[0], radius=1)
    return plot


def no_figure(sources: dict[str, Any], context: Any, options: dict[str, Any]) -> Any:
    return "a string"


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    text, points = {"said": Field("text")}, {"points": Field("points", ("n",))}
    seconds = {"seconds": Option(type="float", default=0.0)}

    def bad(name: str, fields: dict[str, Field], figure: str = "figure", **more: Any) -> Visualization:
        function = "slow" if more else name
        return Visualization(
            id=f"trouble.{name}",
            title=name,
            fields=fields,
            frame=f"mi_trouble:{function}",
            figure=f"mi_trouble:{figure}",
            **more,
        )

    return [
        bad("raises", text),
        bad("leaves", text),
        bad("ragged", points),
        bad("slow", text, options=seconds),
        bad("no_figure", text, "no_figure", options=seconds),
    ]
