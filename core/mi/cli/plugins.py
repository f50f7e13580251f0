"""``mi plugins``: what is installed, what each offers, and what went wrong; it works when all are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, print_listing

if TYPE_CHECKING:
    from mi.plugins import Host, Record

COLUMNS = {
    "id": "plugin",
    "state": "state",
    "distribution": "distribution",
    "version": "version",
    "hooks": "hooks",
    "milliseconds": "import, ms",
    "problems": "problems",
}


@click.command()
@click.argument("name", required=False)
@json_option
@click.pass_context
def plugins(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """List plugins; with NAME the full record of one, tracebacks included."""
    from mi.errors import unknown
    from mi.plugins import load_host

    host = load_host()
    _ask_everything(host, ctx.find_root().obj)
    records = host.records
    if name is not None:
        records = [record for record in records if record.name == name]
        if not records:
            raise unknown("plugin", name, [record.name for record in host.records])
    rows = [_row(record) for record in records]
    if name is None or as_json:
        shown = rows if as_json else [{**row, "problems": len(row["failures"]) or None} for row in rows]
        print_listing(shown, COLUMNS, as_json, "no plugins")
        if not as_json and any(row["failures"] for row in rows):
            click.echo("`mi plugins NAME` shows what went wrong")
        return
    _print_record(rows[0])


def _ask_everything(host: Host, workspace: str | None) -> None:
    """Call every hook, for each family of the workspace where there is one, so that all failures show."""
    from mi.domain.family import Family
    from mi.domain.scaffold import shipped_families
    from mi.domain.workspace import Workspace
    from mi.errors import MiError

    shipped_families(host)
    try:
        families = Workspace.open(workspace, host).families().values()
    except MiError:
        if workspace is not None:
            raise
        return  # outside a workspace there is no family to ask for
    for family in families:
        if isinstance(family, Family):
            host.probe_kinds(family), host.analyzers(family), host.visualizations(family)


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.name,
        "name": record.name,
        "state": record.status,
        "distribution": record.distribution,
        "version": record.version,
        "value": record.value,
        "hooks": list(record.hooks),
        "milliseconds": record.milliseconds,
        "failures": [{"hook": f.hook, "error": f.error, "details": f.details} for f in record.failures],
        "warnings": list(record.warnings),
    }


def _print_record(row: dict[str, Any]) -> None:
    for key in ("name", "state", "distribution", "version", "value"):
        click.echo(f"{key + ':':<14}{row[key]}")
    click.echo(f"{'hooks:':<14}{', '.join(row['hooks']) or 'none'}")
    click.echo(f"{'import:':<14}{row['milliseconds']} ms")
    for warning in row["warnings"]:
        click.echo(f"warning: {warning}")
    for failure in row["failures"]:
        click.echo(f"\nfailed in {failure['hook']}: {failure['error']}")
        if failure["details"]:
            click.echo(failure["details"].rstrip())
