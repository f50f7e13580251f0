"""Visualizations that misbehave, each in its own way."""

from __future__ import annotations

import threading
from typing import Any

from mi import Family, Field, Option, Visualization, hookimpl

WAITING, GO = threading.Event(), threading.Event()  # a slow frame is being made; it may be done


def raises(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError("<script>alert(1)</script> at /secret")


def leaves(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    raise SystemExit(3)


def slow(data: Any, epoch: int, options: dict[str, Any]) -> dict[str, Any]:
    if options["waits"]:
        WAITING.set()
        assert GO.wait(120)
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
    waits = {"waits": Option(type="bool", default=False)}

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
        bad("slow", text, options=waits),
        bad("no_figure", text, "no_figure", options=waits),
    ]
