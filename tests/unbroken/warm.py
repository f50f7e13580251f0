"""The test's side of ``server.py``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

HERE = Path(__file__).parent
PLUGINS = "tiny,lines,sample"
SITES = (HERE.parent / "engine" / "site", HERE.parent / "training" / "site", HERE.parent / "sample")


@frozen(kw_only=True)
class Order:
    """One ``mi …`` to run.

    Attributes:
        arguments: of ``mi``.
        root: changes below this folder are counted.
        at: the change at which the child kills itself, before it is made; 0 for never.
        full: not killed: from that change on the disk is full, for changes that take room.
        delay: seconds; the child goes on, and is killed so long after that change. None for at once.
        trace: a file for the list of changes; empty for none.
        output: a file that what is printed is added to.
        environment: added to the server's.
        user: the child's user id; None for the server's.
        flush_seconds: how often a block's results are committed before it is done.
    """

    arguments: Sequence[str]
    root: Path
    at: int = 0
    full: bool = False
    delay: float | None = None
    trace: str = ""
    output: str = os.devnull
    environment: Mapping[str, str] = field(factory=dict)
    flush_seconds: float = 0.0
    user: int | None = None


@frozen
class Ended:
    """How a child ended: exit code (negative: a signal), and changes made (0: it did not come to say)."""

    code: int
    changes: int


def _namespace() -> list[str]:
    """The command that gives a program mounts of its own; empty where the system forbids that."""
    for command in (["unshare", "-m"], ["unshare", "-Urm"]):
        if shutil.which("unshare"):
            mounting = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
            if subprocess.run(mounting, capture_output=True, check=False).returncode == 0:
                return command
    return []


class Server:
    """A warm process; `run` one order, or `start` several and `wait` for each.

    Where the system allows it, its mounts are its own: `shell` makes some that nobody else sees, and that go
    with it.

    Attributes:
        mounts: whether it has.
    """

    def __init__(self) -> None:
        path = os.pathsep.join([*map(str, SITES), os.environ.get("PYTHONPATH", "")])
        alone = _namespace()
        self.mounts = bool(alone)
        self.process = subprocess.Popen(
            [*alone, sys.executable, str(HERE / "server.py")],
            env=os.environ | {"PYTHONPATH": path, "MI_LOAD_PLUGINS": PLUGINS, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def shell(self, command: str) -> None:
        """Run a shell's command where the server runs."""
        said = json.loads(self._ask({"shell": command}))
        assert said == "", said

    def seen(self, path: Path) -> Path:
        """A path as the server sees it, for this process."""
        return Path(f"/proc/{self.process.pid}/root") / path.relative_to("/")

    def start(self, order: Order) -> int:
        """Begin; the child's process id."""
        told = {
            "arguments": list(order.arguments),
            "root": str(order.root),
            "at": order.at,
            "full": order.full,
            "delay": order.delay,
            "trace": order.trace,
            "output": order.output,
            "environment": dict(order.environment),
            "flush_seconds": order.flush_seconds,
            "user": order.user,
        }
        return int(self._ask(told))

    def wait(self, child: int) -> Ended:
        """Until a child has ended."""
        status, changes = json.loads(self._ask({"wait": child}))
        return Ended(os.waitstatus_to_exitcode(status), changes)

    def run(self, order: Order) -> Ended:
        """Both."""
        return self.wait(self.start(order))

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def _ask(self, said: Mapping[str, object]) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the server ended with {self.process.wait(10)}"
        return line
