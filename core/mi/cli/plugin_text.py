"""Plugins in words, for people: one block each, wrapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from mi.cli.wrapped import age, labelled

_COLOURS = {"loaded": "green", "failed": "red", "untrusted": "yellow", "disabled": "yellow"}
_KINDS = {"builtin": "the core itself", "local": "a file", "commands": "commands without a plugin"}
_OFFERS = {
    "register_family": ("families", "family_codes"),
    "provide_probe": ("probe_kinds",),
    "analyze": ("analyzers",),
    "visualize": ("visualizations",),
}


def blocks(
    rows: Sequence[Mapping[str, Any]], *, hook: str | None = None, full: bool = False
) -> Iterator[str]:
    """One text a plugin.

    Args:
        rows: as :mod:`mi.plugins.overview` makes them.
        hook: only what this hook offers.
        full: whole ids, tracebacks, and what the plugin printed.
    """
    column = max([18, *(len(row["name"]) + 2 for row in rows)])
    for row in rows:
        name = click.style(row["name"], bold=True) + " " * (column - len(row["name"]))
        lines = [name + click.style(_state(row), fg=_COLOURS.get(row["state"]))]
        keys = [key for h, keys in _OFFERS.items() for key in keys if hook in (None, h)]
        if hook is None:
            lines += [labelled(label, text) for label, text in _metadata(row)]
            keys = ["hooks", *keys, "commands"]
        prefix = "" if full or hook is not None else f"{row['name']}."
        for key in keys:
            if row[key]:
                ids = ", ".join(id.removeprefix(prefix) for id in row[key])
                lines.append(labelled(key.replace("_", " "), ids))
        lines += [labelled("warning", warning) for warning in row["warnings"] if hook is None]
        for failure in row["failures"]:
            if hook in (None, failure["hook"]):
                lines.append(labelled("failed", f"in {failure['hook']}: {failure['error']}"))
                lines += ["", failure["details"].rstrip(), ""] if full and failure["details"] else []
        if full and row["printed"]:
            lines += [labelled("printed", "while it was loaded:"), "", row["printed"]]
        yield "\n".join(lines) + "\n"


def _metadata(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source = f"{row['distribution']} {row['version']}".strip()
    yield "from", ", ".join(filter(None, (source, _KINDS.get(row["kind"], ""), row["value"])))
    if row["kind"] == "installed":
        yield "requires", f"mi-core{row['api']}" if row["api"] else "no version of mi-core"
    elif row["kind"] == "local":
        yield "requires", f'MI_API = "{row["api"]}"' if row["api"] else "no MI_API"


def _state(row: Mapping[str, Any]) -> str:
    if row["kind"] == "commands":
        return "failed" if row["failures"] else ""
    words = "not loaded yet" if row["state"] == "ready" else str(row["state"])
    if row["age_seconds"] is not None:
        words += f" {age(row['age_seconds'])}"
    if row["state"] == "loaded":
        count = len(row["failures"])
        words += f", import {row['milliseconds']:g} ms"
        words += f", {count} {'failure' if count == 1 else 'failures'}" if count else ""
    return words
