"""Discovery, isolation and records of plugins.

The host goes entry point by entry point. A plugin that fails, by raising, by exiting, by declaring nonsense,
loses only its own contribution, and the failure is kept as data. There is no global manager: ``load_host``
returns a value that is passed on.
"""

from __future__ import annotations

import os
import re
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

import pluggy
from attrs import define, field, frozen
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from mi import hookspecs
from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode, VariantCode
from mi.domain.family import Family
from mi.domain.probe import ProbeKind
from mi.domain.visualization import Visualization
from mi.errors import PluginError, nearest, unknown
from mi.refs import resolve

GROUP = "mi.plugins"
API_VERSION = "0.1"
BUILTIN = "core"
HOOKS = ("register_family", "provide_probe", "analyze", "visualize")
_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_KIND_OF_HOOK: dict[str, tuple[str, type]] = {
    "register_family": ("family code", FamilyCode),
    "provide_probe": ("probe kind", ProbeKind),
    "analyze": ("analyzer", Analyzer),
    "visualize": ("visualization", Visualization),
}


@frozen(kw_only=True)
class Failure:
    """One thing that went wrong in a plugin, kept as data."""

    hook: str
    error: str
    details: str = ""


@define(kw_only=True)
class Record:
    """What is known of one plugin.

    Attributes:
        name: entry-point name.
        distribution, version: the package that it came with.
        value: ``package.module`` of the entry point.
        status: ``loaded``, ``failed`` or ``disabled``.
        failures: everything that went wrong, in order.
        warnings: what did not stop it (written for a newer minor version).
        hooks: names of the hooks that it implements.
        milliseconds: time to import it.
    """

    name: str
    distribution: str = ""
    version: str = ""
    value: str = ""
    status: str = "loaded"
    failures: list[Failure] = field(factory=list)
    warnings: list[str] = field(factory=list)
    hooks: tuple[str, ...] = ()
    milliseconds: float = 0.0

    @property
    def source(self) -> str:
        """``distribution version``, for messages."""
        return f"{self.distribution} {self.version}".strip() or self.value

    def fail(self, hook: str, error: BaseException | str) -> None:
        """Keep a failure; an exception with its traceback."""
        if isinstance(error, str):
            self.failures.append(Failure(hook=hook, error=error))
            return
        details = "".join(traceback.format_exception(error))
        self.failures.append(Failure(hook=hook, error=f"{type(error).__name__}: {error}", details=details))


