"""``mi variants``: every variant in ``results/``."""

from __future__ import annotations

from typing import Any

import click

from mi.cli.common import json_option, open_workspace, print_listing

COLUMNS = {
    "id": "variant",
    "state": "state",
    "checkpoints": "checkpoints",
    "last_epoch": "last epoch",
    "parameters": "parameters that differ from the default",
}


@click.command()
@click.argument("family", required=False)
@json_option
@click.pass_context
def variants(ctx: click.Context, family: str | None, as_json: bool) -> None:
    """List variants, of all families or of FAMILY.

    State: `declared`, `training 43 %`, `interrupted at 1300`, `stopped at 37` (its loss was no number),
    `trained`, or `analyzed`.
    """
    from mi.domain.workspace import Variant

    workspace = open_workspace(ctx)
    rows: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    unreadable = []
    for found in workspace.scan(family):
        if isinstance(found, Variant):
            row = _row(found)
            rows.append(row)
            declared = found.family.parameters
            differ = {k: v for k, v in row["parameters"].items() if v != declared[k].default}
            shown.append({**row, "parameters": differ})
        else:
            unreadable.append(found)
    columns = dict(COLUMNS) | ({"error": ""} if any(row["error"] for row in rows) else {})
    print_listing(rows if as_json else shown, columns, as_json, "no variants: make one with `mi train`")
    for error in unreadable:
        click.echo(f"mi: {error}", err=True)


def _row(variant: Any) -> dict[str, Any]:
    from mi.errors import MiError
    from mi.status import variant_row

    try:
        return variant_row(variant)
    except MiError as error:
        row = {"id": variant.id, "family": variant.family.name, "name": variant.name, "state": "damaged"}
        row |= {"parameters": dict(variant.parameters), "checkpoints": 0, "last_epoch": None}
        return row | {"error": str(error)}
