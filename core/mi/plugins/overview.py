"""Everything that is known of plugins without loading one: metadata now, and what the last load recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import asdict

from mi.entrypoints import COMMANDS, Found, find
from mi.errors import unknown
from mi.plugins.lastload import LastLoad
from mi.plugins.records import Record
from mi.plugins.survey import survey

# key of a row -> the key of a record's offers that it shows
OFFERS = {
    "families": "families",
    "family_codes": "register_family",
    "probe_kinds": "provide_probe",
    "analyzers": "analyze",
    "visualizations": "visualize",
}


def overview(root: Path | None = None) -> list[dict[str, Any]]:
    """One row a plugin (keys in docs/cli-json.md); nothing is imported.

    Args:
        root: the workspace's folder, whose local plugins count too.
    """
    last = LastLoad.read()
    return with_commands([row(candidate.record, last) for candidate in survey(root)])


def check_rows(root: Path | None, name: str | None, limit: float) -> list[dict[str, Any]]:
    """Rows of plugins after each was loaded in a child process; the records are kept as those of a load.

    Args:
        root: the workspace's folder.
        name: the one plugin to check; all when None.
        limit: seconds that a plugin may take.

    Raises:
        UnknownNameError: no plugin is called ``name``.
        MiError: no process can be started.
    """
    from mi.plugins.check import check_plugins

    records = [candidate.record for candidate in survey(root)]
    chosen = [record for record in records if name in (None, record.name)]
    if not chosen:
        raise unknown("plugin", name or "", [record.name for record in records])
    results = check_plugins(chosen, root, limit=limit)
    last = LastLoad.read()
    last.remember(one.record for one in results)
    return with_commands([row(one.record, last, one.printed) for one in results], strangers=name is None)


def row(record: Record, last: LastLoad, printed: str = "") -> dict[str, Any]:
    """One plugin: its record as a survey or a check made it, completed by what the last load recorded."""
    kept = last.of(record)
    shown = kept[0] if kept is not None and record.status == "ready" else record
    loaded = kept is not None and record.milliseconds is not None
    return {
        "id": record.name,
        "name": record.name,
        "state": shown.status,
        "kind": record.kind,
        "distribution": record.distribution,
        "version": record.version,
        "api": record.api,
        "value": record.value,
        "digest": record.digest,
        "age_seconds": kept[1] if kept is not None and (shown is not record or loaded) else None,
        "milliseconds": shown.milliseconds,
        "hooks": list(shown.hooks),
        **{key: list(shown.offers.get(offer, ())) for key, offer in OFFERS.items()},
        "commands": [],
        "failures": [asdict(failure) for failure in shown.failures],
        "warnings": list(shown.warnings),
        "printed": printed,
    }


def with_commands(rows: Iterable[dict[str, Any]], *, strangers: bool = True) -> list[dict[str, Any]]:
    """Rows with the commands of each plugin's distribution.

    Args:
        rows: as :func:`row` makes them.
        strangers: whether a distribution with commands and no plugin gets a row of its own.
    """
    found: dict[str, list[Found]] = {}
    for one in find(COMMANDS):
        found.setdefault(one.distribution, []).append(one)
    filled = []
    for known in rows:
        mine = found.get(known["distribution"], []) if known["kind"] == "installed" else []
        filled.append(known | {"commands": [one.entry.name for one in mine if one.entry is not None]})
    taken = {known["distribution"] for known in filled}
    for distribution, commands in sorted(found.items()) if strangers else ():
        if distribution not in taken:
            filled.append(_stranger(distribution, commands))
    return filled


def _stranger(distribution: str, commands: list[Found]) -> dict[str, Any]:
    record = Record(name=distribution, distribution=distribution, version=commands[0].version)
    for problem in filter(None, (one.problem for one in commands)):
        record.status = "failed"
        record.fail("discover", problem)
    names = [one.entry.name for one in commands if one.entry is not None]
    return row(record, LastLoad(Path())) | {"kind": "commands", "commands": names}
