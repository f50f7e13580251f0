"""Lazy references to functions and classes.

Plugin modules must stay light (no torch, no bokeh at import), yet declare functions that need them.
A declaration therefore takes either a callable or the string ``"package.module:name"``, the notation
of entry points, which is imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from mi.errors import PluginError
from mi.faults import is_fault, sentence

Ref = str | Callable[..., Any]


def resolve(ref: Ref) -> Any:
    """The object that ``ref`` names.

    Raises:
        PluginError: the module cannot be imported or lacks the name.
    """
    if not isinstance(ref, str):
        return ref
    module_name, _, attribute = ref.partition(":")
    try:
        target: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except BaseException as error:  # whatever a plugin's module raises is the plugin's fault
        if not is_fault(error):
            raise
        raise PluginError(f"cannot load {ref!r}: {sentence(error)}") from error
    return target


def describe(ref: Ref) -> str:
    """``package.module:name`` of a reference, for messages and records."""
    if isinstance(ref, str):
        return ref
    return f"{getattr(ref, '__module__', '?')}:{getattr(ref, '__qualname__', repr(ref))}"
