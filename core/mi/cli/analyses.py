"""``mi analyses``: what can be measured, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import declared_families, json_option, open_workspace, print_listing

if TYPE_CHECKING:
    from mi.domain.analyzer import Analyzer
    from mi.domain.family import Family
    from mi.domain.workspace import Workspace

COLUMNS = {"id": "analysis", "scope": "scope", "used": "used", "title": "title", "views": "shown by"}


@click.command()
@click.argument("family", required=False)
@json_option
@click.pass_context
def analyses(ctx: click.Context, family: str | None, as_json: bool) -> None:
    """List the analyses that plugins offer, to all families or to FAMILY.

    Scope: `checkpoint` (each fed by the one forward pass), `trajectory` (over a variant's epochs) or `family`
    (over its variants). Used: whether the family's family.json names it, so that `mi analyze` makes it.
    """
    workspace = open_workspace(ctx)
    families = [workspace.family(family)] if family is not None else list(declared_families(workspace))
    rows = [row for one in families for row in rows_of(workspace, one)]
    shown = [{**row, "used": "yes" if row["used"] else ""} for row in rows]
    columns = COLUMNS if len(families) == 1 else {"family": "family"} | COLUMNS
    empty = "no analyses: no plugin offers one to a family of this workspace"
    print_listing(rows if as_json else shown, columns, as_json, empty)


def rows_of(workspace: Workspace, family: Family) -> list[dict[str, Any]]:
    """One object an analyzer offered to ``family``, those in use first; keys in docs/cli-json.md."""
    used = {use.id: i for i, use in enumerate(family.analyzers)}
    readers: dict[str, list[str]] = {}
    for id, visualization in workspace.host.visualizations(family).items():
        for read in visualization.reads:
            readers.setdefault(read, []).append(id)
    offered = workspace.host.analyzers(family)
    ids = sorted(offered, key=lambda id: (used.get(id, len(used)), id))
    return [_row(offered[id], family, id in used, readers.get(id, [])) for id in ids]


def _row(analyzer: Analyzer, family: Family, used: bool, views: list[str]) -> dict[str, Any]:
    return {
        "id": analyzer.id,
        "family": family.name,
        "scope": analyzer.scope,
        "used": used,
        "title": analyzer.title,
        "description": analyzer.description,
        "version": analyzer.version,
        "outputs": {
            name: {"dims": list(o.dims), "units": o.units, "description": o.description}
            for name, o in analyzer.outputs.items()
        },
        "options": {name: option.default for name, option in analyzer.options.items()},
        "views": views,
    }
