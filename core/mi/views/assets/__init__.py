"""The page's template, style and script."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

SCRIPTS = ("frames.js", "calm.js", "cursor.js", "page.js")


@cache
def template() -> jinja2.Template:
    """The page: Bokeh's variables and those of ``ReportPage.variables``; escapes everything."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.j2")


@cache
def style() -> Markup:
    """The style sheet."""
    return Markup(_read("mi.css"))


@cache
def script() -> Markup:
    """The script that moves the cursor."""
    return Markup("\n".join(_read(name) for name in SCRIPTS))


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
