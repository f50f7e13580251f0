"""``mi train``: variants trained, their checkpoints kept, their progress shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import open_workspace, parse_settings, say, wait_option
from mi.cli.training_bar import number, progress_of, words
from mi.plural import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi.domain.family import Family
    from mi.domain.workspace import Variant, Workspace
    from mi.training import TrainingSummary

# What only makes sense where a training begins or goes on: parameter of the command -> option
BEGINS = {
    "epochs": "--epochs",
    "schedule": "--checkpoints",
    "states": "--states",
    "evaluate_every": "--evaluate-every",
}


@click.command()
@click.argument("name", metavar="FAMILY|VARIANT")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a domain parameter.")
@click.option(
    "--grid",
    "axes",
    multiple=True,
    metavar="NAME=VALUES",
    help="Train a variant for each value, several at once: d_model=64,128 or seed=0:10 (without 10) or "
    "seed=0:100:20; again for more parameters, which multiply.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="With --grid: trainings at once (default: cores).")
@click.option(
    "--densify",
    metavar="EPOCHS",
    help="Add checkpoints, such as 9000:11000:20, to a finished VARIANT, equal to the bit.",
)
@click.option(
    "--intervene",
    metavar="FILE.json",
    help="Train a child of VARIANT that does otherwise from some epoch on (docs/interventions.md).",
)
@click.option("--epochs", type=int, help="Optimizer steps (default: the family's).")
@click.option(
    "--checkpoints",
    "schedule",
    metavar="EPOCHS",
    help="Epochs to keep, such as 0:1500:100,1500::500; the initialization and the last always are.",
)
@click.option("--device", help="Torch device: cpu (default), cuda, cuda:1.")
@click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads (default: torch's choice; a grid: 1)."
)
@click.option("--states", metavar="WHICH", help="Training states to keep: all (default), 'every N' or last.")
@click.option("--evaluate-every", type=int, metavar="N", help="Epochs between test passes (default: 1).")
@click.option("--resume", is_flag=True, help="Continue to the bit where it was left, or train it longer.")
@wait_option
@click.pass_context
def train(
    ctx: click.Context,
    /,
    name: str,
    settings: tuple[str, ...],
    axes: tuple[str, ...],
    jobs: int | None,
    densify: str | None,
    intervene: str | None,
    device: str | None,
    threads: int | None,
    resume: bool,
    wait: bool,
    **begins: Any,
) -> int:
    """Train a variant of FAMILY, or several, keeping checkpoints; checkpoint 0 is the initialization.

    Ctrl-C leaves variants that --resume continues to the bit. A VARIANT is named (name or family/name) to
    densify it.
    """
    from mi.cli.choice import check_device
    from mi.errors import ParameterError

    check_device(device or "cpu")
    workspace = open_workspace(ctx)
    if densify is not None:
        from mi.cli.train_densify import run_densify

        wrong = [option for key, option in BEGINS.items() if begins[key] is not None]
        wrong += ["--grid"] if axes else []
        if wrong:
            raise ParameterError(f"--densify adds to a training that is finished; without {', '.join(wrong)}")
        return run_densify(workspace, name, settings, densify, device=device, threads=threads, wait=wait)
    if intervene is not None:
        from mi.cli.train_child import child_of

        if axes or settings:
            raise ParameterError("--intervene makes a child of the one VARIANT named; without --grid, --set")
        variant, threads = child_of(workspace, name, intervene, threads)
        return _train(variant, f"{name} --intervene {intervene}", begins, device, threads, resume, wait)
    declared = family_of(workspace, name)
    given = parameters_of(declared, settings)
    if axes:
        from mi.cli.train_grid import run_grid

        return run_grid(
            *(workspace, declared, axes, given),
            **begins,
            jobs=jobs,
            device=device or "cpu",
            threads=threads,
            resume=resume,
            wait=wait,
        )
    if jobs is not None:
        raise ParameterError("--jobs says how many of a grid are trained at once: give --grid with it")
    sets = "".join(f" --set {pair}" for pair in settings)
    variant = workspace.declare(declared, given)
    return _train(variant, f"{name}{sets}", begins, device, threads, resume, wait)


def _train(
    variant: Variant,
    words: str,
    begins: Mapping[str, Any],
    device: str | None,
    threads: int | None,
    resume: bool,
    wait: bool,
) -> int:
    """Train one variant, which the command line named with ``words``; the exit code."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from mi.training import TrainingInterrupted
    from mi.training import train as run

    try:
        with progress_of(variant.name) as progress:
            summary = run(
                variant,
                **begins,
                device=device or "cpu",
                resume=resume,
                progress=progress,
                say=say,
                wait=say if wait else None,
            )
    except TrainingInterrupted as stopped:
        click.echo(
            f"mi: interrupted at epoch {stopped.epoch}, nothing lost; "
            f"continue with `mi train {words} --resume`",
            err=True,
        )
        return 130
    click.echo(closing_line(summary))
    return 0


def closing_line(summary: TrainingSummary) -> str:
    """What a training did, in one line: variant, checkpoints, epochs, seconds, final metrics."""
    trained = summary.reached - summary.start
    metrics = ", ".join(f"{words(name)} {number(value)}" for name, value in summary.metrics.items())
    return (
        f"{summary.variant}: {counted(summary.checkpoints, 'checkpoint')} to epoch {summary.reached}, "
        f"{counted(trained, 'epoch')} trained in {summary.seconds:.1f} s; {metrics}"
    )


def family_of(workspace: Workspace, name: str) -> Family:
    """The declared family; one that only a plugin ships is hinted at."""
    from mi.domain.scaffold import shipped_families
    from mi.errors import UnknownNameError

    if name not in workspace.family_names() and name in shipped_families(workspace.host):
        raise UnknownNameError(
            f"family {name!r} is not in this workspace, but a plugin ships it: `mi families add {name}`"
        )
    return workspace.family(name)


def parameters_of(family: Family, settings: tuple[str, ...]) -> dict[str, object]:
    """Values of ``--set`` as their parameters' types; unknown names are left for ``complete`` to refuse."""
    given = parse_settings(settings)
    known = family.parameters
    return {name: known[name].parse(name, text) if name in known else text for name, text in given.items()}
