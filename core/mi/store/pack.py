"""Packing a variant's artifacts into one file, and back. The variant's lock must be held.

A folder, where there is one, is what counts: it is complete at every instant at which it has its name. So a
process killed in between leaves both, or the one or the other, and each of them whole.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from mi.store.files import fsync_files, store_errors
from mi.store.groups import consolidate, is_consolidated
from mi.store.keys import Folder
from mi.store.layout import VariantPaths
from mi.store.packed import Packed
from mi.store.switch import recover, staged

_WHEN = (1980, 1, 1, 0, 0, 0)  # no time of day in the archive: the same artifacts are the same bytes


@frozen
class Size:
    """How much there is.

    Attributes:
        files: how many files.
        bytes: what they hold.
    """

    files: int
    bytes: int


def pack(paths: VariantPaths) -> tuple[Size, Size] | None:
    """Gather the folder of artifacts into one archive, and remove it.

    Returns:
        What there was and what there is; None where there is no folder to pack.

    Raises:
        StoreError: the folder cannot be written.
    """
    recover(paths.staging)
    if not paths.artifacts.is_dir():
        return None
    source = Folder(str(paths.artifacts))
    if not is_consolidated(source):
        consolidate(paths.artifacts)
    new = staged(paths.staging)
    with store_errors(paths.packed, "written"):
        keys = [key for key in source.below() if not key.endswith(".partial")]
        before = Size(len(keys), sum(map(source.size, keys)))
        with zipfile.ZipFile(new, "x", zipfile.ZIP_STORED) as archive:
            for key in keys:
                member = zipfile.ZipInfo(key, _WHEN)
                member.external_attr = 0o644 << 16
                archive.writestr(member, source.read(key))
        fsync_files([new])
        new.replace(paths.packed)
        _sync(paths.root)  # the archive has its name before the folder loses its own
        aside = staged(paths.staging)
        paths.artifacts.rename(aside)
        shutil.rmtree(paths.staging)
        return before, Size(1, paths.packed.stat().st_size)


def unpack(paths: VariantPaths) -> bool:
    """Spread the archive out into the folder again, as writing needs it; whether there was one.

    Raises:
        StoreError: the archive is damaged, or the folder cannot be written.
    """
    if not paths.packed.exists():
        return False
    with store_errors(paths.packed, "unpacked"):
        if not paths.artifacts.exists():
            source, new = Packed(str(paths.packed)), staged(paths.staging)
            written = []
            for key in source.below():
                file = new / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(source.read(key))
                written.append(file)
            fsync_files(written)
            new.rename(paths.artifacts)
            _sync(paths.root)  # the folder has its name before the archive is gone
            with suppress(OSError):  # others are staged still
                paths.staging.rmdir()
        paths.packed.unlink()
    return True


def _sync(folder: Path) -> None:
    """Flush names: on a system that cannot open folders, the next look finds one of the two all the same."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
