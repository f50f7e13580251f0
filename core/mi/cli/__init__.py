"""The command ``mi``: one module a command, imported when it is typed."""

from __future__ import annotations

import os
import sys

from mi.cli.group import cli


def main() -> None:
    """Entry point: run the command; one sentence and exit code 2 for what the user can mend."""
    if "OMP_WAIT_POLICY" not in os.environ:
        # OpenMP reads this when torch is imported. As delivered, a thread that waits for another spins for
        # milliseconds; where cores are shared that makes two threads ten times slower than one.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    code = cli.run()
    _end_beside_strays(code)
    sys.exit(code)


def _end_beside_strays(code: int) -> None:
    """End at once where a plugin has left a thread running, which the interpreter would wait for."""
    guard = sys.modules.get("mi.plugins.guard")
    if guard is not None and guard.strays():
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
