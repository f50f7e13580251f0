"""Labelled text that is wrapped, never cut: what `mi plugins` and `mi doctor` print."""

from __future__ import annotations

import re
import shutil
import textwrap

_COMMAND = re.compile(r"`[^`]{1,60}`")
_FIXED = "\u00a0"  # a space that is none to textwrap
INDENT, LABEL = 2, 16


def width() -> int:
    """Columns to wrap at: the terminal's (or ``COLUMNS``), 80 in a pipe, at most 120."""
    return max(40, min(shutil.get_terminal_size().columns, 120))


def labelled(label: str, text: str, *, indent: int = INDENT, column: int = LABEL) -> str:
    """``label`` in a column of its own, ``text`` beside it, wrapped; no name or `command` is broken.

    Args:
        label: stands on the first line; a long one pushes the text to the right there.
        text: one paragraph a line.
        indent: columns before the label.
        column: columns of the label.
    """
    first = " " * indent + label.ljust(column)
    first = first if len(label) < column or not label else f"{' ' * indent}{label}  "
    rest = " " * (indent + column)
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines += textwrap.wrap(
            _COMMAND.sub(lambda found: found[0].replace(" ", _FIXED), paragraph),
            width(),
            initial_indent=rest if lines else first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first.rstrip() if not lines else ""]
    return "\n".join(lines).replace(_FIXED, " ")


def paragraph(text: str) -> str:
    """``text``, wrapped from the first column on."""
    return labelled("", text, indent=0, column=0)


def age(seconds: float) -> str:
    """``3 min ago``."""
    if seconds < 60:
        return "just now"
    for unit, length, more in (("min", 60, 60), ("h", 3600, 24), ("days", 86400, None)):
        count = int(seconds // length)
        if more is None or count < more:
            return f"{count} {'day' if unit == 'days' and count == 1 else unit} ago"
    raise AssertionError  # the last unit has no limit
