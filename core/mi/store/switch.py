"""Replacing a whole folder in one step, so that a reader sees the old or the new generation, never neither.

Linux exchanges two names in one call. Elsewhere the old folder steps aside first, and a journal lets the next
holder of the variant's lock finish what a killed process began.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import uuid
from pathlib import Path

from mi.domain.jsonfile import read_json, write_json
from mi.errors import StoreError

_AT_FDCWD, _EXCHANGE = -100, 2


def staged(staging: Path) -> Path:
    """A fresh path to build a folder at; on the same file system as the store, outside its hierarchy."""
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{staging}: cannot be written ({error.strerror})") from None
    return staging / uuid.uuid4().hex


def switch(new: Path, place: Path, staging: Path) -> None:
    """Put the folder ``new`` at ``place``; what stood there is deleted.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            new.rename(place)
        elif exchange(new, place):
            shutil.rmtree(new)
        else:
            step_aside(new, place, staging)
    except OSError as error:
        raise StoreError(f"{place}: cannot be replaced ({error.strerror})") from None


def exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system cannot.

    Raises:
        OSError: it can, and failed.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):  # an old kernel, or a file system without it
        return False
    raise OSError(code, os.strerror(code), str(other))


def step_aside(new: Path, place: Path, staging: Path) -> None:
    """The two renames that stand for an exchange, with the journal that :func:`recover` reads."""
    journal, old = staging / "switch.json", staging / f"{new.name}.old"
    write_json(journal, {"new": new.name, "old": old.name, "place": os.path.relpath(place, staging)})
    place.rename(old)
    new.rename(place)
    journal.unlink()
    shutil.rmtree(old)


def recover(staging: Path) -> None:
    """Finish a switch that was interrupted, and clear what was never put in place.

    Only the holder of the variant's lock may call this.

    Raises:
        StoreError: the folder cannot be written.
    """
    journal = staging / "switch.json"
    try:
        if journal.exists():
            data = read_json(journal)
            new, place = staging / data["new"], staging / data["place"]
            if not place.exists() and new.exists():
                new.rename(place)
        if staging.exists():
            shutil.rmtree(staging)
    except OSError as error:
        raise StoreError(f"{staging}: cannot be cleared ({error.strerror})") from None
