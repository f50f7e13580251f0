"""Taking results out of the store. Every function here expects the variant's lock to be held.

Records are retracted before arrays are touched, so that a process killed at any instant leaves every visible
epoch whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np

from mi.domain.jsonfile import write_json
from mi.store.commits import Commits
from mi.store.integrity import leftovers
from mi.store.layout import VariantPaths
from mi.store.losses import losses_leftovers, recover_losses
from mi.store.prepare import place_of, sweep
from mi.store.switch import staged
from mi.store.zarrio import (
    chunk_files,
    consolidate,
    epochs_of,
    is_consolidated,
    open_arrays,
    store_errors,
    unconsolidate,
)


def drop_group(paths: VariantPaths, probe: str, analyzer: str) -> None:
    """Drop a whole group with its records, and its probe's group when that is empty then.

    Raises:
        StoreError: the folder cannot be written.
    """
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
    """Take epochs out of a group: their records, and the chunks that no other committed epoch shares.

    Raises:
        StoreError: the folder cannot be written.
    """
    going = only_of(paths, probe, analyzer, epochs)
    Commits.of(paths, probe, analyzer).retract(epochs)
    mend_flags(paths, probe, analyzer)
    with store_errors(place_of(paths, probe, analyzer), "written"):
        for file in going:
            file.unlink(missing_ok=True)


def only_of(paths: VariantPaths, probe: str, analyzer: str, epochs: Collection[int]) -> list[Path]:
    """Chunks that hold these epochs and no other committed one.

    Raises:
        StoreError: the group or a record is damaged.
    """
    path = place_of(paths, probe, analyzer)
    arrays = open_arrays(path)
    axis = epochs_of(path, arrays)
    stay = Commits.of(paths, probe, analyzer).read().keys() - set(epochs)
    found: list[Path] = []
    for name, array in arrays.items():
        if name in ("epoch", "committed") or array.metadata.dimension_names[:1] != ("epoch",):
            continue
        step = array.chunks[0]
        for low in range(0, len(axis), step):
            here = set(axis[low : low + step])
            if here & set(epochs) and not here & stay:
                files = chunk_files(path / name, array, low, min(low + step, len(axis)))
                found += [file for file in files if file.exists()]
    return found


def mend_flags(paths: VariantPaths, probe: str, analyzer: str) -> None:
    """Write the coordinate ``committed`` as the commit records have it.

    Raises:
        StoreError: the group or a record is damaged, or the folder cannot be written.
    """
    path = place_of(paths, probe, analyzer)
    arrays = open_arrays(path, "r+")
    held = Commits.of(paths, probe, analyzer).read()
    flags = np.isin(np.asarray(epochs_of(path, arrays)), np.asarray(sorted(held), dtype=np.int64))
    with store_errors(path / "committed", "written"):
        arrays["committed"][...] = flags


def mend_root(paths: VariantPaths) -> None:
    """Write the metadata of the root and of each probe's group anew, from the groups that are there.

    Raises:
        StoreError: the folder cannot be written.
    """
    probes = {f.parent.parent for f in paths.artifacts.glob("*/*/zarr.json")}
    for folder in (paths.artifacts, *sorted(probes)):
        write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}})
    consolidate(paths.artifacts)


def sweep_leftovers(paths: VariantPaths) -> None:
    """Clear what killed processes left anywhere in the variant; consolidate metadata where that is due.

    Raises:
        StoreError: the folder cannot be written.
    """
    sweep(paths)
    if losses_leftovers(paths):
        recover_losses(paths.losses)
    with store_errors(paths.root, "written"):
        for file in leftovers(paths):
            file.unlink(missing_ok=True)
    if paths.artifacts.exists() and not is_consolidated(paths.artifacts):
        consolidate(paths.artifacts)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # not empty, or not there
        return
