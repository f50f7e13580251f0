"""``mi init``: make a folder a workspace."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="[DIR]", default="")
@click.pass_context
def init(ctx: click.Context, folder: str) -> None:
    """Make DIR (or --workspace, or the present folder) a workspace; nothing that exists is touched."""
    from mi.domain.scaffold import create_workspace

    root = Path(folder or ctx.find_root().obj or ".").expanduser()
    made = create_workspace(root)
    for path in made:
        click.echo(f"made {path}")
    if not made:
        click.echo(f"{root} is a workspace already")
    click.echo("next: `mi families` shows the families that plugins ship, `mi families add NAME` copies one")
