"""One writer a variant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from filelock import FileLock, Timeout

from mi.errors import LockedError, StoreError
from mi.store.layout import VariantPaths

FAMILY_PATIENCE = 10.0  # seconds that an analysis of other variants may take to bring theirs up to date
PATIENCE = 0.25  # seconds; `is_locked` holds the lock for an instant, which must not refuse a writer


def variant_lock(paths: VariantPaths) -> AbstractContextManager[None]:
    """Hold the variant's lock; the operating system frees it when the process dies.

    Raises:
        LockedError: another process is writing this variant.
        StoreError: the folder cannot be written.
    """
    doing = f"{paths.root.name}: another process is training or analyzing this variant"
    return _held(paths, PATIENCE, doing)


def family_lock(paths: VariantPaths) -> AbstractContextManager[None]:
    """Hold the lock of what spans a family's variants; who holds it is soon done, so it is waited for.

    Raises:
        LockedError: another process has it still.
        StoreError: the folder cannot be written.
    """
    family = paths.root.parent.name
    return _held(paths, FAMILY_PATIENCE, f"{family}: another process is writing what spans its variants")


@contextmanager
def _held(paths: VariantPaths, patience: float, doing: str) -> Iterator[None]:
    lock = FileLock(paths.lock, timeout=patience)
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockedError(f"{doing} ({paths.lock})") from None
    except OSError as error:
        raise StoreError(f"{paths.root}: cannot be written ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()


def is_locked(paths: VariantPaths) -> bool:
    """Whether a process is writing this variant."""
    if not paths.lock.exists():
        return False
    lock = FileLock(paths.lock, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written has no writer that we could know of
        return False
    lock.release()
    return False
