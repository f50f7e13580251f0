"""Several trainings at once, each in a process of its own with threads of its own.

Processes, not stacked tensors: a variant's bits are those of training it alone, families of any shape mix,
and one that fails, diverges or is killed takes no other with it (benchmarks/grid.py has both ways measured).
They are kept for the next variant, since importing torch takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from mi.errors import MiError
from mi.faults import one_line
from mi.training.interrupt import Interrupt

PATIENCE = 20.0  # seconds that a process has for its end, once it has nothing to do
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.raw.readline()); "
    "from mi.training.worker import serve; serve()"
)

Told = Callable[[int, Mapping[str, Any]], None]


@define(eq=False)
class _Process:
    """One process: what it does, and what it has said of the line it is saying."""

    process: subprocess.Popen[bytes]
    printed: Path
    job: int | None = None
    said: bytes = b""
    stopped: bool = False

    def send(self, data: Any) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has died, which the end of its output tells
            self.process.stdin.write(json.dumps(data).encode() + b"\n")
            self.process.stdin.flush()

    def end(self) -> str:
        """How it ended, in words, with the last line that it printed."""
        code = self.process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        lines = self.printed.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"its process {how}" + (f" ({one_line(lines[-1])})" if lines else "")


@define
class Pool:
    """``number`` processes that work off jobs.

    Attributes:
        number: of processes at once.
        told: called with a job's number and what is told of it: ``{"event": "begun" | "progress" | "said" |
            "done" | "failed" | "interrupted", …}``.
        interrupted: whether Ctrl-C came.
    """

    number: int
    told: Told
    interrupted: bool = False
    _processes: list[_Process] = field(factory=list)
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector)

    def run(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Do all jobs; after Ctrl-C those under way are stopped with their states saved, others not begun.

        A second Ctrl-C ends everything at once.
        """
        left = deque(enumerate(jobs))
        with tempfile.TemporaryDirectory(prefix="mi-train-") as folder, Interrupt() as interrupt:
            try:
                while True:
                    if interrupt.requested:
                        self._stop(left)
                    self._give(left, Path(folder))
                    if not any(one.job is not None for one in self._processes):
                        return
                    for key, _ in self._selector.select(0.2):
                        self._hear(key.data)
            finally:
                self._close()

    def _give(self, left: deque[tuple[int, Mapping[str, Any]]], folder: Path) -> None:
        """Work for those that have none, new processes while there are too few."""
        while left:
            free = next((one for one in self._processes if one.job is None), None)
            if free is None and len(self._processes) >= self.number:
                return
            free = free or self._begin(folder)
            free.job, job = left.popleft()
            free.send(job)
            self.told(free.job, {"event": "begun"})

    def _begin(self, folder: Path) -> _Process:
        handle, printed = tempfile.mkstemp(dir=folder)
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=handle,
                # The terminal's Ctrl-C comes to us alone; we pass on one signal, where it does no harm.
                start_new_session=True,
            )
        except OSError as error:
            raise MiError(f"no Python process can be started ({error.strerror})") from None
        finally:
            os.close(handle)
        one = _Process(process, Path(printed))
        one.send(sys.path)
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, one)
        self._processes.append(one)
        return one

    def _hear(self, one: _Process) -> None:
        assert one.process.stdout is not None
        data = os.read(one.process.stdout.fileno(), 2**16)
        if not data:
            self._lost(one)
            return
        *lines, one.said = (one.said + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            job = one.job
            if event["event"] in ("done", "failed", "interrupted"):
                one.job = None
            if job is not None:
                self.told(job, event)

    def _lost(self, one: _Process) -> None:
        """A process has ended: what it was at has failed, the others go on."""
        assert one.process.stdout is not None
        self._selector.unregister(one.process.stdout)
        self._processes.remove(one)
        how = one.end()
        self._free(one)
        if one.job is not None:
            event = {"event": "interrupted"} if one.stopped else {"event": "failed", "sentence": how}
            self.told(one.job, event)

    def _stop(self, left: deque[Any]) -> None:
        self.interrupted = True
        left.clear()
        for one in self._processes:
            if one.job is not None and not one.stopped:
                one.stopped = True
                one.process.send_signal(signal.SIGINT)

    def _close(self) -> None:
        """No process stays: those that are at work still, because of an error of ours, are killed."""
        for one in self._processes:
            if one.job is not None:
                one.process.kill()
            assert one.process.stdin is not None
            with contextlib.suppress(OSError):
                one.process.stdin.close()
        for one in self._processes:
            try:
                one.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
            self._free(one)
        self._selector.close()

    @staticmethod
    def _free(one: _Process) -> None:
        for stream in (one.process.stdin, one.process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
