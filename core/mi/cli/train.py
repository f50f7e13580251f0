"""``mi train``: one variant trained, its checkpoints kept, its progress shown."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mi.cli.common import open_workspace, parse_settings, say, wait_option

if TYPE_CHECKING:
    from mi.domain.family import Family
    from mi.domain.workspace import Workspace
    from mi.training import TrainingSummary
    from mi.training.run import Progress

PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal


@click.command()
@click.argument("family")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a domain parameter.")
@click.option("--epochs", type=int, help="Optimizer steps (default: the family's).")
@click.option(
    "--checkpoints",
    "schedule",
    metavar="EPOCHS",
    help="Epochs to keep, such as 0:1500:100,1500::500; the initialization and the last always are.",
)
@click.option("--device", default="cpu", show_default=True, help="Torch device: cpu, cuda, cuda:1.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads (default: torch's choice).")
@click.option("--states", metavar="WHICH", help="Training states to keep: all (default), 'every N' or last.")
@click.option("--evaluate-every", type=int, metavar="N", help="Epochs between test passes (default: 1).")
@click.option("--resume", is_flag=True, help="Continue to the bit where it was left, or train it longer.")
@wait_option
@click.pass_context
def train(
    ctx: click.Context,
    family: str,
    settings: tuple[str, ...],
    epochs: int | None,
    schedule: str | None,
    device: str,
    threads: int | None,
    states: str | None,
    evaluate_every: int | None,
    resume: bool,
    wait: bool,
) -> None:
    """Train a variant of FAMILY, keeping checkpoints; checkpoint 0 is the initialization.

    Ctrl-C leaves a variant that --resume continues to the bit.
    """
    workspace = open_workspace(ctx)
    declared = _family(workspace, family)
    variant = workspace.declare(declared, _parameters(declared, settings))
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from mi.training import TrainingInterrupted
    from mi.training import train as run

    try:
        with _progress(variant.name) as progress:
            summary = run(
                variant,
                epochs=epochs,
                schedule=schedule,
                device=device,
                states=states,
                resume=resume,
                evaluate_every=evaluate_every,
                progress=progress,
                say=say,
                wait=say if wait else None,
            )
    except TrainingInterrupted as stopped:
        sets = "".join(f" --set {pair}" for pair in settings)
        click.echo(
            f"mi: interrupted at epoch {stopped.epoch}, nothing lost; "
            f"continue with `mi train {family}{sets} --resume`",
            err=True,
        )
        raise click.exceptions.Exit(130) from None
    click.echo(closing_line(summary))


def closing_line(summary: TrainingSummary) -> str:
    """What a training did, in one line: variant, checkpoints, epochs, seconds, final metrics."""
    trained = summary.reached - summary.start
    metrics = ", ".join(f"{_words(name)} {_number(value)}" for name, value in summary.metrics.items())
    return (
        f"{summary.variant}: {summary.checkpoints} checkpoints to epoch {summary.reached}, "
        f"{trained} epochs trained in {summary.seconds:.1f} s; {metrics}"
    )


def _family(workspace: Workspace, name: str) -> Family:
    """The declared family; one that only a plugin ships is hinted at."""
    from mi.domain.scaffold import shipped_families
    from mi.errors import UnknownNameError

    if name not in workspace.family_names() and name in shipped_families(workspace.host):
        raise UnknownNameError(
            f"family {name!r} is not in this workspace, but a plugin ships it: `mi families add {name}`"
        )
    return workspace.family(name)


def _parameters(family: Family, settings: tuple[str, ...]) -> dict[str, object]:
    """Values of ``--set`` as their parameters' types; unknown names are left for ``complete`` to refuse."""
    given = parse_settings(settings)
    known = family.parameters
    return {name: known[name].parse(name, text) if name in known else text for name, text in given.items()}


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
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
            bar.update(task, completed=epoch, total=epochs, metrics=_losses(metrics))

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
        click.echo(f"{self.name}: epoch {epoch} of {epochs}, {left:.0f} s left, {_losses(metrics)}", err=True)


def _losses(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{_words(n)} {_number(v)}" for n, v in metrics.items() if n.endswith("_loss"))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    return f"{value:.4g}"
