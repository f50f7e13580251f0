"""``mi plugin new``: start a plugin, as a package that passes its own tests from the first minute."""

from __future__ import annotations

from pathlib import Path

import click

EVERYTHING = "family,probe,analyzer,visualization"


@click.group()
def plugin() -> None:
    """Start a plugin of your own."""


@plugin.command(short_help="Write the package of a new plugin.")
@click.argument("name")
@click.option(
    "--with",
    "parts",
    default=EVERYTHING,
    show_default=True,
    metavar="PART,…",
    help="What it will contribute.",
)
@click.option(
    "--to", metavar="DIR", type=click.Path(path_type=Path), help="The folder to make (default: mi-NAME)."
)
def new(name: str, parts: str, to: Path | None) -> None:
    """Write the package of a plugin NAME: working code, its tests, and a README with the next commands."""
    from mi.skeleton import chosen_parts, create_plugin

    folder = create_plugin(name, chosen_parts(parts), to)
    click.echo(f"made {folder}; next: `cd {folder} && pip install --editable . --group dev && pytest`")
