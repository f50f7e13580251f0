"""Names of variants: a pattern filled in, plus every other parameter that differs from its default.

Names are folder names and parts of URLs, and no two configurations share one: values hold no ``_``, each is
followed by ``_`` or the name's end, and no short name can be read as another with a value behind it. So a
name can be read back in one way alone, which is what makes it unique.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from mi.domain.values import Parameter
from mi.errors import ParameterError

MAX_LENGTH = 128
PATTERN = (
    "a pattern such as 'n{size}_seed{seed}': it begins with a lower-case letter or digit, holds "
    "lower-case letters, digits, '.', '_', '-' and {parameter} placeholders, and what follows a "
    "placeholder begins with '_'"
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TEXT = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_NUMERIC = re.compile(r"[0-9.e-]+")


def fill(pattern: str, parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> str:
    """The name of the variant with these values.

    Raises:
        ParameterError: the name would be longer than a file name may be.
    """
    shown = {name: _shown(values[name]) for name in parameters}
    name = pattern.format(**shown)
    inside = placeholders(pattern)
    for key, parameter in parameters.items():
        if key not in inside and values[key] != parameter.default:
            name += f"_{parameter.short or key}{shown[key]}"
    if len(name) > MAX_LENGTH:
        raise ParameterError(
            f"variant name {name!r} has {len(name)} characters, expected at most {MAX_LENGTH}; "
            "give parameters a `short` name in family.json"
        )
    return name


def placeholders(pattern: str) -> set[str]:
    """Names of the parameters that a pattern shows."""
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}


def is_pattern(pattern: str) -> bool:
    """Whether names made by this pattern are folder names that can be read back (see :data:`PATTERN`)."""
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError:
        return False
    names = [name for _, name, _, _ in parts if name is not None]
    literals = [text for text, _, _, _ in parts]
    return (
        bool(names)
        and not any(spec or how for _, _, spec, how in parts)
        and re.match(r"[a-z0-9]", literals[0]) is not None
        and re.fullmatch(r"[a-z0-9._-]+", "".join(literals)) is not None
        and ".." not in pattern
        and all(text.startswith("_") for text in literals[1:])
    )


def is_parameter_name(name: str) -> bool:
    """Whether a parameter, or its short form, can stand in a variant's name."""
    return _NAME.fullmatch(name) is not None


def check_text(name: str, value: Any) -> None:
    """Refuse a text that cannot stand in a variant's name.

    Raises:
        ParameterError: names the value and what was expected.
    """
    if isinstance(value, str) and _TEXT.fullmatch(value) is None:
        raise ParameterError(
            f"{name} is {value!r}, expected lower-case letters and digits, with '.', '_' or '-' between"
        )


def clash(parameters: Mapping[str, Parameter], pattern: str) -> tuple[str, str] | None:
    """Two parameters whose short names can be mistaken for one another in a variant's name, or None."""
    inside = placeholders(pattern)
    shorts = {name: p.short or name for name, p in parameters.items() if name not in inside}
    for one, first in shorts.items():
        for other, second in shorts.items():
            rest = second[len(first) :]
            if one == other or not second.startswith(first) or "_" in rest:
                continue
            if not rest or parameters[one].type in ("str", "bool") or _NUMERIC.fullmatch(rest):
                return one, other
    return None


def _shown(value: Any) -> str:
    """A value in a variant's name: ``0.5``, ``true``, ``999``; a text's ``_`` as ``--``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:g}"
        return (short if float(short) == value else repr(value)).replace("+", "")
    return value.replace("_", "--") if isinstance(value, str) else str(value)
