"""What is broken here, and how to mend it: one check a module, none of which loads a plugin in this process.

Each check gives findings. What may end its process (torch, plugins) runs in a child, beside the others. A
check that fails is itself a finding: this is what one turns to when nothing works.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from mi.child import Child
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding

__all__ = ["OK", "PROBLEM", "WARNING", "Context", "Finding", "examine"]

CHECKS = ("packages", "machine", "device", "plugins", "workspace", "results", "chromium")


def examine(context: Context) -> Iterator[Finding]:
    """Everything, in the order of ``CHECKS``; slow ones start first and are waited for where they belong."""
    with ExitStack() as stack:
        torch = _start(stack, "device", lambda module: module.start(context))
        results = validation = None
        if context.root is not None:
            results = _start(stack, "results", lambda module: module.start(context))
        yield from _guarded("packages", lambda: _module("packages").check(context))
        yield from _guarded("machine", lambda: _module("machine").check(context))
        rows: list[dict[str, Any]] = []
        plugins = list(_guarded("plugins", lambda: _plugins(context, rows)))
        if context.root is not None:
            without = _module("plugins").dangerous(rows)
            validation = _start(stack, "declarations", lambda module: module.start(context, without))
        yield from _guarded("device", lambda: _module("device").findings(_ended(torch)))
        yield from plugins
        yield from _guarded("workspace", lambda: _workspace(context, validation))
        if context.root is not None:
            read = partial(_ended, results, lambda said: context.say(said.get("progress", "")))
            yield from _guarded("results", lambda: _module("results").findings(read(), context))
        yield from _guarded("chromium", lambda: _module("chromium").check(context))


def _plugins(context: Context, rows: list[dict[str, Any]]) -> Iterable[Finding]:
    rows += _module("plugins").rows(context)
    found: Iterable[Finding] = _module("plugins").findings(rows, context.environ)
    return found


def _workspace(context: Context, validation: Child | Exception | None) -> Iterator[Finding]:
    if context.root is None:
        yield Finding("workspace", "workspace", OK, "no workspace here, so none is looked at", "mi init")
        return
    yield Finding("workspace", "workspace", OK, f"{context.root}")
    yield from _module("declarations").findings(_ended(validation), context)


def _module(name: str) -> Any:
    return importlib.import_module(f"mi.doctor.{name}")


def _start(stack: ExitStack, name: str, start: Callable[[Any], Child]) -> Child | Exception:
    try:
        return stack.enter_context(start(_module(name)))
    except Exception as error:  # said where its findings would be
        return error


def _ended(child: Child | Exception | None, watch: Callable[[Any], None] | None = None) -> Any:
    if isinstance(child, Child):
        return child.finish(watch)
    raise child if child is not None else AssertionError("no child was started")


def _guarded(check: str, run: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """A check's findings; one that it raises instead is a finding too."""
    try:
        yield from run()
    except Exception as error:
        sentence = f"this check failed itself: {type(error).__name__}: {error}"
        yield Finding(check, "check", PROBLEM, sentence, "mi --debug doctor, and tell us what it shows")
