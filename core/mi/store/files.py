"""Files of the store: whole or not there, flushed when somebody vouches for them."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from mi.errors import StoreError
from mi.store.layout import VariantPaths


@contextmanager
def store_errors(path: Path, doing: str) -> Iterator[None]:
    """Say whatever the file system or a codec raises as one sentence that names the place.

    Raises:
        StoreError: as above.
    """
    try:
        yield
    except Exception as error:
        raise as_store_error(path, doing, error) from error


def as_store_error(path: Path, doing: str, error: Exception) -> StoreError:
    """What :func:`store_errors` raises for ``error``."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        return StoreError(f"{path}: cannot be {doing} ({error.strerror or error})")
    # Codecs raise RuntimeError, ValueError, KeyError, … on damaged bytes.
    return StoreError(f"{path}: damaged, cannot be {doing} ({type(error).__name__}: {error})")


def write_file(path: Path, data: bytes, *, vouched: bool = True) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    A file that is new is flushed by who commits it.

    Args:
        path: the file; its folder is made where it is not there.
        data: its content.
        vouched: what is replaced may be vouched for by a commit record, so the new content is on the disk
            before it is put in place.

    Raises:
        OSError: it cannot be written.
    """
    target = os.fspath(path)
    temporary = f"{target}.{uuid.uuid4().hex}.partial"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(temporary, flags, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, flags, 0o644)
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:  # one call writes at most 2 GiB
                view = view[file.write(view) :]
            if vouched and path.exists():
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def partials(paths: VariantPaths) -> list[Path]:
    """Files that somebody is writing anywhere in a variant's folder, or was when it was killed; sorted."""
    walk = os.walk(paths.root)
    return sorted(Path(folder, n) for folder, _, names in walk for n in names if n.endswith(".partial"))


def drop_partials(paths: VariantPaths) -> None:
    """Remove what a killed process was writing. The variant's lock must be held: then nobody is.

    Raises:
        StoreError: the folder cannot be written.
    """
    with store_errors(paths.root, "written"):
        for file in partials(paths):
            file.unlink(missing_ok=True)


def fsync_files(files: Iterable[Path]) -> None:
    """Flush files to the disk: a commit record must not outlive its data.

    Together rather than one after the other, so that a journal writes them in one go: several times as fast.

    Raises:
        OSError: one cannot be flushed.
    """
    every = list(files)
    if len(every) < 2:
        for file in every:
            _fsync(file)
        return
    with ThreadPoolExecutor(min(len(every), 8), "mi-fsync") as pool:
        for _ in pool.map(_fsync, every):
            pass


def _fsync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> bool:
    """The same file at another name, without its bytes being written again; False where it had to be copied.

    Nothing of the store is ever edited in place, so two names never disagree by accident.

    Raises:
        OSError: it can be neither linked nor copied.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links, or too many of them
        shutil.copyfile(source, target)
        return False
    return True
