"""How far many trainings are: bars on a terminal, else a line now and then; on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mi.cli import training_bar
from mi.cli.common import say
from mi.cli.training_bar import losses

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mi.training.many import Watch

ENDS = ("done", "failed", "interrupted", "skipped")


@contextmanager
def display_of(variants: int) -> Iterator[Watch]:
    """What :func:`mi.training.many.train_many` tells, shown.

    Args:
        variants: how many there are.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Plain(variants)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Bars(bar, variants)


class _Bars:
    """A bar for all, and one for each that is under way."""

    def __init__(self, bar: Progress, variants: int) -> None:
        self.bar, self.ended = bar, 0
        self.tasks: dict[str, TaskID] = {}
        self.shares: dict[str, float] = {}  # trained of those under way
        self.whole = bar.add_task(f"{variants} variants", total=variants, note="")

    def __call__(self, variant: str, event: Mapping[str, Any]) -> None:
        kind, bar = event["event"], self.bar
        if kind == "begun":
            self.tasks[variant] = bar.add_task(variant.rpartition("/")[2], total=None, note="starting")
        elif kind == "progress":
            epoch, epochs = event["epoch"], event["epochs"]
            self.shares[variant] = epoch / max(epochs, 1)
            note = f"{epoch}/{epochs}  {losses(event['metrics'])}"
            bar.update(self.tasks[variant], completed=epoch, total=epochs, note=note)
        elif kind in ENDS:
            if variant in self.tasks:
                bar.remove_task(self.tasks.pop(variant))
            self.shares.pop(variant, None)
            self.ended += 1
        elif kind == "said":
            bar.console.print(f"mi: {event['line']}", markup=False, highlight=False)
        if kind == "failed":
            bar.console.print(f"mi: {variant} failed: {event['sentence']}", markup=False, highlight=False)
        done = self.ended + sum(self.shares.values())
        bar.update(self.whole, completed=done, note=f"{self.ended} done")


class _Plain:
    """Without a terminal: a line every ten seconds, failures at once."""

    def __init__(self, variants: int) -> None:
        self.variants, self.ended = variants, 0
        self.at: dict[str, str] = {}
        self.said = time.monotonic()

    def __call__(self, variant: str, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "begun":
            self.at[variant] = "starting"
        elif kind == "progress":
            self.at[variant] = f"epoch {event['epoch']} of {event['epochs']}"
        elif kind in ENDS:
            self.at.pop(variant, None)
            self.ended += 1
        elif kind == "said":
            say(event["line"])
        if kind == "failed":
            say(f"{variant} failed: {event['sentence']}")
        if time.monotonic() - self.said >= training_bar.PLAIN_SECONDS:
            self.said = time.monotonic()
            under_way = ", ".join(f"{id.rpartition('/')[2]} {at}" for id, at in self.at.items())
            click.echo(f"{self.ended} of {self.variants} variants done; {under_way}", err=True)
