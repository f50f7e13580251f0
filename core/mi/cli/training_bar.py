"""How far a training is: a bar on a terminal, else a line now and then; on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mi.training.run import Progress

PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal


@contextmanager
def progress_of(name: str) -> Iterator[Progress]:
    """A bar with the time left and the current losses on a terminal, else a line now and then; on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Plain(name)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None, metrics="")

        def show(epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
            bar.update(task, completed=epoch, total=epochs, metrics=losses(metrics))

        yield show


class _Plain:
    """Progress without a terminal: a line every ten seconds, with the time left."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began: tuple[float, int] | None = None
        self.said = 0.0

    def __call__(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        now = time.monotonic()
        if self.began is None:
            self.began, self.said = (now, epoch), now
        if now - self.said < PLAIN_SECONDS:
            return
        self.said = now
        start, first = self.began
        left = (epochs - epoch) * (now - start) / max(epoch - first, 1)
        click.echo(f"{self.name}: epoch {epoch} of {epochs}, {left:.0f} s left, {losses(metrics)}", err=True)


def losses(metrics: Mapping[str, float]) -> str:
    """The losses among metrics, in one line."""
    return ", ".join(f"{words(n)} {number(v)}" for n, v in metrics.items() if n.endswith("_loss"))


def words(name: str) -> str:
    """A metric's name for people."""
    return name.replace("_", " ")


def number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}"
