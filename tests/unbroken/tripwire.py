"""Counts a process's changes to a folder, in order, and can end the process at one of them.

A change is anything that lasts when the process is killed: a file opened for writing, a name made, renamed,
exchanged or removed, and a flush to the disk. Python says each *before* it is made (audit events; ``fsync``
is wrapped), so a kill at number n leaves what n − 1 changes made: over all n, every state there is.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Tripwire:
    """Installed once in a process; it cannot be taken out.

    Args:
        root: changes below it count.
        at: the change at which to act, from 1; 0 for never.
        act: what to do then, such as :func:`die`.
        trace: a file that gets one JSON line a change: ``[kind, path, other path]``.
        lasting: act at every later change too that takes room.
    """

    def __init__(
        self, root: str, at: int, act: Callable[[], object], trace: str = "", lasting: bool = False
    ) -> None:
        self.root, self.at, self.act, self.lasting = os.path.realpath(root), at, act, lasting
        self.count = 0
        self.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if trace else -1
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._flushing(getattr(os, name)))
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Every audit event there is comes here."""
        if event == "open":
            path, _, flags = args
            if flags & WRITES and not isinstance(path, int):
                self.saw("write", path)
        elif event in ("os.rename", "os.link", "os.symlink"):
            source, target, *at = (*args, -1, -1)
            self.saw(event[3:], self.full(source, at[0]), self.full(target, at[1]))
        elif event in ("os.remove", "os.rmdir"):
            path = self.full(*args)
            if os.path.lexists(path):
                self.saw(event[3:], path)
        elif event == "os.mkdir":
            path = self.full(args[0], args[2])
            if not os.path.lexists(path):  # `exist_ok` tries, and changes nothing
                self.saw("mkdir", path)
        elif event == "os.truncate":
            self.saw("truncate", args[0] if not isinstance(args[0], int) else _name(args[0]))

    def exchanging(self, call: Callable[[Path, Path], bool]) -> Callable[[Path, Path], bool]:
        """Wraps what swaps two names, by a call of the system that Python says nothing of."""

        def exchange(one: Path, other: Path) -> bool:
            self.saw("exchange", one, str(other))
            return call(one, other)

        return exchange

    def _flushing(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def flush(handle: Any) -> None:
            self.saw("flush", _name(handle if isinstance(handle, int) else handle.fileno()))
            call(handle)

        return flush

    @staticmethod
    def full(path: Any, folder: int) -> str:
        """A path, which may be relative to an open folder."""
        text = os.fsdecode(path)
        return str(Path(_name(folder), text)) if folder >= 0 else text

    def saw(self, kind: str, path: Any, other: str = "") -> None:
        """One change is about to be made."""
        paths = [str(Path(os.fsdecode(p)).absolute()) for p in (path, other) if p]
        if not any(p == self.root or p.startswith(self.root + "/") for p in paths):
            return
        self.count += 1
        if self.trace >= 0:
            os.write(self.trace, (json.dumps([kind, *paths]) + "\n").encode())
        later = self.lasting and 0 < self.at <= self.count and kind not in ("remove", "rmdir")
        if later or (self.count == self.at and not self.lasting):
            self.act()


def die() -> None:
    """SIGKILL to this very process."""
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    """No space left on device."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _name(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())
