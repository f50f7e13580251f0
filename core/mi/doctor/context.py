"""What every check is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import field, frozen


def _silent(text: str) -> None:
    """Nobody is looking."""


@frozen(kw_only=True)
class Context:
    """Where to look, and how closely.

    Attributes:
        root: the workspace's folder; None when there is none.
        no_root: why there is none.
        environ: the environment.
        load: plugins are loaded, in processes of their own.
        deep: every chunk, checkpoint and training state is read.
        limit: seconds that a child process may take.
        say: told in a few words how far a long check has come.
    """

    root: Path | None = None
    no_root: str = ""
    environ: Mapping[str, str] = field(factory=lambda: dict(os.environ))
    load: bool = False
    deep: bool = False
    limit: float = 120.0
    say: Callable[[str], None] = _silent
