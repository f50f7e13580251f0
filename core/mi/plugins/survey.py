"""What plugins there are, without importing one: entry points, local files, and what forbids loading them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

from attrs import frozen

from mi import __version__
from mi.plugins.local import LocalFile, local_files
from mi.plugins.records import Record
from mi.plugins.trust import Trust
from mi.plugins.versions import API_VERSION, check_requires, check_stated

GROUP = "mi.plugins"
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
) -> list[Candidate]:
    """Every plugin in the order in which it is asked: the core's own, then by name.

    Args:
        root: the workspace's folder, whose ``local_plugins/*.py`` count too.
        environ: ``MI_LOAD_PLUGINS`` (names, comma separated; only these), ``MI_DISABLE_PLUGINS`` (all but
            these), ``MI_TRUST=1`` (local files are run without having been trusted).
        builtin, installed: whether the core's own and the installed ones count.
    """
    environ = os.environ if environ is None else environ
    found = [_of_entry(entry, distribution) for entry, distribution in _entries()] if installed else []
    found += [_of_file(file, Trust.read(environ)) for file in local_files(root)] if root is not None else []
    found.sort(key=lambda candidate: (candidate.record.name, candidate.record.source))
    by_name: dict[str, list[Record]] = {}
    for candidate in found:
        by_name.setdefault(candidate.record.name, []).append(candidate.record)
    only = _names(environ.get("MI_LOAD_PLUGINS"))
    without = _names(environ.get("MI_DISABLE_PLUGINS")) or set()
    for name, records in by_name.items():
        for record in records:
            if name in without or (only is not None and name not in only):
                record.status, record.failures, record.warnings = "disabled", [], []
            elif len(records) > 1:
                claimants = " and ".join(r.distribution or r.value for r in records)
                _refuse(record, f"the plugin name {name!r} is claimed by {claimants}; remove one of them")
            elif name == BUILTIN or _NAME.fullmatch(name) is None:
                _refuse(record, f"the plugin name {name!r} is reserved or not a lower-case identifier")
    return ([_builtin()] if builtin else []) + found


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


def _entries() -> list[tuple[EntryPoint, Distribution]]:
    """Entry points of installed plugins; one seen twice along sys.path (an editable install) counts once."""
    found: dict[tuple[str, str], tuple[EntryPoint, Distribution]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == GROUP:
                found.setdefault((entry.name, distribution.name), (entry, distribution))
    return list(found.values())


def _of_entry(entry: EntryPoint, distribution: Distribution) -> Candidate:
    verdict = check_requires(distribution.requires or ())
    record = Record(
        name=entry.name,
        distribution=distribution.name,
        version=distribution.version,
        value=entry.value,
        api=verdict.api,
        warnings=list(verdict.warnings),
    )
    if verdict.refusal:
        _refuse(record, verdict.refusal)
    return Candidate(record, entry.load)


def _of_file(file: LocalFile, trust: Trust) -> Candidate:
    record = Record(name=file.name, kind="local", value=str(file.path), digest=file.digest)
    if file.problem:
        _refuse(record, file.problem)
        return Candidate(record, file.load)
    verdict = check_stated(file.api)
    record.api, record.warnings = verdict.api, list(verdict.warnings)
    if verdict.refusal:
        _refuse(record, verdict.refusal)
    elif not trust.holds(file.path, file.digest):
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
