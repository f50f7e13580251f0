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
from mi.store.arrays import Array
from mi.store.commits import Commits
from mi.store.files import drop_partials, fsync_files, store_errors
from mi.store.finite import INPUTS, count
from mi.store.groups import (
    Group,
    consolidate,
    create_group,
    ensure_root,
    fsync_group,
    is_consolidated,
    open_group,
    unconsolidate,
    write_values,
)
from mi.store.keys import Folder, hierarchy, keys_of
from mi.store.layout import VariantPaths
from mi.store.pack import unpack
from mi.store.regroup import move
from mi.store.schema import BLOCK, BLOCKS, WHOLE, GroupSpec
from mi.store.switch import recover, staged, switch


def place_of(paths: VariantPaths, probe: str, analyzer: str) -> Path:
    """A group's folder."""
    return paths.artifacts / probe / analyzer


def sweep(paths: VariantPaths) -> None:
    """Clear what a killed process left of anybody's: a half-made switch, staged folders, files half written.

    Raises:
        StoreError: the folder cannot be written.
    """
    recover(paths.staging)
    drop_partials(paths)
    for store in (paths, paths.kept):
        if store.artifacts.is_dir():
            with store_errors(store.packed, "deleted"):
                store.packed.unlink(missing_ok=True)  # killed while packing or unpacking: the folder counts
        if not is_consolidated(hierarchy(store)):
            consolidate(store.artifacts)


def stored(paths: VariantPaths, spec: GroupSpec) -> tuple[dict[int, str], str | None]:
    """What is committed, whole and of this identity: fingerprints by epoch, and of the group as a whole.

    A damaged record, a group of another identity, a missing array or a missing chunk counts as not committed:
    the planner has it computed again.
    """
    commits, keys = Commits.of(paths, spec.probe, spec.analyzer), keys_of(paths, spec.probe, spec.analyzer)
    try:
        group = open_group(keys, own=True)
        if group.attrs.get("identity") != spec.identity:
            return {}, None
        if not spec.epochal:
            return {}, None if lacks_chunks(spec, group.arrays) else commits.whole()
        held = commits.read()
        axis = {e: i for i, e in enumerate(group.epochs())}
        known = {e: f for e, f in held.items() if e in axis}
        lost = missing(spec, group.arrays, [axis[e] for e in known])
    except (StoreError, KeyError):
        return {}, None
    return {e: f for (e, f), gone in zip(known.items(), lost, strict=True) if not gone}, None


def missing(spec: GroupSpec, arrays: Mapping[str, Array], positions: Sequence[int]) -> list[bool]:
    """For each position along ``epoch``, whether a chunk that holds it is missing.

    Raises:
        KeyError: a declared array is missing.
    """
    gone: set[int] = set()
    for declared in spec.arrays:
        array = arrays[declared.name]
        for first in {at // array.chunks[0] for at in positions}:
            low, high = first * array.chunks[0], min((first + 1) * array.chunks[0], array.shape[0])
            if not all(array.keys.exists(array.key(file)) for file in array.files(low, high)):
                gone.update(range(low, high))
    return [at in gone for at in positions]


def lacks_chunks(spec: GroupSpec, arrays: Mapping[str, Array]) -> bool:
    """Whether any chunk of any declared array is missing.

    Raises:
        KeyError: a declared array is missing.
    """
    declared = [arrays[a.name] for a in spec.arrays]
    return any(not array.keys.exists(array.key(file)) for array in declared for file in array.files())


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
    unpack(paths)
    commits, keys = Commits.of(paths, spec.probe, spec.analyzer), keys_of(paths, spec.probe, spec.analyzer)
    axis = sorted({*epochs, *keep})
    try:
        group = open_group(keys, own=True)
        old = group.epochs()
        usable = bool(keep) and group.attrs.get("identity") == spec.identity
    except StoreError:
        usable = False
    if not usable:
        commits.drop()
        _new_generation(paths, spec, axis, {}, BLOCKS)
        return
    commits.retract(commits.read().keys() - set(keep))
    if old != axis or (group.attrs["layout"] == WHOLE and len(axis) > BLOCK):
        places = {e: i for i, e in enumerate(old)}
        _new_generation(paths, spec, axis, {e: places[e] for e in keep}, BLOCKS)
        return
    _flag(group, axis, keep)


def tidy(paths: VariantPaths, specs: Sequence[GroupSpec]) -> None:
    """After the work: short results in one chunk over all epochs, one commit record a group.

    Raises:
        StoreError: the folder cannot be written.
    """
    for spec in specs:
        commits = Commits.of(paths, spec.probe, spec.analyzer)
        if not spec.epochal or not place_of(paths, spec.probe, spec.analyzer).exists():
            continue
        group = open_group(keys_of(paths, spec.probe, spec.analyzer))
        axis = group.epochs()
        if len(axis) > BLOCK and group.attrs["layout"] == BLOCKS:
            places, held = {e: i for i, e in enumerate(axis)}, commits.read()
            _new_generation(paths, spec, axis, {e: places[e] for e in held if e in places}, WHOLE)
        commits.merge()
    if not is_consolidated(hierarchy(paths)):
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
    unpack(paths)
    commits = Commits.of(paths, spec.probe, spec.analyzer)
    new = staged(paths.staging)
    create_group(new, spec, ())
    arrays = open_group(Folder(str(new))).arrays
    with store_errors(new, "written"):
        for array in spec.arrays:
            fsync_files(write_values(arrays[array.name], np.asarray(values[array.name])))
    fsync_group(new)
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
        target = open_group(Folder(str(new)))
        source = open_group(keys_of(paths, spec.probe, spec.analyzer), own=True)
        with store_errors(new, "written"):
            for array in spec.arrays:
                move(source.arrays[array.name], target.arrays[array.name], source.epochs(), axis, kept)
        _flag(target, axis, kept)
        fsync_group(new)  # commit records will vouch for it
    _put(paths, spec, new)


def _flag(group: Group, axis: Sequence[int], done: Collection[int]) -> None:
    """The coordinate that tells plain readers what is committed."""
    with store_errors(group.keys.file("committed"), "written"):
        write_values(group.arrays["committed"], np.isin(np.asarray(axis), np.asarray(sorted(done))))


def _put(paths: VariantPaths, spec: GroupSpec, new: Path) -> None:
    unconsolidate(paths.artifacts)
    ensure_root(paths.artifacts, spec.probe)
    switch(new, place_of(paths, spec.probe, spec.analyzer), paths.staging)
    with suppress(OSError):  # others are staged still
        paths.staging.rmdir()
