"""One writer a variant.

The lock is the operating system's (``flock``): it ends with the process, however that ends, so there is no
stale one to clear. Who holds it stands beside it, for messages alone.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from mi.domain.place import FAMILY_SCOPE
from mi.errors import LockedError, StoreError
from mi.store.layout import VariantPaths

PATIENCE = 0.25  # seconds; `is_locked` holds the lock for an instant, which must not refuse a writer
FAMILY_PATIENCE = 10.0  # seconds that an analysis of other variants may take to bring theirs up to date
POLL = 0.2  # seconds between two looks while waiting


def variant_lock(
    paths: VariantPaths, doing: str = "writing", wait: Callable[[str], None] | None = None
) -> AbstractContextManager[None]:
    """Hold the variant's lock; the operating system frees it when the process dies.

    Args:
        paths: the variant's.
        doing: what for, told to others: ``training``, ``analyzing``, …
        wait: wait for whoever holds it, for as long as that takes, once this is told who does; None: do not.

    Raises:
        LockedError: another process is writing this variant.
        StoreError: the folder cannot be written.
    """
    return _held(paths, PATIENCE, doing, wait)


def family_lock(
    paths: VariantPaths, doing: str = "writing", wait: Callable[[str], None] | None = None
) -> AbstractContextManager[None]:
    """As :func:`variant_lock`, of what spans a family's variants.

    Who holds it is soon done, so it is waited for a little in any case.

    Raises:
        LockedError: another process has it still.
        StoreError: the folder cannot be written.
    """
    return _held(paths, FAMILY_PATIENCE, doing, wait)


@contextmanager
def _held(
    paths: VariantPaths, patience: float, doing: str, wait: Callable[[str], None] | None
) -> Iterator[None]:
    lock = FileLock(paths.lock)
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            if wait is None:
                raise LockedError(f"{held(paths)}; wait for it with --wait") from None
            wait(f"{held(paths)}; waiting for it")
            lock.acquire(poll_interval=POLL)
    except OSError as error:
        raise StoreError(f"{paths.root}: cannot be written ({error.strerror})") from None
    try:
        with suppress(OSError):  # a full disk must not keep `mi clean` from making room
            about = {"doing": doing, "pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
            paths.writer.write_text(json.dumps(about), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            paths.writer.unlink(missing_ok=True)
        lock.release()


def held(paths: VariantPaths) -> str:
    """``NAME: another process is analyzing it (process 123 on host, since …)``: for when it is locked."""
    name, what = paths.root.name, "it"
    if name == FAMILY_SCOPE:
        name, what = paths.root.parent.name, "what spans its variants"
    try:
        about = json.loads(paths.writer.read_bytes())
        said = f" (process {int(about['pid'])} on {about['host']}, since {about['since']})"
        return f"{name}: another process is {about['doing']} {what}{said}"
    except (OSError, ValueError, KeyError, TypeError):  # it has not come to say, or could not
        return f"{name}: another process is writing {what} ({paths.lock})"


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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
