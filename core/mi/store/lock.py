"""One writer a variant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from mi.errors import LockedError, StoreError
from mi.store.layout import VariantPaths

PATIENCE = 0.25  # seconds; `is_locked` holds the lock for an instant, which must not refuse a writer


@contextmanager
def variant_lock(paths: VariantPaths) -> Iterator[None]:
    """Hold the variant's lock; the operating system frees it when the process dies.

    Raises:
        LockedError: another process is writing this variant.
        StoreError: the folder cannot be written.
    """
    lock = FileLock(paths.lock, timeout=PATIENCE)
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockedError(
            f"{paths.root.name}: another process is training or analyzing this variant ({paths.lock})"
        ) from None
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
