"""A process that trains one variant after the other, as its parent tells it: the far side of ``pool``.

Jobs come as lines of JSON on standard input, what happens goes back as lines on standard output. Where the
input ends (the parent has stopped, or was killed), a training that is under way is stopped as by Ctrl-C: its
state is saved.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
from collections.abc import Mapping
from typing import Any

from mi.faults import is_fault, sentence


class Worker:
    """The loop over jobs."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)  # what a plugin prints must not come between our lines
        self._jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._busy = False

    def serve(self) -> None:
        """Train until there are no more jobs."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            while (job := self._jobs.get()) is not None:
                self._busy = True
                self._work(job)
                self._busy = False
        except KeyboardInterrupt:
            return

    def _listen(self) -> None:
        with os.fdopen(os.dup(0), "rb") as inbox:
            for line in inbox:
                self._jobs.put(json.loads(line))
        self._jobs.put(None)
        if self._busy:
            os.kill(os.getpid(), signal.SIGINT)

    def _say(self, event: str, **what: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent is gone; the end of the input stops us
            os.write(self._out, json.dumps({"event": event, **what}).encode() + b"\n")

    def _work(self, job: Mapping[str, Any]) -> None:
        try:
            self._say("done", **self._train(job))
        except KeyboardInterrupt as stop:
            if is_fault(stop) and not hasattr(stop, "epoch"):
                self._say("failed", sentence=sentence(stop))
            else:
                self._say("interrupted")
        except BaseException as error:
            self._say("failed", sentence=sentence(error))

    def _train(self, job: Mapping[str, Any]) -> dict[str, Any]:
        import torch

        from mi.domain.workspace import Workspace
        from mi.training.loop import train

        torch.set_num_threads(job["threads"])
        workspace = Workspace.open(job["root"])
        variant = workspace.declare(workspace.family(job["family"]), job["parameters"])

        def told(line: str) -> None:
            self._say("said", line=line)

        def progress(epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
            self._say("progress", epoch=epoch, epochs=epochs, metrics=dict(metrics))

        summary = train(
            variant, progress=progress, say=told, wait=told if job["wait"] else None, **job["settings"]
        )
        return {
            "reached": summary.reached,
            "trained": summary.reached - summary.start,
            "checkpoints": summary.checkpoints,
            "seconds": summary.seconds,
            "metrics": dict(summary.metrics),
        }


def serve() -> None:
    """Entry of the process."""
    Worker().serve()
