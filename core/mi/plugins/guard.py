"""The shield around a plugin's code: its output, its working folder, its threads."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

_MARK = "_mi_started_by_a_plugin"
# One at a time: two threads that each swap the process's streams would not put them back.
_LOCK = threading.RLock()


class _Sink:
    """Both streams while a plugin runs: all goes to standard error, and closing closes nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def close(self) -> None:
        """Nothing: the command still needs it."""

    def detach(self) -> Any:
        """Refuse, for the same reason."""
        raise io.UnsupportedOperation("detach")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def shielded() -> Iterator[None]:
    """Run a plugin's code: standard output belongs to the command (``--json``), and so does what it changes.

    Put back afterwards: both streams, also where it closed them, and the working folder. What cannot be put
    back (``os.close(1)``, ``os._exit``, what it does to other modules) is not defended against: a plugin is
    code that the user has chosen to run.
    """
    with _LOCK:
        out, err, folder = sys.stdout, sys.stderr, _folder()
        started = set(threading.enumerate())
        sys.stdout = sys.stderr = _Sink(err)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = _open(out, 1), _open(err, 2)
            if folder and folder != _folder():
                with suppress(OSError):
                    os.chdir(folder)
            if threading.current_thread() is threading.main_thread():  # elsewhere others start threads too
                for thread in set(threading.enumerate()) - started:
                    setattr(thread, _MARK, True)


def strays() -> list[threading.Thread]:
    """Threads that plugins started and that would keep the process from ending."""
    return [t for t in threading.enumerate() if getattr(t, _MARK, False) and not t.daemon and t.is_alive()]


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _open(stream: TextIO, number: int) -> TextIO:
    """``stream``, or another on the same descriptor where it was closed."""
    if not getattr(stream, "closed", False):
        return stream
    try:
        return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    except OSError:
        return stream
