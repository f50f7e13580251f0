"""The command ``mi`` in this process, through the entry point's own error handling."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ran:
    """What a command did.

    Attributes:
        code: exit code: 0, 2 for what the user can mend, 130 for Ctrl-C.
        out, err: what it printed.
    """

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    def refusal(self) -> str:
        """The one sentence with which the command refused.

        Raises:
            AssertionError: it did something else: exit code 2, one line on standard error, nothing else.
        """
        lines = self.err.splitlines()
        if self.code != 2 or self.out or len(lines) != 1 or not lines[0].startswith("mi: "):
            raise AssertionError(f"expected a refusal in one sentence, got {self}")
        return lines[0].removeprefix("mi: ")


def run(*arguments: str) -> Ran:
    """``mi ARGUMENTS`` in this process. An exception that is no :class:`mi.errors.MiError` comes through."""
    from mi.cli.group import cli

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(list(arguments))
    return Ran(code, out.getvalue(), err.getvalue())
