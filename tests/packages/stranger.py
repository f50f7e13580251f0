"""What a stranger does: the commands of a page, one by one, in an environment of their own."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define
from packages.clean_venv import CleanVenv

_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)


def commands(page: Path) -> list[list[list[str]]]:
    """The bash blocks of a Markdown page, each a list of commands, comments left out."""
    return [
        [
            shlex.split(part, comments=True)
            for line in block.splitlines()
            for part in line.split("&&")
            if shlex.split(part, comments=True)
        ]
        for block in _BLOCK.findall(page.read_text())
    ]


@define
class Shell:
    """Runs commands in an environment, and remembers where it stands.

    Attributes:
        venv: the environment.
        cwd: the present folder.
    """

    venv: CleanVenv
    cwd: Path

    def run(self, command: list[str]) -> str:
        """What a command prints; it must succeed."""
        if command[0] == "cd":
            self.cwd = self.cwd / command[1]
            assert self.cwd.is_dir()
            return ""
        # Scripts of third-party packages are not there, since they name another interpreter.
        known = (self.venv.folder / "bin" / command[0]).exists()
        ran = self.venv.run(*(command if known else ["python", "-m", *command]), cwd=self.cwd)
        assert ran.code == 0, f"{shlex.join(command)}\n{ran.out}{ran.err}"
        return ran.out

    @contextmanager
    def serve(self, command: list[str]) -> Iterator[str]:
        """The address of `mi serve`, on a free port, while it runs."""
        program = [str(self.venv.folder / "bin" / command[0]), *command[1:], "--port", "0"]
        with subprocess.Popen(
            program, stdout=subprocess.PIPE, text=True, cwd=self.cwd, env=self.venv.environ()
        ) as running:
            try:
                assert running.stdout is not None
                line = running.stdout.readline()
                found = re.search(r"http://\S+?(?=/?$)", line.strip())
                assert found is not None, line
                yield found[0]
            finally:
                running.terminate()
                running.wait(20)
