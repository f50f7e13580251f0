"""What the planner does to a variant's artifacts while nobody else writes: lay, regroup, retract, tidy.

Every function here expects the variant's lock to be held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mi.errors import StoreError
from mi.store.commits import Commits
from mi.store.finite import INPUTS, count
from mi.store.layout import VariantPaths
from mi.store.schema import BLOCK, BLOCKS, WHOLE, GroupSpec
from mi.store.switch import recover, staged, switch
from mi.store.zarrio import (
    chunk_files,
    consolidate,
    create_group,
    ensure_root,
    epochs_of,
    fsync_files,
    is_consolidated,
    open_arrays,
    open_group,
    store_errors,
    unconsolidate,
)


def place_of(paths: VariantPaths, probe: str, analyzer: str) -> Path:
    """A group's folder."""
    return paths.artifacts / probe / analyzer


def sweep(paths: VariantPaths) -> None:
    """Clear what a killed process left: a half-made switch, staged folders, ``*.partial`` files.

    Raises:
        StoreError: the folder cannot be written.
    """
    recover(paths.staging)
    for folder in (paths.artifacts, paths.commits):
        if folder.is_dir():
            for orphan in folder.rglob("*.partial"):
                orphan.unlink(missing_ok=True)
    if not is_consolidated(paths.artifacts):
        consolidate(paths.artifacts)


def stored(paths: VariantPaths, spec: GroupSpec) -> tuple[dict[int, str], str | None]:
    """What is committed, whole and of this identity: fingerprints by epoch, and of the group as a whole.

    A damaged record, a group of another identity, a missing array or a missing chunk counts as not committed:
    the planner has it computed again.
    """
    commits, path = Commits.of(paths, spec.probe, spec.analyzer), place_of(paths, spec.probe, spec.analyzer)
    try:
        if open_group(path).attrs.get("identity") != spec.identity:
            return {}, None
        arrays = open_arrays(path)
        if not spec.epochal:
            return {}, None if lacks_chunks(path, spec, arrays) else commits.whole()
        held = commits.read()
        axis = {e: i for i, e in enumerate(epochs_of(path, arrays))}
        known = {e: f for e, f in held.items() if e in axis}
        lost = missing(path, spec, arrays, [axis[e] for e in known])
    except (StoreError, KeyError):
        return {}, None
    return {e: f for (e, f), gone in zip(known.items(), lost, strict=True) if not gone}, None


def missing(path: Path, spec: GroupSpec, arrays: Mapping[str, Any], positions: Sequence[int]) -> list[bool]:
    """For each position along ``epoch``, whether a chunk that holds it is missing.

    Raises:
        KeyError: a declared array is missing.
    """
    seen: dict[Path, bool] = {}

    def absent(file: Path) -> bool:
        if file not in seen:
            seen[file] = not file.exists()
        return seen[file]

    declared = [(path / a.name, arrays[a.name]) for a in spec.arrays]
    return [
        any(absent(f) for place, array in declared for f in chunk_files(place, array, at, at + 1))
        for at in positions
    ]


def lacks_chunks(path: Path, spec: GroupSpec, arrays: Mapping[str, Any]) -> bool:
    """Whether any chunk of any declared array is missing.

    Raises:
        KeyError: a declared array is missing.
    """
    declared = [(path / a.name, arrays[a.name]) for a in spec.arrays]
    return any(
        not file.exists()
        for place, array in declared
        for file in chunk_files(place, array, 0, max((*array.shape[:1], 1)))
    )


def prepare(paths: VariantPaths, spec: GroupSpec, epochs: Sequence[int], keep: Collection[int]) -> None:
    """Make the group ready for work: laid over ``epochs``, and nothing committed but ``keep``.

    Args:
        paths: the variant's.
        spec: the group, epochal.
        epochs: checkpoints there are, sorted; epochs in ``keep`` join them.
        keep: epochs whose committed results stay.

    Raises:
        StoreError: the folder cannot be written.
    """
    commits, path = Commits.of(paths, spec.probe, spec.analyzer), place_of(paths, spec.probe, spec.analyzer)
    axis = sorted({*epochs, *keep})
    try:
        group, arrays = open_group(path), open_arrays(path, "r+")
        old = epochs_of(path, arrays)
        usable = bool(keep) and group.attrs.get("identity") == spec.identity
    except StoreError:
        usable = False
    if not usable:
        commits.drop()
        _new_generation(paths, spec, axis, {}, BLOCKS)
        return
    commits.retract(commits.read().keys() - set(keep))
    if old != axis or (group.attrs["layout"] == WHOLE and len(axis) > BLOCK):
        _new_generation(paths, spec, axis, {e: old.index(e) for e in keep}, BLOCKS)
        return
    with store_errors(path, "written"):
        arrays["committed"][...] = np.isin(np.asarray(axis), np.asarray(sorted(keep)))


