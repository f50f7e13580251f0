"""Variants in `results/`: their files as far as that costs next to nothing; no array is read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from mi.doctor import artifacts, deep, tensors
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding
from mi.domain.workspace import RESULTS, Variant, Workspace
from mi.errors import MiError
from mi.plugins import Host
from mi.store.checkpoints import list_checkpoints, list_states
from mi.store.layout import VariantPaths
from mi.store.lock import is_locked
from mi.training.record import read_record


def check(context: Context) -> Iterator[Finding]:
    """Every variant of every family that can be read."""
    assert context.root is not None
    workspace = Workspace(context.root, Host(records=[]))  # no plugin: what is declared on disk suffices
    names = workspace.family_names()
    seen = 0
    for name in names:
        try:
            found = list(workspace.scan(name))
        except MiError:
            continue  # family.json is malformed, which the workspace's check says
        for i, variant in enumerate(found):
            seen += 1
            if isinstance(variant, Variant):
                yield from of_variant(variant, context)
            else:
                mend = "restore the file, or remove the variant's folder"
                yield Finding("results", f"{name}/{i}", PROBLEM, _below(context.root, str(variant)), mend)
    if not seen:
        yield Finding("results", "variants", OK, "no variant yet; `mi train` makes one")


def of_variant(variant: Variant, context: Context) -> Iterator[Finding]:
    """One finding for each thing that is wrong, or one that says how much is right."""
    assert context.root is not None
    paths = VariantPaths(variant.folder)
    if is_locked(paths):
        sentence = f"{variant.id} is being written by another process, and left out"
        yield Finding("results", variant.id, OK, sentence)
        return
    found = [*_files(variant, paths, context), *_leftovers(variant, paths, context.root)]
    for i, (state, sentence, mend) in enumerate(found):
        yield Finding("results", f"{variant.id}/{i}", state, _below(context.root, sentence), mend)
    if not found:
        how = "read to the last byte" if context.deep else "looked at, not read"
        counts = f"{len(list_checkpoints(paths))} checkpoints, {len(list_states(paths))} training states"
        groups = len(list(paths.commits.glob("*/*")))
        sentence = f"{variant.id}: {counts}, {groups} analyses, {how}"
        yield Finding("results", variant.id, OK, sentence)


def _files(variant: Variant, paths: VariantPaths, context: Context) -> Iterator[tuple[str, str, str]]:
    analyze = f"mi analyze {shlex.quote(variant.name)}"
    try:
        read_record(paths)
    except MiError as error:
        yield PROBLEM, str(error), f"restore {paths.metadata.name}, or train the variant again"
    checkpoints = [(checkpoint.path, "checkpoint") for checkpoint in list_checkpoints(paths)]
    states = [(path, "training state") for path in list_states(paths).values()]
    for file, kind in context.progress(f"{variant.id}: weights", [*checkpoints, *states]):
        problem = tensors.damage(file, deep=context.deep)
        if problem:
            left_out = "its epoch is then left out" if kind == "checkpoint" else "training resumes before it"
            mend = f"restore it, or {_remove(context.root, file)} ({left_out})"
            yield PROBLEM, f"{file}: damaged {kind} ({problem})", mend
    yield from artifacts.look(paths, analyze)
    if context.deep:
        yield from deep.read(paths, analyze, variant.id, context)


def _leftovers(variant: Variant, paths: VariantPaths, root: Path) -> Iterator[tuple[str, str, str]]:
    """What a killed process left; nobody writes here now."""
    left = sorted(path for path in paths.root.rglob(".*.partial") if path.is_file())
    if paths.staging.exists():
        left.append(paths.staging)
    if left:
        count = f"{len(left)} things" if len(left) > 1 else "something"
        sentence = f"{variant.id}: a process that was killed left {count} half written, which nothing reads"
        yield WARNING, sentence, "; ".join(_remove(root, path) for path in left)


def _remove(root: Path | None, path: Path) -> str:
    shown = os.path.relpath(path, root) if root is not None else str(path)
    return f"rm {'-r ' if path.is_dir() else ''}{shlex.quote(shown)}"


def _below(root: Path, sentence: str) -> str:
    return sentence.replace(f"{root / RESULTS}{os.sep}", f"{RESULTS}{os.sep}")
