"""``mi variants``: every variant in ``results/``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.choice import where_option
from mi.cli.common import json_option, open_workspace, print_listing

if TYPE_CHECKING:
    from mi.domain.workspace import Variant, Workspace
    from mi.errors import MiError

COLUMNS = {
    "id": "variant",
    "state": "state",
    "checkpoints": "checkpoints",
    "last_epoch": "last epoch",
    "parent": "parent",
    "parameters": "parameters that differ from the default",
}


@click.command()
@click.argument("names", nargs=-1, metavar="[FAMILY|VARIANT]...")
@where_option
@json_option
@click.pass_context
def variants(ctx: click.Context, names: tuple[str, ...], conditions: tuple[str, ...], as_json: bool) -> None:
    """List variants: all, those of FAMILY, or those named VARIANT, in which *, ? and [] stand for more.

    State: `declared`, `training 43 %`, `interrupted at 1300`, `stopped at 37` (its loss was no number),
    `trained`, `analyzed`, or `stale`: analyzed, and what it was made from has changed since.
    """
    from mi.domain.select import where
    from mi.status import listed_row

    workspace = open_workspace(ctx)
    found, unreadable = _found(workspace, names)
    table = {one.id: listed_row(one) for one in found}
    if conditions:
        found = where(found, conditions, lambda one: table[one.id])
    rows: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for one in found:
        row = table[one.id]
        rows.append(row)
        declared = one.family.parameters
        differ = {k: v for k, v in row["parameters"].items() if v != declared[k].default}
        shown.append({**row, "parameters": differ})
    columns = {k: v for k, v in COLUMNS.items() if k != "parent" or any(row["parent"] for row in rows)}
    columns |= {"error": ""} if any(row["error"] for row in rows) else {}
    print_listing(rows if as_json else shown, columns, as_json, "no variants: make one with `mi train`")
    for error in unreadable:
        click.echo(f"mi: {error}", err=True)


def _found(workspace: Workspace, names: tuple[str, ...]) -> tuple[list[Variant], list[MiError]]:
    """The variants that names stand for, and what of their families cannot be read.

    Raises:
        UnknownNameError: a name of no family and no variant, or a pattern that fits none.
    """
    from mi.domain.select import is_pattern, named
    from mi.domain.workspace import Variant
    from mi.errors import unknown

    families = workspace.family_names()
    alone = names[0] if len(names) == 1 and names[0] in families else None
    everything = list(workspace.scan(alone))
    pool = [one for one in everything if isinstance(one, Variant)]
    unreadable = [one for one in everything if not isinstance(one, Variant)]
    if alone is not None or not names:
        return pool, unreadable
    known = {one.name for one in pool} | {one.id for one in pool} | set(families)
    found: dict[str, Variant] = {}
    for name in names:
        if name in families:
            found |= {one.id: one for one in pool if one.family.name == name}
            continue
        if not is_pattern(name) and name not in known:
            raise unknown("family or variant", name, known)
        found |= {one.id: one for one in named(pool, [name])}
    return list(found.values()), unreadable
