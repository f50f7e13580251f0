"""What plugins there are, without importing one: entry points, local files, and what forbids loading them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from attrs import frozen

from mi import __version__
from mi.entrypoints import PLUGINS as GROUP
from mi.entrypoints import Found, find
from mi.errors import nearest
from mi.plugins.local import LocalFile, local_files
from mi.plugins.plain import API_VERSION, plainly_met
from mi.plugins.records import Record
from mi.plugins.trust import Trust

BUILTIN = "core"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@frozen
class Candidate:
    """A plugin that was found.

    Attributes:
        record: what its metadata tell; ``ready`` when nothing forbids loading it.
        load: imports it and returns the object that holds its hooks.
    """

    record: Record
    load: Callable[[], Any]


def survey(
    root: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    builtin: bool = True,
    installed: bool = True,
    trusted: Collection[Path] = (),
) -> list[Candidate]:
    """Every plugin in the order in which it is asked: the core's own, then by name.

    Args:
        root: the workspace's folder, whose ``local_plugins/*.py`` count too.
        environ: ``MI_LOAD_PLUGINS`` (names, comma separated; only these), ``MI_DISABLE_PLUGINS`` (all but
            these), ``MI_TRUST=1`` (local files are run without having been trusted).
        builtin, installed: whether the core's own and the installed ones count.
        trusted: local files that may run whatever they hold now.
    """
    environ = os.environ if environ is None else environ
    found = [_of_entry(one) for one in find(GROUP)] if installed else []
    files = local_files(root) if root is not None else []
    trust = Trust.read(environ) if files else None
    found += [_of_file(file, trust, file.path in trusted) for file in files if trust is not None]
    found.sort(key=lambda candidate: (candidate.record.name, candidate.record.source))
    _switch_off(found, environ)
    _refuse_clashes([c.record for c in found if c.record.status != "disabled"])
    return ([_builtin()] if builtin else []) + found


def strangers(names: Collection[str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that switch plugins on or off and name some that are not there: variable -> one sentence.

    Args:
        names: of the plugins that there are.
        environ: the environment; the process's own by default.
    """
    environ = os.environ if environ is None else environ
    said = {}
    for variable in ("MI_LOAD_PLUGINS", "MI_DISABLE_PLUGINS"):
        unknown = sorted((_names(environ.get(variable)) or set()) - set(names))
        if unknown:
            near = {name: nearest(name, names, limit=1) for name in unknown}
            shown = [repr(name) + "".join(f" (did you mean {n}?)" for n in near[name]) for name in unknown]
            said[variable] = f"{variable} names {', '.join(shown)}: no plugin has that name"
    return said


def _switch_off(found: list[Candidate], environ: Mapping[str, str]) -> None:
    only = _names(environ.get("MI_LOAD_PLUGINS"))
    without = _names(environ.get("MI_DISABLE_PLUGINS")) or set()
    for record in (candidate.record for candidate in found):
        if record.name in without or (only is not None and record.name not in only):
            record.status, record.failures, record.warnings = "disabled", [], []


def _refuse_clashes(records: list[Record]) -> None:
    """Refuse a name that several claim, and one that cannot be.

    Of two distributions none is kept: which one would be luck. A local file gives way to a distribution, else
    a folder from elsewhere could switch off what is installed; it is renamed in a moment.
    """
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.name, []).append(record)
    for name, claims in by_name.items():
        installed = [record for record in claims if record.kind == "installed"]
        claimants = " and ".join(record.distribution for record in installed)
        for record in claims:
            if not record.value:
                continue  # its metadata cannot be read: the name is the distribution's
            if name == BUILTIN or _NAME.fullmatch(name) is None:
                _refuse(record, f"the plugin name {name!r} is reserved or not a lower-case identifier")
            elif record.kind == "local" and installed:
                _refuse(record, f"the plugin name {name!r} is claimed by {claimants}; rename the file")
            elif len(installed) > 1:
                _refuse(record, f"the plugin name {name!r} is claimed by {claimants}; remove one of them")


def _builtin() -> Candidate:
    entry = EntryPoint(name=BUILTIN, value="mi.builtin", group=GROUP)
    record = Record(
        name=BUILTIN,
        kind="builtin",
        distribution="mi-core",
        version=__version__,
        value=entry.value,
        api=API_VERSION,
    )
    return Candidate(record, entry.load)


def _of_entry(found: Found) -> Candidate:
    entry = found.entry
    if entry is None:
        record = Record(name=found.distribution, distribution=found.distribution, version=found.version)
        _refuse(record, found.problem)
        return Candidate(record, lambda: None)
    record = Record(
        name=entry.name, distribution=found.distribution, version=found.version, value=entry.value
    )
    plain = plainly_met(found.requires)
    if plain is not None:
        record.api = plain
        return Candidate(record, entry.load)
    from mi.plugins.versions import check_requires

    verdict = check_requires(found.requires)
    record.api, record.warnings = verdict.api, list(verdict.warnings)
    if verdict.refusal:
        _refuse(record, verdict.refusal)
    return Candidate(record, entry.load)


def _of_file(file: LocalFile, trust: Trust, trusted: bool) -> Candidate:
    from mi.plugins.versions import check_stated

    record = Record(name=file.name, kind="local", value=str(file.path), digest=file.digest)
    if file.problem:
        _refuse(record, file.problem)
        return Candidate(record, file.load)
    verdict = check_stated(file.api)
    record.api, record.warnings = verdict.api, list(verdict.warnings)
    if verdict.refusal:
        _refuse(record, verdict.refusal)
    elif not trusted and not trust.holds(file.path, file.digest):
        record.status = "untrusted"
        why = "it has changed since it was trusted" if trust.knows(file.path) else "it was never trusted"
        record.warnings.append(
            f"not run, for {trust.problem or why}; look at it, then `mi trust {file.name}`"
        )
    return Candidate(record, file.load)


def _refuse(record: Record, sentence: str) -> None:
    record.status = "failed"
    record.fail("discover", sentence)


def _names(text: str | None) -> set[str] | None:
    return None if text is None else {part.strip() for part in text.split(",") if part.strip()}
