"""Variants in `results/`: checkpoints, losses, commit records and arrays, in a child process that reads them.

What is whole is `mi.store.integrity`'s to say. A child, since zarr and torch read the files, and either may
be what is broken; no plugin is loaded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mi.child import Child, Ended, Report
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding
from mi.plural import counted

OFTEN = 0.2  # seconds between two words of progress
_VARIANT = "variant "


def start(context: Context) -> Child:
    """The child that reads; see :func:`findings`.

    Raises:
        MiError: no process can be started.
    """
    argument = {"root": str(context.root), "deep": context.deep}
    return Child("mi.doctor.results:look", argument, context.limit, renew=True)


def look(argument: Mapping[str, Any], report: Report) -> None:
    """In the child: say the findings of one variant after the other."""
    from mi.domain.workspace import FamilyResults, Variant, Workspace
    from mi.errors import MiError
    from mi.plugins import Host

    report.phase("looking for variants")
    workspace = Workspace(Path(argument["root"]), Host(records=[]))  # what is declared on disk suffices
    for family in workspace.family_names():
        try:
            found = list(workspace.scan(family))
        except MiError:
            continue  # family.json is malformed, which the workspace's check says
        for i, one in enumerate(found):
            if isinstance(one, Variant):
                report.phase(f"reading {one.id}")
                report.say(**{f"{_VARIANT}{one.id}": _variant(one, argument["deep"], report)})
            else:
                mend = "restore the file, or remove the variant's folder"
                report.say(**{f"{_VARIANT}{family}/{i}": {"found": [[PROBLEM, str(one), mend]]}})
        readable = [one for one in found if isinstance(one, Variant)]
        if readable and (spanning := FamilyResults(workspace, readable[0].family)).folder.is_dir():
            report.phase(f"reading {spanning.id}")
            told = _groups(spanning, readable[0].name, argument["deep"], report)
            report.say(**{f"{_VARIANT}{spanning.id}": told})


def _variant(variant: Any, deep: bool, report: Report) -> dict[str, Any]:
    from mi.errors import MiError
    from mi.store.layout import VariantPaths
    from mi.store.lock import is_locked
    from mi.training.record import read_record

    paths = VariantPaths(variant.folder)
    if is_locked(paths):
        return {"busy": True, "found": []}
    found = []
    try:
        read_record(paths)
    except MiError as error:
        found.append([PROBLEM, str(error), f"restore {paths.metadata.name}, or train the variant again"])
    told = _groups(variant, variant.name, deep, report)
    return told | {"found": found + told["found"]}


def _groups(owner: Any, mended: str, deep: bool, report: Report) -> dict[str, Any]:
    """Everything but what training says of itself; ``mended`` is the variant that a mend names."""
    from mi.store.checkpoints import list_checkpoints, list_states
    from mi.store.groupcheck import check_group, groups_of
    from mi.store.integrity import DAMAGED, Tally, check_files, mending
    from mi.store.layout import VariantPaths
    from mi.store.lock import is_locked

    paths = VariantPaths(owner.folder)
    if is_locked(paths):
        return {"busy": True, "found": []}
    found = []
    groups, tally = groups_of(paths), Tally(_Words(owner.id, report).read)
    listed = list(check_files(paths, tally, deep=deep))
    for probe, analyzer in groups:
        listed += check_group(paths, probe, analyzer, tally, deep=deep)
    for one in listed:
        state = PROBLEM if one.state == DAMAGED else WARNING
        found.append([state, f"{paths.root / one.where}: {one.what}", mending(one, mended)])
    counts = {"checkpoints": len(list_checkpoints(paths)), "states": len(list_states(paths))}
    return counts | {"found": found, "groups": len(groups), "bytes": tally.bytes}


class _Words:
    """Progress, said now and then."""

    def __init__(self, variant: str, report: Report) -> None:
        self.variant, self.report, self.count, self.last = variant, report, 0, time.monotonic()

    def read(self, file: Path) -> None:
        """One more file is read."""
        self.count += 1
        if time.monotonic() - self.last > OFTEN:
            self.report.say(progress=f"{self.variant}: {counted(self.count, 'file')}")
            self.last = time.monotonic()


def findings(ended: Ended, context: Context) -> Iterator[Finding]:
    """What is wrong with each variant, or how much of it is right."""
    variants = {name.removeprefix(_VARIANT): told for name, told in ended.said.items() if _VARIANT in name}
    for id, told in variants.items():
        for i, (state, sentence, mend) in enumerate(told["found"]):
            below = sentence.replace(f"{context.root}{os.sep}", "")
            yield Finding("results", f"{id}/{i}", state, below, mend)
        if told.get("busy"):
            sentence = f"{id} is being written by another process, and left out"
            yield Finding("results", id, OK, sentence)
        elif not told["found"]:
            nouns = {"checkpoints": "checkpoint", "states": "training state", "groups": "analysis"}
            counts = ", ".join(counted(told[key], noun) for key, noun in nouns.items())
            how = f"{told['bytes'] / 1e6:.3g} MB read" if context.deep else "looked at, not read"
            yield Finding("results", id, OK, f"{id}: {counts}, {how}")
    if ended.problem:
        last = ended.printed.splitlines()[-1:]
        why = f" ({last[0]})" if last and "Error" in last[0] else ""
        sentence = f"results cannot be read: it {ended.problem}{why}"
        mend = "mend what is wrong with the packages above, else report it with `mi --debug doctor`"
        yield Finding("results", "reading", PROBLEM, sentence, mend)
    elif not variants:
        yield Finding("results", "variants", OK, "no variant yet; `mi train` makes one")
