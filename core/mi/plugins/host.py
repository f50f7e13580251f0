"""The loaded plugins and what they offer: each implementation called alone, its outcome kept as data."""

from __future__ import annotations

import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

import pluggy
from attrs import define, evolve, field

from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode, VariantCode
from mi.domain.family import Family
from mi.domain.needs import Derived
from mi.domain.probe import ProbeKind
from mi.domain.visualization import Visualization
from mi.errors import MiError, PluginError, UnknownNameError, nearest, unknown
from mi.faults import frames, is_fault, place, sentence
from mi.plugins.declared import misfit
from mi.plugins.guard import shielded
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
# More would be a generator without an end.
MAX_ITEMS = 10_000


@define
class Host:
    """The loaded plugins, and what they offer to each family.

    Every question answers with what works and records what does not; asking twice costs nothing.

    Attributes:
        records: one a plugin, in the order in which they are asked.
        strict: the first failure raises.
        trace: a line on standard error for each call of a plugin.
        managers: a pluggy manager for each loaded plugin, so that each is called alone.
        token: differs from every other host's: what is cached of one host's plugins is no other's.
    """

    records: list[Record]
    strict: bool = False
    trace: bool = False
    managers: dict[str, pluggy.PluginManager] = field(factory=dict)
    token: str = field(factory=lambda: secrets.token_hex(8))
    _answers: dict[tuple[str, str], dict[str, Any]] = field(factory=dict)
    _say: Callable[[str], None] | None = None
    _asking: threading.RLock = field(factory=threading.RLock, repr=False, eq=False)

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
            raise self.unoffered(f"code of family {family.name}", family.code, codes)
        owner = self.record_of(family.code)
        whose = f"family code {family.code} of {owner.owner}" if owner else f"family code {family.code}"
        try:
            with shielded():
                code = resolve(codes[family.code].implementation)(parameters)
        except MiError as error:
            if isinstance(error, PluginError):
                raise PluginError(f"{whose}: {error}") from error
            raise
        except BaseException as error:
            if not is_fault(error):
                raise
            raise PluginError(f"{whose} failed: {sentence(error)}") from error
        if not isinstance(code, VariantCode):
            raise PluginError(f"{whose}: its implementation is not a VariantCode")
        return code

    def record_of(self, id: str) -> Record | None:
        """The record of the plugin that an id belongs to."""
        return next((r for r in self.records if r.name == id.split(".")[0]), None)

    def unoffered(self, kind: str, id: str, offered: Iterable[str]) -> UnknownNameError:
        """The error for an id that is not offered: what keeps its plugin from it, else what is like it.

        Of a plugin that is at work, and of which only some part failed, it is both.
        """
        record, offered = self.record_of(id), list(offered)
        why = record.why_not(id) if record is not None else ""
        if why and not (_at_work(record) and _like(id, offered)):
            return UnknownNameError(f"{why}; so there is no {kind} {id!r}")
        return unknown(kind, id, offered, hint=f"{why}." if why else "")

    def readable(self, family: Family) -> dict[str, Analyzer]:
        """The analyzers whose artifacts a view of one variant can read: all but those of scope ``family``."""
        return {id: a for id, a in self.analyzers(family).items() if a.scope != "family"}

    def unread(self, family: Family, visualization: str, id: str) -> UnknownNameError:
        """The error for an analyzer that a visualization reads and that it cannot have of ``family``."""
        owner, record = self.record_of(visualization), self.record_of(id)
        whose = f"visualization {visualization}" + (f" of {owner.owner}" if owner else "")
        if id in self.analyzers(family):
            return UnknownNameError(
                f"{whose} reads {id!r}, whose scope is family: its artifacts span variants, and a view shows "
                "one variant"
            )
        why = record.why_not(id) if record is not None else ""
        said = f"{whose} reads {id!r}, "
        said += f"and {why}" if why else f"an analyzer that no plugin offers to family {family.name}"
        near = [] if why and not _at_work(record) else _like(id, self.analyzers(family))
        return UnknownNameError(said + (f" (did you mean {' or '.join(near)}?)" if near else ""))

    def failures(self) -> list[tuple[Record, Failure]]:
        """Every failure so far, with its plugin."""
        return [(record, failure) for record in self.records for failure in record.failures]

    def announce(self, say: Callable[[str], None], before: Host | None = None) -> None:
        """Say every failure so far and every local file that is not run, a line each; then each new failure.

        Args:
            say: prints a line.
            before: the host that this one replaces: a file that it did not run either is not said again.
        """
        told = {_standing(record) for record in before.records} - {None} if before is not None else set()
        for record in self.records:
            for line in record.lines() if _standing(record) not in told else ():
                say(line)
        self._say = say

    def blamed(self, error: BaseException) -> str:
        """``plugin name (distribution version): what happened``: whose code raised an error; or empty.

        The innermost of the frames that it came through and that lie in a plugin's package or file counts.
        """
        for frame in frames(error):
            package = str(frame.f_globals.get("__name__", "")).split(".")[0]
            for record in self.records:
                local = record.kind == "local" and frame.f_code.co_filename == record.value
                if local or (record.kind == "installed" and record.package == package):
                    where = place(error, frame.f_code.co_filename)
                    return f"{record.owner} failed: {sentence(error)} ({where})"
        return ""

    def _offers(self, hook: str, family: Family | None) -> dict[str, Any]:
        key = (hook, family.name if family else "")
        with self._asking:
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
                answer = self.guarded(record, hook, partial(self._checked, item, record, hook, merged))
                if isinstance(answer, str):
                    self.refuse(record, hook, answer)
                elif answer is not None:
                    id, declaration = answer
                    merged[id] = declaration
                    record.offer(hook, id)
        return merged

    def _checked(
        self, item: Any, record: Record, hook: str, seen: Mapping[str, Any]
    ) -> tuple[str, Any] | str:
        """An item of a hook's answer with its id, or why it is refused."""
        kind, expected = _KIND_OF_HOOK[hook]
        if not isinstance(item, expected):
            return f"returned {item!r:.80}, expected {expected.__name__}"
        id: Any = getattr(item, "id")  # noqa: B009 - declared by each of the four classes
        wanted = f"expected '{record.name}.<name>' in lower case, digits and underscores"
        if type(id) is not str or _ID.fullmatch(id) is None:
            return f"{kind} id is {id!r}, {wanted}"
        if id.split(".")[0] != record.name:
            owner = self.record_of(id)
            whose = f", which belongs to {owner.owner}" if owner else ""
            return f"{kind} id is {id!r}{whose}; {wanted}"
        if id in seen:
            return f"{kind} id {id!r} is declared twice"
        problem = misfit(item)
        if problem:
            return f"{kind} {id}: {problem}"
        return id, _with_source(item, record.digest)

    def refuse(self, record: Record, hook: str, error: BaseException | str) -> None:
        """Keep a failure, and say it.

        Raises:
            PluginError: in strict mode.
        """
        failure = record.fail(hook, error)
        if failure is None:
            return
        if self.strict:
            raise PluginError(record.line(failure)) from (error if isinstance(error, BaseException) else None)
        if self._say is not None:
            self._say(record.line(failure))

    def guarded(self, record: Record, hook: str, call: Callable[[], Any]) -> Any:
        """What ``call`` returns, or None and a failure on record.

        What a plugin prints goes to standard error: standard output belongs to the command (``--json``).

        Raises:
            PluginError: in strict mode, from what the plugin raised.
        """
        start, outcome = time.perf_counter(), "failed"
        try:
            with shielded():
                answer = call()
            outcome = f"returned {len(answer)}" if isinstance(answer, list) else "done"
            return answer
        except BaseException as error:  # sys.exit, and whatever else a stranger's code may raise
            outcome = f"raised {type(error).__name__}"
            if not is_fault(error):
                raise
            self.refuse(record, hook, error)
            return None
        finally:
            # `_checked` passes here too, for each item: its outcome is no list, and tells nothing.
            if self.trace and outcome != "done":
                spent = 1000 * (time.perf_counter() - start)
                print(f"mi: plugin {record.name}: {hook} {outcome} in {spent:.1f} ms", file=sys.stderr)


