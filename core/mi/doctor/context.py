"""What every check is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

Progress = Callable[[str, Iterable[Any]], Iterable[Any]]


def _silent(label: str, items: Iterable[Any]) -> Iterator[Any]:
    yield from items


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
        progress: wraps what takes long; ``progress(label, items)`` gives the items.
    """

    root: Path | None = None
    no_root: str = ""
    environ: Mapping[str, str] = field(factory=lambda: dict(os.environ))
    load: bool = False
    deep: bool = False
    limit: float = 120.0
    progress: Progress = _silent