@define
class Host:
    """The loaded plugins, and what they offer to each family.

    Every question answers with what works and records what does not; asking twice costs nothing.
    """

    records: list[Record]
    strict: bool = False
    _managers: dict[str, pluggy.PluginManager] = field(factory=dict)
    _answers: dict[tuple[str, str], dict[str, Any]] = field(factory=dict)

    def family_codes(self) -> dict[str, FamilyCode]:
        """Family codes by id."""
        return self._offers("register_family", None)

    def probe_kinds(self, family: Family) -> dict[str, ProbeKind]:
        """Probe kinds offered to ``family`` by id, whether or not it allows them."""
        return self._offers("provide_probe", family)

    def analyzers(self, family: Family) -> dict[str, Analyzer]:
        """Analyzers offered to ``family`` by id."""
        return self._offers("analyze", family)

    def visualizations(self, family: Family) -> dict[str, Visualization]:
        """Visualizations offered to ``family`` by id."""
        return self._offers("visualize", family)

    def variant_code(self, family: Family, parameters: Mapping[str, Any]) -> VariantCode:
        """The family's code, bound to one variant's parameters.

        Raises:
            UnknownNameError: no plugin offers the code that family.json names.
            ParameterError: the code refuses the parameters.
        """
        codes = self.family_codes()
        if family.code not in codes:
            broken = [r for r in self.records if r.name == family.code.split(".")[0] and r.failures]
            hint = f"plugin {broken[0].name} failed: {broken[0].failures[0].error}" if broken else ""
            raise unknown(f"code of family {family.name}", family.code, codes, hint=hint)
        cls = resolve(codes[family.code].implementation)
        code = cls(parameters)
        if not isinstance(code, VariantCode):
            raise PluginError(f"family code {family.code}: {cls!r} is not a VariantCode")
        return code

    def record_of(self, id: str) -> Record | None:
        """The record of the plugin that an id belongs to."""
        return next((r for r in self.records if r.name == id.split(".")[0]), None)

    def failures(self) -> list[tuple[Record, Failure]]:
        """Every failure so far, with its plugin."""
        return [(record, failure) for record in self.records for failure in record.failures]

    def _offers(self, hook: str, family: Family | None) -> dict[str, Any]:
        key = (hook, family.name if family else "")
        if key not in self._answers:
            self._answers[key] = self._ask(hook, family)
        return self._answers[key]

    def _ask(self, hook: str, family: Family | None) -> dict[str, Any]:
        """Call one hook plugin by plugin; check, attribute and merge what comes back."""
        kind, expected = _KIND_OF_HOOK[hook]
        arguments = {} if family is None else {"family": family}
        merged: dict[str, Any] = {}
        for record in self.records:
            manager = self._managers.get(record.name)
            if manager is None or hook not in record.hooks:
                continue
            items = self._guarded(record, hook, partial(_call, manager, hook, arguments))
            for item in items or ():
                problem = _problem(item, record, kind, expected, merged)
                if problem is None:
                    merged[item.id] = item
                    continue
                if self.strict:
                    raise PluginError(f"plugin {record.name} ({record.source}): {problem}")
                if not any(f.error == problem for f in record.failures):
                    record.fail(hook, problem)
        return merged

    def _guarded(self, record: Record, hook: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (Exception, SystemExit) as error:
            if self.strict:
                raise
            record.fail(hook, error)
            return None


def _call(manager: pluggy.PluginManager, hook: str, arguments: Mapping[str, Any]) -> list[Any]:
    return _listed(getattr(manager.hook, hook)(**arguments))


def _listed(answers: list[Any]) -> list[Any]:
    """A plugin's answers to one hook as a list, made inside the guard: generators raise late."""
    items: list[Any] = []
    for answer in answers:
        if isinstance(answer, FamilyCode | ProbeKind | Analyzer | Visualization):
            items.append(answer)
        elif isinstance(answer, Iterable) and not isinstance(answer, str | bytes):
            items.extend(answer)
        else:
            items.append(answer)
    return items


def _problem(item: Any, record: Record, kind: str, expected: type, seen: Mapping[str, Any]) -> str | None:
    """Why an item of a hook's answer is refused, or None."""
    if not isinstance(item, expected):
        return f"returned {item!r:.80}, expected {expected.__name__}"
    id: str = getattr(item, "id")  # noqa: B009 - declared by each of the four classes
    if id.split(".")[0] != record.name or id.count(".") < 1:
        return f"{kind} id is {id!r}, expected '{record.name}.<name>'"
    if id in seen:
        return f"{kind} id {id!r} is declared twice"
    return None


def load_host(*, builtin: bool = True, environ: Mapping[str, str] | None = None) -> Host:
    """Load every installed plugin, each in isolation.

    Environment: ``MI_LOAD_PLUGINS`` (names, comma separated; only these), ``MI_DISABLE_PLUGINS`` (all but
    these), ``MI_STRICT_PLUGINS=1`` (the first failure raises).
    """
    environ = os.environ if environ is None else environ
    only = _names(environ.get("MI_LOAD_PLUGINS"))
    without = _names(environ.get("MI_DISABLE_PLUGINS")) or set()
    host = Host(records=[], strict=environ.get("MI_STRICT_PLUGINS", "") not in ("", "0"))
    if builtin:
        record = Record(name=BUILTIN, distribution="mi-core", version=API_VERSION, value="mi.builtin")
        host.records.append(record)
        _load(host, record, EntryPoint(name=BUILTIN, value="mi.builtin", group=GROUP))
    found = discover()
    for name, candidates in found.items():
        entry, distribution = candidates[0]
        record = Record(
            name=name,
            distribution=distribution.name,
            version=distribution.version,
            value=entry.value,
        )
        host.records.append(record)
        if name in without or (only is not None and name not in only):
            record.status = "disabled"
        elif len(candidates) > 1:
            others = " and ".join(sorted(d.name for _, d in candidates))
            _refuse(host, record, f"the plugin name {name!r} is claimed by {others}; uninstall one of them")
        elif name == BUILTIN or _PLUGIN_NAME.fullmatch(name) is None:
            _refuse(host, record, f"the plugin name {name!r} is reserved or not a lower-case identifier")
        elif (mismatch := _api_mismatch(distribution)) is not None:
            _refuse(host, record, mismatch)
        else:
            _load(host, record, entry)
    return host


def discover() -> dict[str, list[tuple[EntryPoint, Distribution]]]:
    """Entry points of installed plugins by name, sorted, without importing any of them."""
    found: dict[str, dict[str, tuple[EntryPoint, Distribution]]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == GROUP:
                # One distribution may be seen twice along sys.path (an editable install): keep the first.
                found.setdefault(entry.name, {}).setdefault(distribution.name, (entry, distribution))
    return {name: [found[name][d] for d in sorted(found[name])] for name in sorted(found)}


def _api_mismatch(distribution: Distribution) -> str | None:
    """Why a plugin's own requirement on mi-core forbids loading it here, or None."""
    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.name.replace("_", "-").lower() == "mi-core":
            if Version(API_VERSION) in requirement.specifier or not requirement.specifier:
                return None
            return f"it requires mi-core {requirement.specifier}, this is {API_VERSION}"
    return None


def _load(host: Host, record: Record, entry: EntryPoint) -> None:
    """Import a plugin's module and register it in a manager of its own."""
    start = time.perf_counter()
    module = host._guarded(record, "import", entry.load)
    record.milliseconds = 1000 * (time.perf_counter() - start)
    if module is None:
        record.status = "failed"
        return
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)

    def register() -> None:
        manager.register(module, name=record.name)
        implemented = [caller.name for caller in manager.get_hookcallers(module) or ()]
        for name in implemented:
            if name not in HOOKS:
                near = nearest(name, HOOKS)
                did = f"; did you mean {near[0]}?" if near else ""
                raise PluginError(f"unknown hook {name!r}{did} (known: {', '.join(HOOKS)})")
        record.hooks = tuple(sorted(implemented))

    host._guarded(record, "register", register)
    if record.failures:
        record.status = "failed"
        return
    host._managers[record.name] = manager


def _refuse(host: Host, record: Record, sentence: str) -> None:
    if host.strict:
        raise PluginError(f"plugin {record.name} ({record.source}): {sentence}")
    record.status = "failed"
    record.fail("discover", sentence)


def _names(text: str | None) -> set[str] | None:
    return None if text is None else {part.strip() for part in text.split(",") if part.strip()}
