"""The values of an option that are worth trying: default, bounds, choices, both truths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mi.domain.values import TypedValue


def edges(options: Mapping[str, TypedValue]) -> Iterator[tuple[str, Any]]:
    """(option, value), one option at a time, each value once and the default left out."""
    for name, option in options.items():
        for value in edges_of(option):
            if value != option.default:
                yield name, value


def edges_of(option: TypedValue) -> list[Any]:
    """Default, bounds, choices, both truths of one option, each once."""
    values = [option.default, *option.choices]
    if option.type == "bool":
        values += [True, False]
    values += [
        int(b) if option.type == "int" else b for b in (option.minimum, option.maximum) if b is not None
    ]
    return [value for i, value in enumerate(values) if value not in values[:i]]
