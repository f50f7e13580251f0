"""Plain pages as HTML: every value escaped, since names and sentences come from files and addresses."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from mi.server.catalog import Catalog
    from mi.server.target import Missing

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
    'fill="#1f4e79"/><path d="M6 8c5 0 6 15 10 15s4-9 10-9" fill="none" stroke="#fff" stroke-width="3" '
    'stroke-linecap="round"/><circle cx="16" cy="23" r="3" fill="#f5b82e"/></svg>'
)


ASSETS = {
    "mi.css": "mi.views",
    "server.css": "mi.server",
    "server.js": "mi.server",
    "report.js": "mi.server",
    "dev.js": "mi.server",
}


@cache
def read_asset(name: str) -> bytes | None:
    """A file that pages load, or None where there is none of that name."""
    return (files(ASSETS[name]) / "assets" / name).read_bytes() if name in ASSETS else None


def render_landing(catalog: Catalog, generation: str = "") -> str:
    """The landing page; with a generation it reloads itself when that is over."""
    page = _environment().get_template("landing.html.j2")
    return page.render(catalog=catalog, title=catalog.workspace, generation=generation)


def render_missing(missing: Missing, generation: str = "") -> str:
    """The page that says why there is no other; with a generation as :func:`render_landing`."""
    page = _environment().get_template("missing.html.j2")
    return page.render(missing=missing, chooser=missing.chooser, title=missing.title, generation=generation)


def report_template() -> Template:
    """The report page: what ``mi.views`` exports, in the server's header."""
    return _environment().get_template("report.html.j2")


@cache
def _environment() -> Environment:
    """Compiled once a process; holds templates and nothing of a session."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folders = [files("mi.server") / "templates", files("mi.views") / "assets"]
    environment = Environment(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment
