"""The loaded plugins and what they offer: each implementation called alone, its outcome kept as data."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pluggy
from attrs import define, field

from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode, VariantCode
from mi.domain.family import Family
from mi.domain.probe import ProbeKind
from mi.domain.visualization import Visualization
from mi.errors import MiError, PluginError, unknown
from mi.plugins.records import Failure, Record
from mi.refs import resolve

_KIND_OF_HOOK: dict[str, tuple[str, type]] = {
    "register_family": ("family code", FamilyCode),
    "provide_probe": ("probe kind", ProbeKind),
    "analyze": ("analyzer", Analyzer),
    "visualize": ("visualization", Visualization),
}
HOOKS = tuple(_KIND_OF_HOOK)
_DECLARATIONS = (FamilyCode, ProbeKind, Analyzer, Visualization)
# Ids name groups of the store and files: nothing that could leave a folder.
_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")


@define
class Host:
    """The loaded plugins, and what they offer to each family.

    Every question answers with what works and records what does not; asking twice costs nothing.

    Attributes:
        records: one a plugin, in the order in which they are asked.
        strict: the first failure raises.
        trace: a line on standard error for each call of a plugin.
        managers: a pluggy manager for each loaded plugin, so that each is called alone.
    """

    records: list[Record]
    strict: bool = False
    trace: bool = False
    managers: dict[str, pluggy.PluginManager] = field(factory=dict)
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
            PluginError: the code fails in any other way.
        """
        codes = self.family_codes()
        if family.code not in codes:
            owner = self.record_of(family.code)
            raise unknown(f"code of family {family.name}", family.code, codes, hint=_why_not(owner))
        cls = resolve(codes[family.code].implementation)
        try:
            code = cls(parameters)
        except MiError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"family code {family.code} failed: {type(error).__name__}: {error}") from error
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
        arguments = {} if family is None else {"family": family}
        merged: dict[str, Any] = {}
        for record in self.records:
            manager = self.managers.get(record.name)
            if manager is None or hook not in record.hooks:
                continue
            record.offers.setdefault(hook, [])
            for item in self.guarded(record, hook, partial(_call, manager, hook, arguments)) or ():
                problem = self.guarded(record, hook, partial(self._problem, item, record, hook, merged))
                if problem == "":
                    merged[item.id] = item
                    record.offer(hook, item.id)
                elif problem is not None:
                    self.refuse(record, hook, problem)
        return merged

    def _problem(self, item: Any, record: Record, hook: str, seen: Mapping[str, Any]) -> str:
        """Why an item of a hook's answer is refused, or an empty string."""
        kind, expected = _KIND_OF_HOOK[hook]
        if not isinstance(item, expected):
            return f"returned {item!r:.80}, expected {expected.__name__}"
        id: Any = getattr(item, "id")  # noqa: B009 - declared by each of the four classes
        wanted = f"expected '{record.name}.<name>' in lower case, digits and underscores"
        if not isinstance(id, str) or _ID.fullmatch(id) is None:
            return f"{kind} id is {id!r}, {wanted}"
        if id.split(".")[0] != record.name:
            owner = self.record_of(id)
            whose = f", which belongs to plugin {owner.name} ({owner.source})" if owner else ""
            return f"{kind} id is {id!r}{whose}; {wanted}"
        return f"{kind} id {id!r} is declared twice" if id in seen else ""

    def refuse(self, record: Record, hook: str, sentence: str) -> None:
        """Keep a failure that no exception tells.

        Raises:
            PluginError: in strict mode.
        """
        if self.strict:
            raise PluginError(f"plugin {record.name} ({record.source}): {sentence}")
        record.fail(hook, sentence)

    def guarded(self, record: Record, hook: str, call: Callable[[], Any]) -> Any:
        """What ``call`` returns, or None and a failure on record.

        What a plugin prints goes to standard error: standard output belongs to the command (``--json``).
        """
        start, outcome = time.perf_counter(), "failed"
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = call()
            outcome = f"returned {len(answer)}" if isinstance(answer, list) else "done"
            return answer
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # sys.exit, and whatever else a stranger's code may raise
            outcome = f"raised {type(error).__name__}"
            if self.strict:
                raise
            record.fail(hook, error)
            return None
        finally:
            # `_problem` passes here too, for each item: its outcome is no list, and tells nothing.
            if self.trace and outcome != "done":
                spent = 1000 * (time.perf_counter() - start)
                print(f"mi: plugin {record.name}: {hook} {outcome} in {spent:.1f} ms", file=sys.stderr)


def _call(manager: pluggy.PluginManager, hook: str, arguments: Mapping[str, Any]) -> list[Any]:
    """A plugin's answers to one hook as a list, made inside the guard: generators raise late."""
    items: list[Any] = []
    for answer in getattr(manager.hook, hook)(**arguments):
        if isinstance(answer, (*_DECLARATIONS, str, bytes)):
            items.append(answer)
        elif isinstance(answer, Iterable):
            items.extend(answer)
        else:
            items.append(answer)
    return items


def _why_not(record: Record | None) -> str:
    """Why a plugin offers nothing, for the end of a sentence."""
    if record is None:
        return ""
    if record.failures:
        return f"plugin {record.name} failed: {record.failures[0].error}"
    if record.status == "loaded":
        return ""
    return f"plugin {record.name} is {record.status}: {'; '.join(record.warnings) or record.source}."
