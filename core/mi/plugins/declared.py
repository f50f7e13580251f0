"""Whether a declaration holds what its class says: attrs checks no type, and a wrong one would fail late."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from mi.refs import Ref

_REF = re.compile(r"[^\W\d]\w*(\.\w+)*:\w+(\.\w+)*")


def misfit(declaration: Any) -> str:
    """What is wrong with the types of an attrs object's fields, deeply; empty when nothing is."""
    return _of_fields(declaration, "")


def _of_fields(value: Any, where: str) -> str:
    cls: Any = type(value)
    hints = _hints(cls)
    for name in (a.name for a in attrs.fields(cls)):
        problem = _of(getattr(value, name), hints[name], f"{where}{name}")
        if problem:
            return problem
    return ""


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _of(value: Any, hint: Any, where: str) -> str:
    """Why ``value`` is not of type ``hint``."""
    bad = f"{where} is {value!r:.80}, expected {_said(hint)}"
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if isinstance(value, str) and _names_function(inner) and _REF.fullmatch(value) is None:
            return bad
        return "" if any(not _of(value, option, where) for option in inner) else bad
    if origin is tuple:
        if not isinstance(value, tuple):
            return bad
        if inner[-1] is Ellipsis:
            return _first(_of(v, inner[0], f"{where}[{i}]") for i, v in enumerate(value))
        if len(value) != len(inner):
            return bad
        return _first(_of(v, t, f"{where}[{i}]") for i, (v, t) in enumerate(zip(value, inner, strict=True)))
    if origin is Mapping:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            return bad
        return _first(_of(v, inner[1], f"{where}[{key!r}]") for key, v in value.items())
    if origin is Callable:
        return "" if callable(value) else bad
    return _of_class(value, hint, where, bad)


def _of_class(value: Any, cls: Any, where: str, bad: str) -> str:
    if cls is Any:
        return ""
    number = cls in (int, float) and isinstance(value, int | cls) and not isinstance(value, bool)
    if not (number if cls in (int, float) else isinstance(value, cls)):
        return bad
    return _of_fields(value, f"{where}.") if attrs.has(cls) else ""


def _names_function(inner: tuple[Any, ...]) -> bool:
    return set(get_args(Ref)) <= set(inner)


def _first(problems: Any) -> str:
    return next((problem for problem in problems if problem), "")


def _said(hint: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if _names_function(inner):
            return "a function, or one named as 'package.module:name'"
        return " or ".join(_said(option) for option in inner)
    if origin is tuple:
        return f"a tuple of {_said(inner[0])}" if inner[-1] is Ellipsis else f"{len(inner)} values"
    if origin is Mapping:
        return f"a mapping of names to {_said(inner[1])}"
    if hint is type(None):
        return "None"
    return getattr(hint, "__name__", str(hint))
