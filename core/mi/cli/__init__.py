"""The command ``mi``: one module a command, imported when it is typed."""

from __future__ import annotations

import sys

from mi.cli.group import cli


def main() -> None:
    """Entry point: run the command; one sentence and exit code 2 for what the user can mend."""
    sys.exit(cli.run())
