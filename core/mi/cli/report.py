"""``mi report``: list, show, validate and build reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, open_workspace, print_listing
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.family import Family
    from mi.domain.workspace import Workspace

PANELS = {"panel": "panel", "visualization": "visualization", "title": "title", "width": "width"}


@click.group()
def report() -> None:
    """List, show, validate and build reports: saved choices of panels, scoped to a family."""


@report.command()
@click.argument("family", required=False)
@json_option
@click.pass_context
def ls(ctx: click.Context, family: str | None, as_json: bool) -> None:
    """List the reports of FAMILY, or of all families.

    State: `ok`, `incomplete` (a panel asks for something that no plugin offers) or `malformed`.
    """
    workspace = open_workspace(ctx)
    rows = [row for declared in _families(workspace, family) for row in _listing(workspace, declared)]
    columns = {"id": "report", "family": "family", "state": "state", "panels": "panels", "title": "title"}
    print_listing(rows, columns, as_json, "no reports: they lie in model_families/FAMILY/reports/")


@report.command()
@click.argument("family")
@click.argument("name", default="default")
@json_option
@click.pass_context
def show(ctx: click.Context, family: str, name: str, as_json: bool) -> None:
    """Show the panels of the report NAME of FAMILY."""
    workspace = open_workspace(ctx)
    declared = workspace.family(family)
    loaded = workspace.report(declared, name)
    offered = workspace.host.visualizations(declared)
    rows = [
        {
            "id": f"panel-{i}",
            "panel": i,
            "family": family,
            "report": name,
            "visualization": panel.visualization,
            "title": panel.title or getattr(offered.get(panel.visualization), "title", ""),
            "width": panel.width,
            "options": dict(panel.options),
            "state": "ok" if panel.visualization in offered else "unknown",
        }
        for i, panel in enumerate(loaded.panels)
    ]
    if not as_json:
        probe = loaded.probe or declared.default_probe
        click.echo(f"{loaded.title or name} ({family}/{name}), probe {probe}")
    print_listing(rows, {**PANELS, "options": "options", "state": "state"}, as_json, "no panels")


@report.command()
@click.argument("family", required=False)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@click.pass_context
def validate(ctx: click.Context, family: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """Check reports against the plugins there are; exit code 2 when one fails."""
    workspace = open_workspace(ctx)
    rows = []
    for declared in _families(workspace, family):
        for name in names or workspace.report_names(declared):
            problems = _problems(workspace, declared, name)
            rows.append(
                {
                    "id": name,
                    "family": declared.name,
                    "state": "failed" if problems else "ok",
                    "problems": problems,
                }
            )
    if as_json:
        print_listing(rows, {}, True, "")
    else:
        for row in rows:
            click.echo(f"{row['state']:6}  {row['family']}/{row['id']}")
            for problem in row["problems"]:
                click.echo(f"        {problem}")
        if not rows:
            click.echo("no reports to validate")
    failed = sum(row["state"] == "failed" for row in rows)
    if failed:
        click.echo(f"mi: {failed} of {counted(len(rows), 'report')} failed", err=True)
        ctx.exit(2)


@report.command()
@click.argument("name")
@click.argument("variant")
@click.option(
    "--to", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
@click.option("--epochs", metavar="EPOCHS", help="Checkpoints inside, as START:STOP:STEP,… (default: all).")
@click.option("--probe", metavar="NAME", help="The probe (default: the report's, else the family's).")
@click.pass_context
def build(
    ctx: click.Context, name: str, variant: str, path: Path, epochs: str | None, probe: str | None
) -> None:
    """Write the report NAME of VARIANT as one HTML file that works without a server or a network.

    A panel that fails is a card in the file, and the command ends with exit code 2.
    """
    from mi.export.html import export_html

    workspace = open_workspace(ctx)
    chosen = workspace.variant(variant)
    loaded = workspace.report(chosen.family, name)
    summary = export_html(chosen, loaded, path, epochs=_epochs(chosen, epochs), probe=probe)
    click.echo(
        f"wrote {summary.path}: {summary.bytes / 1e6:.1f} MB, {counted(summary.panels, 'panel')}, "
        f"{counted(summary.epochs, 'checkpoint')}"
    )
    if summary.over_budget:
        click.echo("mi: the file is large; --epochs 0::10, say, keeps every tenth checkpoint", err=True)
    if ctx.find_root().params.get("debug"):
        for traceback in summary.details:
            click.echo(traceback, err=True)
    for said in (*summary.flagged, *summary.problems):
        click.echo(f"mi: {said}", err=True)
    if summary.problems:
        failed = len(summary.problems)
        said = f"{failed} of {counted(summary.panels, 'panel')} {'has' if failed == 1 else 'have'} no figure"
        click.echo(f"mi: {said}", err=True)
        ctx.exit(2)


def _families(workspace: Workspace, name: str | None) -> list[Family]:
    from mi.domain.family import Family

    if name is not None:
        return [workspace.family(name)]
    return [family for family in workspace.families().values() if isinstance(family, Family)]


def _listing(workspace: Workspace, family: Family) -> list[dict[str, Any]]:
    from mi.errors import MiError

    rows = []
    for name in workspace.report_names(family):
        row: dict[str, Any] = {"id": name, "family": family.name, "state": "ok", "title": "", "probe": ""}
        row |= {"panels": 0, "visualizations": [], "error": ""}
        try:
            loaded = workspace.report(family, name)
        except MiError as error:
            rows.append(row | {"state": "malformed", "error": str(error)})
            continue
        problems = _problems(workspace, family, name)
        rows.append(
            row
            | {
                "state": "incomplete" if problems else "ok",
                "title": loaded.title,
                "probe": loaded.probe or family.default_probe,
                "panels": len(loaded.panels),
                "visualizations": [panel.visualization for panel in loaded.panels],
                "error": problems[0] if problems else "",
            }
        )
    return rows


def _problems(workspace: Workspace, family: Family, name: str) -> list[str]:
    """What is wrong with a report: the file, its probe, each panel."""
    from mi.domain.values import check_options
    from mi.errors import MiError, unknown

    try:
        loaded = workspace.report(family, name)
    except MiError as error:
        return [str(error)]
    problems = []
    probes = workspace.probe_names(family)
    if loaded.probe and loaded.probe not in probes:
        problems.append(f"probe: {unknown('probe', loaded.probe, probes)}")
    offered = workspace.host.visualizations(family)
    for i, panel in enumerate(loaded.panels):
        try:
            if panel.visualization not in offered:
                raise workspace.host.unoffered("visualization", panel.visualization, offered)
            declared = offered[panel.visualization]
            check_options(f"visualization {declared.id}", declared.options, panel.options)
        except MiError as error:
            problems.append(f"panels[{i}]: {error}")
    return problems


def _epochs(variant: Any, text: str | None) -> list[int] | None:
    """Checkpoint epochs among those that a schedule names."""
    if text is None:
        return None
    from mi.domain.schedule import parse_epochs
    from mi.errors import ParameterError
    from mi.store.checkpoints import list_checkpoints
    from mi.store.layout import VariantPaths

    known = [c.epoch for c in list_checkpoints(VariantPaths(variant.folder))]
    wanted = set(parse_epochs(text, known[-1] if known else 0))
    chosen = [e for e in known if e in wanted]
    if not chosen:
        raise ParameterError(f"--epochs {text!r} names no checkpoint of {variant.name}")
    return chosen
