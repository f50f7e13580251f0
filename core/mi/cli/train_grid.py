"""``mi train FAMILY --grid``: many variants, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import print_listing
from mi.cli.grid_bar import display_of
from mi.cli.training_bar import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi.domain.family import Family
    from mi.domain.workspace import Workspace
    from mi.training.many import ManySummary


def run_grid(
    workspace: Workspace,
    family: Family,
    axes: tuple[str, ...],
    given: Mapping[str, Any],
    **settings: Any,
) -> int:
    """Declare every variant, train them, print a table; 2 where one failed, 130 after Ctrl-C."""
    from mi.domain.grid import grid

    variants = [workspace.declare(family, parameters) for parameters in grid(family, axes, given)]
    from mi.cli.choice import check_device
    from mi.training.many import train_many

    check_device(settings["device"])
    with display_of(len(variants)) as watch:
        summary = train_many(variants, watch=watch, **settings)
    _print(summary)
    if summary.interrupted:
        click.echo("mi: stopped, nothing lost; the same command with --resume goes on", err=True)
        return 130
    return 2 if summary.failed else 0


def _print(summary: ManySummary) -> None:
    losses = {name: None for one in summary.outcomes for name in one.metrics if name.endswith("_loss")}
    rows = []
    for one in summary.outcomes:
        row: dict[str, Any] = {"variant": one.variant, "state": one.state, "epoch": one.reached}
        row["seconds"] = round(one.seconds, 1) if one.trained else None
        row |= {name: one.metrics.get(name) for name in losses}
        rows.append(row | {"error": one.error})
    columns = {"variant": "variant", "state": "state", "epoch": "epoch", "seconds": "seconds"}
    columns |= {name: name.replace("_", " ") for name in losses}
    columns |= {"error": ""} if any(one.error for one in summary.outcomes) else {}
    print_listing(rows, columns, False, "no variants")
    counts: dict[str, int] = {}
    for one in summary.outcomes:
        state = one.state.partition(" at ")[0]
        counts[state] = counts.get(state, 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    work = sum(one.seconds for one in summary.outcomes)
    click.echo(f"{len(summary.outcomes)} variants: {said}; {number(work)} s of training")
