"""Taking results out of the store. Every function here expects the variant's lock to be held.

Records are retracted before arrays are touched, so that a process killed at any instant leaves every visible
epoch whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np
from attrs import frozen

from mi.store.arrays import Array
from mi.store.commits import Commits
from mi.store.files import store_errors, write_file
from mi.store.groups import consolidate, lay_flags, open_group, unconsolidate
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.losses import losses_leftovers, recover_losses
from mi.store.nodes import NODE, dump, group_node
from mi.store.pack import unpack
from mi.store.prepare import place_of, sweep
from mi.store.switch import staged


def drop_group(paths: VariantPaths, probe: str, analyzer: str) -> None:
    """Drop a whole group with its records, and its probe's group when that is empty then.

    Raises:
        StoreError: the folder cannot be written.
    """
    unpack(paths)
    path, commits = place_of(paths, probe, analyzer), Commits.of(paths, probe, analyzer)
    with store_errors(paths.root, "written"):
        commits.drop()
        for folder in (commits.folder, commits.folder.parent):
            _remove_empty(folder)
        if path.exists():
            unconsolidate(paths.artifacts)
            aside = staged(paths.staging)
            path.rename(aside)  # from here on it is nowhere; a kill leaves it to the next sweep
            shutil.rmtree(aside)
            probe_group = paths.artifacts / probe
            if not any(p.is_dir() for p in probe_group.iterdir()):
                probe_group.rename(aside)
                shutil.rmtree(aside)
            _remove_empty(paths.staging)


def retract(paths: VariantPaths, probe: str, analyzer: str, epochs: Collection[int]) -> None:
    """Take epochs out of a group: their records, and the chunks that hold no other committed epoch.

    Raises:
        StoreError: the folder cannot be written.
    """
    unpack(paths)
    going = only_of(paths, probe, analyzer, epochs)
    Commits.of(paths, probe, analyzer).retract(epochs)
    mend_flags(paths, probe, analyzer)
    with store_errors(place_of(paths, probe, analyzer), "written"):
        for freed in going:
            if freed.left is None:
                freed.file.unlink(missing_ok=True)
            else:
                write_file(freed.file, freed.left)


@frozen
class Freed:
    """What epochs alone take.

    Attributes:
        file: where it lies.
        size: how many bytes it is.
        left: what is left of the file; None when nothing is.
    """

    file: Path
    size: int
    left: bytes | None = None


def only_of(paths: VariantPaths, probe: str, analyzer: str, epochs: Collection[int]) -> list[Freed]:
    """Chunks that hold these epochs and no other committed one.

    Raises:
        StoreError: the group or a record is damaged.
    """
    keys = keys_of(paths, probe, analyzer)
    group = open_group(keys, own=True)
    axis = group.epochs()
    stay = Commits.of(paths, probe, analyzer).read().keys() - set(epochs)
    found: list[Freed] = []
    for name, array in group.arrays.items():
        if name in ("epoch", "committed") or array.dims[:1] != ("epoch",):
            continue
        step = array.chunks[0]
        for low in range(0, len(axis), step):
            here = axis[low : low + step]
            if set(here).isdisjoint(epochs):
                continue
            for file in array.files(low, min(low + step, len(axis))):
                key = array.key(file)
                if not keys.exists(key):
                    continue
                if stay.isdisjoint(here):
                    found.append(Freed(keys.file(key), keys.size(key)))
                elif array.by_row:
                    found += _rows_of(array, file, [i for i, e in enumerate(here) if e in epochs])
    return found


def _rows_of(array: Array, file: tuple[int, ...], going: Collection[int]) -> list[Freed]:
    """The same of single rows of a file that holds rows apart."""
    try:
        rows = array.split_rows(file)
    except ValueError:  # its index is damaged: `mi verify` says so, and what it costs
        return []
    size = sum(len(rows[i] or b"") for i in going)
    left = array.join_rows([None if i in going else row for i, row in enumerate(rows)])
    return [Freed(array.keys.file(array.key(file)), size, left)] if size else []


def mend_flags(paths: VariantPaths, probe: str, analyzer: str) -> None:
    """Write the coordinate ``committed`` and its metadata anew, as the commit records have it.

    Raises:
        StoreError: the group or a record is damaged, or the folder cannot be written.
    """
    unpack(paths)
    keys = keys_of(paths, probe, analyzer)
    epochs = open_group(keys, own=True).epochs()
    held = Commits.of(paths, probe, analyzer).read()
    lay_flags(keys, np.isin(np.asarray(epochs), np.asarray(sorted(held), dtype=np.int64)))


def mend_root(paths: VariantPaths) -> None:
    """Write the metadata of the root and of each probe's group anew, from the groups that are there.

    Raises:
        StoreError: the folder cannot be written.
    """
    unpack(paths)
    probes = {f.parent.parent for f in paths.artifacts.glob("*/*/zarr.json")}
    with store_errors(paths.artifacts, "written"):
        for folder in (paths.artifacts, *sorted(probes)):
            write_file(folder / NODE, dump(group_node({})))
    consolidate(paths.artifacts)


def sweep_leftovers(paths: VariantPaths) -> None:
    """As :func:`mi.store.prepare.sweep`, and what a training left of its losses.

    Raises:
        StoreError: the folder cannot be written.
    """
    sweep(paths)
    if losses_leftovers(paths):
        recover_losses(paths.losses)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # not empty, or not there
        return
