"""Reports: a saved choice of visualizations, scoped to a family, applied to any of its variants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from mi.domain.jsonfile import Fields, read_json, write_json
from mi.domain.values import is_slug
from mi.errors import FormatError, ParameterError

SCHEMA = 1


@frozen(kw_only=True)
class Panel:
    """A visualization placed in a report.

    Attributes:
        visualization: its id; one that no plugin offers is kept and shown as an empty panel.
        options: options that differ from the defaults.
        width: columns of the 12-column grid.
        title: replaces the visualization's own title when given.
    """

    visualization: str
    options: Mapping[str, Any] = field(factory=dict)
    width: int = 6
    title: str = ""


@frozen(kw_only=True)
class Report:
    """``model_families/<family>/reports/<name>.json``."""

    name: str
    title: str = ""
    probe: str = ""
    panels: tuple[Panel, ...] = ()
    notes: str = ""


def load_report(path: Path) -> Report:
    """Read and validate a report file.

    Raises:
        FormatError: names the offending field.
    """
    if not is_slug(path.stem):
        raise FormatError(path, "name", path.stem, "lower-case letters, digits, '.', '_' and '-'")
    top = Fields(read_json(path), path)
    top.only("schema", "title", "probe", "panels", "notes")
    if top.take("schema", int, f"{SCHEMA}") != SCHEMA:
        raise FormatError(path, "schema", top.data["schema"], f"{SCHEMA}")
    panels = []
    for entry in top.items("panels"):
        entry.only("visualization", "options", "width", "title")
        width = entry.take("width", int, "a whole number from 1 to 12", 6)
        if not 1 <= width <= 12:
            raise FormatError(path, entry.path("width"), width, "a whole number from 1 to 12")
        panels.append(
            Panel(
                visualization=entry.take("visualization", str, "a visualization's id"),
                options=entry.take("options", dict, "an object", {}),
                width=width,
                title=entry.take("title", str, "a string", ""),
            )
        )
    return Report(
        name=path.stem,
        title=top.take("title", str, "a string", ""),
        probe=top.take("probe", str, "a probe's name", ""),
        panels=tuple(panels),
        notes=top.take("notes", str, "a string", ""),
    )


def save_report(report: Report, folder: Path) -> Path:
    """Write a report atomically into ``folder``.

    Raises:
        ParameterError: the name cannot be a file name.
    """
    if not is_slug(report.name):
        raise ParameterError(
            f"report name is {report.name!r}, expected lower-case letters, digits, '.', '_' and '-'"
        )
    path = folder / f"{report.name}.json"
    write_json(path, report_data(report))
    return path


def report_data(report: Report) -> dict[str, Any]:
    """A report as its file holds it; defaults are left out so that diffs stay small."""
    data: dict[str, Any] = {"schema": SCHEMA, "title": report.title, "probe": report.probe}
    if report.notes:
        data["notes"] = report.notes
    panels = []
    for panel in report.panels:
        entry: dict[str, Any] = {"visualization": panel.visualization, "width": panel.width}
        if panel.title:
            entry["title"] = panel.title
        if panel.options:
            entry["options"] = dict(panel.options)
        panels.append(entry)
    data["panels"] = panels
    return data
