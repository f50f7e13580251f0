"""Loading: each plugin imported and registered alone."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pluggy

from mi import hookspecs
from mi.errors import PluginError, nearest
from mi.plugins.guard import strays
from mi.plugins.host import HOOKS, Host
from mi.plugins.records import Record
from mi.plugins.survey import Candidate, survey

# What a plugin module must not import at its top: each costs every command a part of a second, or seconds.
HEAVY = ("torch", "transformer_lens", "numpy", "zarr", "xarray", "bokeh", "pandas", "matplotlib", "scipy")
SLOW_MS = 300


def load_host(
    root: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    builtin: bool = True,
    installed: bool = True,
    given: Mapping[str, Any] | None = None,
    trusted: Collection[Path] = (),
) -> Host:
    """Load every plugin, each in isolation.

    Environment, besides what :func:`mi.plugins.survey` reads: ``MI_STRICT_PLUGINS=1`` (the first failure
    raises), ``MI_TRACE_PLUGINS=1`` (a line on standard error for each call of a plugin).

    Args:
        root: the workspace's folder, whose ``local_plugins/*.py`` are loaded too.
        environ: the environment; the process's own by default.
        builtin, installed: whether the core's own and the installed plugins are loaded.
        given: further plugins by name, as modules or objects that hold hook implementations.
        trusted: local files that run whatever they hold now.

    Raises:
        PluginError: in strict mode, at the first failure, from what the plugin raised; or a given name is
            one of a plugin that was found.
    """
    environ = os.environ if environ is None else environ
    host = Host(records=[], strict=_on(environ, "MI_STRICT_PLUGINS"), trace=_on(environ, "MI_TRACE_PLUGINS"))
    candidates = survey(root, environ=environ, builtin=builtin, installed=installed, trusted=trusted)
    for name, plugin in (given or {}).items():
        taken = [c.record.owner for c in candidates if c.record.name == name and c.record.status == "ready"]
        if taken:
            raise PluginError(f"the name {name!r} of a given plugin is taken by {taken[0]}")
        candidates.append(_given(name, plugin))
    for candidate in candidates:
        record = candidate.record
        host.records.append(record)
        if record.status == "ready":
            _load(host, record, candidate)
        elif record.failures and host.strict:
            raise PluginError(record.line(record.failures[0]))
    return host


def _given(name: str, plugin: Any) -> Candidate:
    record = Record(name=name, kind="given", value=getattr(plugin, "__name__", type(plugin).__name__))
    return Candidate(record, lambda: plugin)


def _load(host: Host, record: Record, candidate: Candidate) -> None:
    """Import a plugin's module and register it in a manager of its own."""
    before, running = {name for name in HEAVY if name in sys.modules}, set(strays())
    start = time.perf_counter()
    module = host.guarded(record, "import", lambda: [candidate.load()])
    record.milliseconds = round(1000 * (time.perf_counter() - start), 1)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    if module is not None:
        host.guarded(record, "register", partial(_register, manager, record, module[0]))
    if record.failures:
        record.status = "failed"
        return
    heavy = [name for name in HEAVY if name in sys.modules and name not in before]
    record.warnings += host.guarded(record, "register", partial(_advice, record, module[0], heavy)) or []
    if set(strays()) - running:
        record.warnings.append("its import starts a thread; commands end without waiting for it")
    record.status = "failed" if record.failures else "loaded"
    if not record.failures:
        host.managers[record.name] = manager


def _register(manager: pluggy.PluginManager, record: Record, module: Any) -> None:
    manager.register(module, name=record.name)
    implemented = [caller.name for caller in manager.get_hookcallers(module) or ()]
    for name in implemented:
        if name not in HOOKS:
            near = nearest(name, HOOKS)
            did = f"; did you mean {near[0]}?" if near else ""
            raise PluginError(f"unknown hook {name!r}{did} (known: {', '.join(HOOKS)})")
    record.hooks = tuple(sorted(implemented))


def _advice(record: Record, module: Any, heavy: list[str]) -> list[str]:
    """What is worth a warning in a plugin that loads."""
    said = []
    unmarked = [h for h in HOOKS if h not in record.hooks and inspect.isfunction(getattr(module, h, None))]
    for hook in unmarked:
        said.append(f"{hook}() is not marked with @mi.hookimpl, so it is never called")
    if not record.hooks and not unmarked:
        said.append(f"it implements no hook (known: {', '.join(HOOKS)})")
    if heavy:
        said.append(f"it imports {', '.join(heavy)} at its top; import inside functions: every command waits")
    elif (record.milliseconds or 0) > SLOW_MS:
        said.append(f"its import took {record.milliseconds:.0f} ms; every command waits for it")
    return said


def _on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "") not in ("", "0")