def _call(manager: pluggy.PluginManager, hook: str, arguments: Mapping[str, Any]) -> list[Any]:
    """A plugin's answers to one hook as a list, made inside the guard: generators raise late."""
    items: list[Any] = []
    for answer in getattr(manager.hook, hook)(**arguments):
        if isinstance(answer, Iterable) and not isinstance(answer, (*_DECLARATIONS, str, bytes)):
            items.extend(islice(answer, MAX_ITEMS + 1))
        else:
            items.append(answer)
    if len(items) > MAX_ITEMS:
        raise PluginError(f"returned more than {MAX_ITEMS:,} items, expected a few")
    return items


def _with_source(item: Any, digest: str) -> Any:
    """An analyzer of a local file with that file's digest, on it and on the quantities that it derives."""
    if not digest or not isinstance(item, Analyzer | Derived):
        return item
    return evolve(item, source=digest, derived=tuple(_with_source(part, digest) for part in item.derived))


def _standing(record: Record) -> tuple[str, ...] | None:
    """A local file that is not run, as it is now; None for any other plugin."""
    if record.status != "untrusted":
        return None
    return (record.value, record.digest, *record.warnings)


def _at_work(record: Record | None) -> bool:
    return record is not None and record.status == "loaded"


def _like(id: str, offered: Iterable[str]) -> list[str]:
    """Ids with a name like that of ``id``: its plugin's, else another's.

    Names are compared without their plugin's, which alone would make any two ids of one plugin alike.
    """
    plugin, _, name = id.partition(".")
    names: dict[str, list[str]] = {}
    for known in offered:
        names.setdefault(known.partition(".")[2], []).append(known)
    found = [known for near in nearest(name, names) for known in names[near]]
    return [known for known in found if known.split(".")[0] == plugin] or found[:1]
