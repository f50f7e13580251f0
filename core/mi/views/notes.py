"""Notes: Markdown to HTML, with nothing in it that could run or load."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markupsafe import Markup

_SCHEMES = ("http://", "https://", "mailto:", "#")


def render_notes(text: str) -> Markup:
    """HTML of notes: no raw HTML, no images, links to http, https and mailto alone."""
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
    parser.validateLink = lambda url: url.lower().startswith(_SCHEMES)  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _link_open)
    return Markup(parser.render(text))


def _link_open(renderer: object, tokens: list, i: int, options: object, env: object) -> str:  # type: ignore[type-arg]
    tokens[i].attrSet("rel", "noopener noreferrer")
    return renderer.renderToken(tokens, i, options, env)  # type: ignore[attr-defined,no-any-return]
