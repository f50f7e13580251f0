"""``mi pack`` and ``mi unpack``: a variant's artifacts as one file, and as a folder again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi.cli.choice import Choice, choosing, chosen_variants
from mi.cli.common import open_workspace, say, wait_option
from mi.cli.show import size_of
from mi.plural import counted

if TYPE_CHECKING:
    from mi.store.pack import Size


@click.command()
@choosing
@wait_option
@click.pass_context
def pack(ctx: click.Context, choice: Choice, wait: bool) -> None:
    """Gather the artifacts of VARIANT (name or family/name) into one file, artifacts.zarr.zip.

    For a finished variant: fewer files to copy, and one that zarr itself reads. Everything goes on as before:
    what is packed is read in place, and an analysis that has something to write unpacks first.
    """
    from mi.store.layout import VariantPaths
    from mi.store.lock import variant_lock
    from mi.store.pack import pack as run

    for variant in chosen_variants(open_workspace(ctx), choice, "pack"):
        paths = VariantPaths(variant.folder)
        with variant_lock(paths, "packing", say if wait else None):
            done = run(paths)
        if done is not None:
            before, after = done
            click.echo(
                f"{variant.id}: {_said(before)} packed into {paths.packed.name}, {size_of(after.bytes)}"
            )
        elif paths.packed.exists():
            click.echo(f"{variant.id}: packed already")
        else:
            click.echo(f"{variant.id}: no artifacts to pack (see `mi analyze`)")


@click.command()
@choosing
@wait_option
@click.pass_context
def unpack(ctx: click.Context, choice: Choice, wait: bool) -> None:
    """Spread the packed artifacts of VARIANT (name or family/name) out into the folder artifacts.zarr."""
    from mi.store.layout import VariantPaths
    from mi.store.lock import variant_lock
    from mi.store.pack import unpack as run

    for variant in chosen_variants(open_workspace(ctx), choice, "unpack"):
        paths = VariantPaths(variant.folder)
        with variant_lock(paths, "packing", say if wait else None):
            done = run(paths)
        click.echo(f"{variant.id}{': unpacked into ' + paths.artifacts.name if done else ' is not packed'}")


def _said(size: Size) -> str:
    return f"{counted(size.files, 'file')}, {size_of(size.bytes)},"