def tidy(paths: VariantPaths, specs: Sequence[GroupSpec]) -> None:
    """After the work: short results in one chunk over all epochs, one commit record a group.

    Raises:
        StoreError: the folder cannot be written.
    """
    for spec in specs:
        commits = Commits.of(paths, spec.probe, spec.analyzer)
        path = place_of(paths, spec.probe, spec.analyzer)
        if not spec.epochal or not path.exists():
            continue
        group = open_group(path)
        axis = epochs_of(path, open_arrays(path))
        if len(axis) > BLOCK and group.attrs["layout"] == BLOCKS:
            held = commits.read()
            _new_generation(paths, spec, axis, {e: axis.index(e) for e in held if e in axis}, WHOLE)
        commits.merge()
    if not is_consolidated(paths.artifacts):
        consolidate(paths.artifacts)
    if paths.staging.exists():
        recover(paths.staging)


def write_whole(
    paths: VariantPaths,
    spec: GroupSpec,
    values: Mapping[str, np.ndarray],
    fingerprint: str,
    provenance: Mapping[str, Any],
    bad_inputs: int = 0,
) -> None:
    """Replace artifacts without an axis of checkpoints, all at once.

    Args:
        paths: the variant's.
        spec: the group, not epochal.
        values: output -> array.
        fingerprint: what the commit says.
        provenance: recorded with the commit.
        bad_inputs: at how many epochs what it was made from is not finite: said with the results.

    Raises:
        StoreError: the folder cannot be written.
    """
    commits = Commits.of(paths, spec.probe, spec.analyzer)
    new = staged(paths.staging)
    create_group(new, spec, ())
    arrays = open_arrays(new, "r+")
    with store_errors(new, "written"):
        for array in spec.arrays:
            arrays[array.name][...] = values[array.name]
        fsync_files(p for p in new.rglob("*") if p.is_file())
    commits.drop()
    _put(paths, spec, new)
    bad = count(spec.arrays, values) | ({INPUTS: bad_inputs} if bad_inputs else {})
    commits.add_whole(fingerprint, provenance, bad)
    consolidate(paths.artifacts)


def _new_generation(
    paths: VariantPaths, spec: GroupSpec, axis: Sequence[int], kept: Mapping[int, int], layout: str
) -> None:
    """Build the group anew, with the committed epochs ``kept`` (epoch -> old position), and switch to it."""
    new = staged(paths.staging)
    create_group(new, spec, axis, layout)
    if kept:
        arrays = open_arrays(new, "r+")
        place = {e: i for i, e in enumerate(axis)}
        source = open_arrays(place_of(paths, spec.probe, spec.analyzer))
        with store_errors(new, "written"):
            for array in spec.arrays:
                target = arrays[array.name]
                step = target.chunks[0]
                for low in range(0, len(axis), step):  # whole chunks of the new generation
                    there = [e for e in axis[low : low + step] if e in kept]
                    if not there:
                        continue
                    part = np.full((min(step, len(axis) - low), *target.shape[1:]), array.fill, array.dtype)
                    rows = source[array.name].oindex[(np.asarray([kept[e] for e in there]),)]
                    part[[place[e] - low for e in there]] = rows
                    target[low : low + step] = part
            arrays["committed"][...] = np.isin(np.asarray(axis), np.asarray(sorted(kept)))
            fsync_files(p for p in new.rglob("*") if p.is_file())  # commit records will vouch for them
    _put(paths, spec, new)


def _put(paths: VariantPaths, spec: GroupSpec, new: Path) -> None:
    unconsolidate(paths.artifacts)
    ensure_root(paths.artifacts, spec.probe)
    switch(new, place_of(paths, spec.probe, spec.analyzer), paths.staging)
    with suppress(OSError):  # others are staged still
        paths.staging.rmdir()
