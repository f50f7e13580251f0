"""``mi families``: list, add, declare and validate model families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, open_workspace, print_listing

if TYPE_CHECKING:
    from mi.domain.family import Family
    from mi.domain.workspace import Workspace

COLUMNS = {
    "id": "family",
    "state": "state",
    "variants": "variants",
    "title": "title",
    "parameters": "parameters",
    "error": "",
}


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def families(ctx: click.Context, as_json: bool) -> None:
    """List the workspace's families and those that plugins ship.

    State: `declared`, `malformed` (see `mi families validate`), or `available` (see `mi families add`).
    """
    if ctx.invoked_subcommand is None:
        workspace = open_workspace(ctx)
        rows = listing(workspace)
        shown = rows if as_json else [{**row, "parameters": list(row["parameters"])} for row in rows]
        columns = {key: heading for key, heading in COLUMNS.items() if heading or any(r[key] for r in rows)}
        print_listing(shown, columns, as_json, "no families: install a plugin that ships one")


def listing(workspace: Workspace) -> list[dict[str, Any]]:
    """One object a family; keys in docs/cli-json.md."""
    from mi.domain.family import Family, parse_family
    from mi.domain.jsonfile import parse_json
    from mi.domain.scaffold import shipped_families

    rows = []
    for name, family in workspace.families().items():
        if isinstance(family, Family):
            rows.append(_row(family, "declared", len(workspace.variants(name)), workspace))
        else:
            rows.append({**_empty(name), "state": "malformed", "error": str(family)})
    for name, (_, folder) in shipped_families(workspace.host).items():
        if name not in workspace.family_names():
            file = f"{name}/family.json"
            family = parse_family(parse_json((folder / "family.json").read_bytes(), file), file)
            rows.append(_row(family, "available", 0, workspace))
    return rows


def _empty(name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "family": name, "state": "", "title": "", "description": ""}
    row |= {"code": "", "variants": 0, "parameters": {}, "probe_kinds": [], "default_probe": ""}
    return row | {"probes": [], "reports": [], "analyzers": [], "visualizations": [], "error": ""}


def _row(family: Family, state: str, variants: int, workspace: Workspace) -> dict[str, Any]:
    parameters = {
        name: {
            "type": p.type,
            "default": p.default,
            "minimum": p.minimum,
            "maximum": p.maximum,
            "choices": list(p.choices),
            "description": p.description,
        }
        for name, p in family.parameters.items()
    }
    return _empty(family.name) | {
        "state": state,
        "title": family.title,
        "description": family.description,
        "code": family.code,
        "variants": variants,
        "parameters": parameters,
        "probe_kinds": list(family.probe_kinds),
        "default_probe": family.default_probe,
        "probes": workspace.probe_names(family),
        "reports": workspace.report_names(family),
        "analyzers": [use.id for use in family.analyzers],
        "visualizations": [use.id for use in family.visualizations],
    }


@families.command()
@click.argument("name")
@click.pass_context
def add(ctx: click.Context, name: str) -> None:
    """Copy the family NAME, which a plugin ships, into the workspace; from then on the copy rules."""
    from mi.domain.scaffold import add_family

    folder = add_family(open_workspace(ctx), name)
    click.echo(f"added {folder}; next: `mi train {name}`")


@families.command()
@click.argument("name")
@click.option("--like", required=True, metavar="OTHER", help="The family to start from.")
@click.pass_context
def new(ctx: click.Context, name: str, like: str) -> None:
    """Declare the family NAME as a copy of another: its family.json, probes and reports."""
    from mi.domain.scaffold import new_family

    folder = new_family(open_workspace(ctx), name, like)
    click.echo(f"made {folder}; edit family.json, then `mi families validate {name}`")


@families.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@click.pass_context
def validate(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Check every file of the families against the plugins; exit code 2 when one fails."""
    from mi.domain.validate import validate_family

    workspace = open_workspace(ctx)
    verdicts = [v for name in names or workspace.family_names() for v in validate_family(workspace, name)]
    rows = [
        {
            "id": v.file,
            "family": v.family,
            "file": v.file,
            "state": "failed" if v.problem else "ok",
            "error": v.problem,
        }
        for v in verdicts
    ]
    if as_json:
        print_listing(rows, {}, True, "")
    else:
        for row in rows:
            # A sentence names its file already.
            click.echo(f"failed  {row['error']}" if row["error"] else f"ok      {row['file']}")
        if not rows:
            click.echo("no families to validate")
    failed = sum(bool(v.problem) for v in verdicts)
    if failed:
        click.echo(f"mi: {failed} of {len(rows)} checks failed", err=True)
        ctx.exit(2)
