"""What happens in the child process of a check: one plugin loaded and asked everything that can be asked.

Everything goes through the host's guard, so that what raises becomes a failure on record; what ends the
process is told by :mod:`mi.plugins.check`, from the phase that was entered last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from mi.child import Report
from mi.domain.code import VariantCode
from mi.domain.family import Family, parse_family
from mi.domain.jsonfile import parse_json
from mi.domain.scaffold import shipped_families
from mi.domain.workspace import Workspace
from mi.entrypoints import COMMANDS, find
from mi.errors import MiError, PluginError
from mi.plugins.host import Host
from mi.plugins.loading import load_host
from mi.plugins.records import Record
from mi.plugins.survey import BUILTIN
from mi.refs import Ref, describe, resolve


def inspect_plugin(job: Mapping[str, Any], report: Report) -> None:
    """Load the plugin ``job["name"]``, ask it for every family, resolve what it declares.

    Says ``record`` again and again, ``ships`` (the objects of the family.json that it ships) once, and then
    asks for the same of other plugins.
    """
    name, root = job["name"], Path(job["root"]) if job["root"] else None
    environ = {k: v for k, v in os.environ.items() if k not in ("MI_STRICT_PLUGINS", "MI_TRACE_PLUGINS")}
    report.phase("importing")
    core = name == BUILTIN and job["value"] == "mi.builtin"
    environ["MI_LOAD_PLUGINS"] = name
    host = load_host(None if core else root, environ=environ, builtin=core, installed=not core)
    record = next(r for r in host.records if (r.name, r.value) == (name, job["value"]))
    report.phase("answering register_family", record=record.to_json())
    shipped = dict(_shipped(host))
    report.say(record=record.to_json(), ships=list(shipped.values()))
    families = _families(root, host, [*shipped.values(), *report.ask()])
    declared: list[Any] = list(host.family_codes().values())
    for family in families:
        for hook, ask in (
            ("provide_probe", host.probe_kinds),
            ("analyze", host.analyzers),
            ("visualize", host.visualizations),
        ):
            report.phase(f"answering {hook} for family {family.name}", record=record.to_json())
            declared += ask(family).values()
    for ref, hook in _references(declared).items():
        report.phase(f"loading {describe(ref)}", record=record.to_json())
        host.guarded(record, hook, partial(_resolve, ref, hook))
    for entry in _commands(record):
        report.phase(f"loading command {entry.name}", record=record.to_json())
        host.guarded(record, "command", partial(_command, entry))
    report.say(record=record.to_json())


def _shipped(host: Host) -> Iterator[tuple[str, Any]]:
    for name, (_, folder) in shipped_families(host).items():
        yield name, parse_json((folder / "family.json").read_bytes(), name)


def _families(root: Path | None, host: Host, shipped: list[Any]) -> list[Family]:
    """Those of the workspace, whose copies rule, and shipped ones."""
    found: dict[str, Family | MiError] = {} if root is None else Workspace(root, host).families()
    for data in shipped:
        if data["name"] not in found:
            found[data["name"]] = parse_family(data, data["name"])
    return [family for family in found.values() if isinstance(family, Family)]


def _references(declared: list[Any]) -> dict[Ref, str]:
    """Every function and class that declarations name, each once, with the hook that it belongs to."""
    found: dict[Ref, str] = {}
    hooks = {"FamilyCode": "register_family", "ProbeKind": "provide_probe", "Visualization": "visualize"}

    def visit(item: Any, hook: str) -> None:
        for field in attrs.fields(type(item)):
            value = getattr(item, field.name)
            if "Ref" in str(field.type).split(" | ") and value is not None:
                found.setdefault(value, hook)
            elif field.name == "derived":
                for quantity in value:
                    visit(quantity, hook)

    for item in declared:
        visit(item, hooks.get(type(item).__name__, "analyze"))
    return found


def _resolve(ref: Ref, hook: str) -> None:
    target = resolve(ref)
    if hook == "register_family":
        if not (isinstance(target, type) and issubclass(target, VariantCode)):
            raise PluginError(f"{describe(ref)} is {target!r:.80}, expected a subclass of mi.VariantCode")
    elif not callable(target):
        raise PluginError(f"{describe(ref)} is {target!r:.80}, expected a function")


def _commands(record: Record) -> Iterator[Any]:
    for found in find(COMMANDS):
        if (
            found.entry is not None
            and record.kind == "installed"
            and found.distribution == record.distribution
        ):
            yield found.entry


def _command(entry: Any) -> None:
    import click

    command = entry.load()
    if not isinstance(command, click.Command):
        raise PluginError(
            f"command {entry.name!r} is {command!r:.80}, expected a click command ({entry.value})"
        )
