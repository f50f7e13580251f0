"""``mi train VARIANT --densify``: more checkpoints of a finished training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi.cli.common import say
from mi.cli.training_bar import progress_of

if TYPE_CHECKING:
    from mi.domain.workspace import Variant, Workspace
    from mi.training import DensifySummary


def run_densify(
    workspace: Workspace,
    name: str,
    settings: tuple[str, ...],
    window: str,
    *,
    device: str | None,
    threads: int | None,
    wait: bool,
) -> int:
    """Densify the variant of that name, or of family ``name`` with these settings; the exit code."""
    variant = _variant(workspace, name, settings)
    from mi.training import TrainingInterrupted, densify

    try:
        with progress_of(variant.name) as progress:
            summary = densify(
                variant,
                window,
                device=device,
                threads=threads,
                progress=progress,
                say=say,
                wait=say if wait else None,
            )
    except TrainingInterrupted as stopped:
        click.echo(
            f"mi: interrupted at epoch {stopped.epoch}, nothing lost; the same command goes on", err=True
        )
        return 130
    click.echo(_line(summary))
    return 0


def _variant(workspace: Workspace, name: str, settings: tuple[str, ...]) -> Variant:
    """The variant meant.

    Raises:
        MiError: there is none, or --set beside a variant's name.
    """
    from mi.cli.train import family_of, parameters_of
    from mi.errors import ParameterError

    if name in workspace.family_names():
        family = family_of(workspace, name)
        return workspace.declare(family, parameters_of(family, settings))
    if settings:
        raise ParameterError(f"--set says which variant of a family: {name!r} is none")
    return workspace.variant(name)


def _line(summary: DensifySummary) -> str:
    return (
        f"{summary.variant}: {len(summary.added)} checkpoints added, {summary.checkpoints} now; "
        f"{summary.trained} epochs trained again in {summary.seconds:.1f} s, "
        f"{summary.verified} checkpoints on the way came out equal"
    )
