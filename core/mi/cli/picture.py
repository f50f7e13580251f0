"""``mi analyze --dry-run --graph``: the graph of a plan, as text or for Graphviz."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi.engine.picture import Edge, Node, Picture

FORMS = ("text", "dot")
_SHAPES = {
    "site": "cds",
    "input": "cds",
    "gradient": "cds",
    "derived": "ellipse",
    "keep": "folder",
    "checkpoint": "box",
    "trajectory": "box",
    "family": "box",
}
_MOMENTS = {
    "": "",
    "checkpoint": " at this checkpoint",
    "reference": " at the reference",
    "all": " at all epochs",
}
_COLOURS = {"fresh": "#2e7d32", "stale": "#e65100", "lacking": "#616161", "out": "#b71c1c"}


def text_lines(pictures: Sequence[Picture]) -> list[str]:
    """Each graph layer by layer, what is read before what reads it."""
    from mi.engine.picture import LAYERS

    lines: list[str] = []
    for picture in pictures:
        lines.append(picture.title)
        for layer, heading in LAYERS.items():
            nodes = picture.layer(layer)
            if nodes:
                lines.append(f"  {heading}")
            for node in nodes:
                lines.append(f"    {node.name}" + (f"  [{node.note}]" if node.note else ""))
                lines += [f"      <- {_read(edge)}" for edge in node.reads]
    return lines


def _read(edge: Edge) -> str:
    layer, name = edge.source
    return f"{'gradient ' if layer == 'gradient' else ''}{name}{_MOMENTS[edge.at]}"


def dot_lines(pictures: Sequence[Picture]) -> list[str]:
    """All graphs as one in Graphviz' language: a cluster each, the state as colour and in words."""
    lines = ["digraph plan {", "  rankdir=LR;", '  node [fontname="sans-serif", fontsize=10];']
    for number, picture in enumerate(pictures):
        lines += [f"  subgraph cluster_{number} {{", f"    label={quoted(picture.title)};"]
        lines += [f"    {_id(picture, node.key)} [{_looks(node)}];" for node in picture.nodes.values()]
        lines.append("  }")
    for picture in pictures:
        for node in picture.nodes.values():
            for edge in node.reads:
                label = f" [label={quoted(edge.at)}]" if edge.at else ""
                lines.append(f"  {_id(picture, edge.source)} -> {_id(picture, node.key)}{label};")
    return [*lines, "}"]


def _id(picture: Picture, key: tuple[str, str]) -> str:
    return quoted("/".join((picture.name, *key)))


def _looks(node: Node) -> str:
    label = "\n".join(filter(None, (node.name, node.note)))
    looks = {"label": label, "shape": _SHAPES[node.layer]}
    if node.state:
        looks |= {"color": _COLOURS[node.state], "style": "dashed" if node.state == "out" else "solid"}
    if node.state == "stale":
        looks["penwidth"] = "2"
    return ", ".join(f"{name}={quoted(value)}" for name, value in looks.items())


def quoted(text: str) -> str:
    r"""A double-quoted identifier of the DOT language.

    Within quotes only ``\"`` is an escape of the language itself; labels have others (``\n``, ``\N``), so
    every backslash is doubled, and a line's end is said as ``\n``.
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
