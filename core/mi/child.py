"""A function run in a process of its own: whatever it does to that process, we learn how far it came.

The child appends lines of JSON to a file: the phase that it enters, what it has found so far, that it is
done. A file, not a pipe: its lines outlive any end of the process, and processes that the child leaves behind
cannot keep us waiting for an end of file.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from attrs import frozen

from mi.errors import MiError
from mi.refs import resolve

PRINTED_LIMIT = 20_000_000  # bytes; more is no message, and would fill the disk
TAIL = 20_000  # characters of it that are kept
# -P: a module in the present folder must not shadow the standard library's.
_START = (
    "import json, sys; job = json.loads(sys.stdin.buffer.readline()); sys.path[:] = job['path']; "
    "from mi.child import serve; serve(job)"
)


class Report:
    """The child's side: what it says to its parent."""

    def __init__(self, file: Path, inbox: BinaryIO, limit: float, renew: bool) -> None:
        # A descriptor of our own: code that closes or replaces the standard streams does not reach it.
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._inbox, self._limit, self._renew = inbox, limit, renew

    def say(self, **data: Any) -> None:
        """Tell the parent; what is said later under the same name replaces it."""
        os.write(self._file, json.dumps(data).encode() + b"\n")
        if self._renew:
            faulthandler.dump_traceback_later(self._limit)

    def phase(self, words: str, **data: Any) -> None:
        """Name what begins now, so that an end of the process is told as "while …"."""
        self.say(phase=words, **data)

    def ask(self) -> Any:
        """Wait for what the parent sends; waiting does not count against the time limit."""
        faulthandler.cancel_dump_traceback_later()
        line = self._inbox.readline()
        if not line:
            os._exit(1)  # the parent is gone
        faulthandler.dump_traceback_later(self._limit)
        return json.loads(line)


def serve(job: Mapping[str, Any]) -> None:
    """Entry of the child; never returns: threads and exit handlers left behind are not waited for."""
    inbox = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what reads standard input finds its end
    sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    faulthandler.enable()
    faulthandler.dump_traceback_later(job["limit"])  # where it hangs, just before the parent ends it
    report = Report(Path(job["report"]), inbox, job["limit"], job["renew"])
    resolve(job["function"])(job["argument"], report)
    report.say(done=True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


@frozen
class Ended:
    """How a child ended.

    Attributes:
        said: everything that it said, the latest of each name.
        problem: empty when it did all it had to; else one sentence without a subject: "ended the process with
            code 3 while importing".
        printed: the end of what it printed, on both streams; a traceback where it crashed or hung.
    """

    said: Mapping[str, Any]
    problem: str
    printed: str


class Child:
    """The parent's side; a context manager that leaves no process and no file behind.

    Args:
        function: ``"module:name"`` of a ``f(argument, report: Report)``.
        argument: plain JSON.
        limit: seconds until it is killed; counted anew after :meth:`send`.
        renew: count anew after each of its words: for work of which nobody knows the length.
    """

    def __init__(self, function: str, argument: Any, limit: float, *, renew: bool = False) -> None:
        self.limit, self.renew, self.heard = limit, renew, 0
        self.folder = Path(tempfile.mkdtemp(prefix="mi-child-"))
        self.report, self.output = self.folder / "report.jsonl", self.folder / "printed.txt"
        job: dict[str, Any] = {"path": sys.path, "report": str(self.report), "function": function}
        job |= {"limit": limit, "renew": renew}
        try:
            with self.output.open("wb") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that what it starts ends with it
                )
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise MiError(f"no Python process can be started ({error.strerror})") from None
        self.killed = ""
        self.send(job | {"argument": argument})

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, data: Any) -> None:
        """Give the child what it asks for, and its time limit anew."""
        self.deadline = time.monotonic() + self.limit
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended; `finish` says how
            self.process.stdin.write(json.dumps(data).encode() + b"\n")
            self.process.stdin.flush()

    def wait_for(self, name: str) -> Any:
        """What the child says under ``name``, or None when it ended without."""
        while name not in (said := self._said()):
            if self._ended():
                return self._said().get(name)
            time.sleep(0.02)
        return said[name]

    def finish(self, watch: Callable[[Mapping[str, Any]], None] | None = None) -> Ended:
        """Wait for the child's end.

        Args:
            watch: called now and then with all that the child has said.
        """
        while not self._ended():
            if watch is not None:
                watch(self._said())
            time.sleep(0.02 if watch is None else 0.2)
        self._end()  # what it started and left behind
        said, printed = self._said(), self._printed()
        doing = f" while {said['phase']}" if "phase" in said else ""
        if self.killed:
            return Ended(said, f"{self.killed}{doing}", printed)
        code = self.process.returncode
        if said.get("done") and code == 0:
            return Ended(said, "", printed)
        how = f"was ended by {_signal(-code)}" if code < 0 else f"ended the process with code {code}"
        return Ended(said, f"{how}{doing}", printed)

    def _ended(self) -> bool:
        if self.process.poll() is not None:
            return True
        if self.renew and self.report.exists() and self.report.stat().st_size != self.heard:
            self.heard = self.report.stat().st_size
            self.deadline = time.monotonic() + self.limit
        if time.monotonic() > self.deadline + 1:  # the second is for the traceback that the child prints
            self.killed = f"did not come back within {self.limit:g} s"
        elif self.output.stat().st_size > PRINTED_LIMIT:
            self.killed = f"printed more than {PRINTED_LIMIT // 10**6} MB"
        if self.killed:
            self._end()
        return bool(self.killed)

    def _end(self) -> None:
        """Kill the child and what it started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()

    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = {}
        try:
            lines = self.report.read_bytes().split(b"\n")
        except FileNotFoundError:
            return said
        for line in lines[:-1]:  # the last one is empty, or half written
            with contextlib.suppress(ValueError):
                said |= json.loads(line)
        return said

    def _printed(self) -> str:
        with self.output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4 * TAIL))
            text = file.read().decode("utf-8", "replace").strip()
        return text if size <= 4 * TAIL and len(text) <= TAIL else f"…{text[-TAIL:]}"


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
