"""``mi probes`` and ``mi probe``: the saved choices of what every checkpoint is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import declared_families, json_option, open_workspace, print_listing, split_setting
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.code import VariantCode
    from mi.domain.family import Family
    from mi.domain.probe import Probe, ProbeSpec
    from mi.domain.values import Option
    from mi.domain.workspace import Workspace

COLUMNS = {
    "id": "probe",
    "family": "family",
    "state": "state",
    "kind": "kind",
    "options": "options",
    "title": "title",
}


@click.command()
@click.argument("family", required=False)
@json_option
@click.pass_context
def probes(ctx: click.Context, family: str | None, as_json: bool) -> None:
    """List saved probes, of all families or of FAMILY."""
    workspace = open_workspace(ctx)
    families = [workspace.family(family)] if family is not None else declared_families(workspace)
    rows: list[dict[str, Any]] = []
    for declared in families:
        rows += [_listed(workspace, declared, name) for name in workspace.probe_names(declared)]
    columns = dict(COLUMNS) | ({"error": ""} if any(row["error"] for row in rows) else {})
    print_listing(rows, columns, as_json, "no probes: make one with `mi probe new`")


def _listed(workspace: Workspace, family: Family, name: str) -> dict[str, Any]:
    from mi.errors import MiError

    row = {"id": name, "family": family.name, "state": "ok", "default": name == family.default_probe}
    row |= {"kind": "", "title": "", "options": {}, "notes": "", "error": ""}
    try:
        spec = workspace.probe_spec(family, name)
    except MiError as error:
        return row | {"state": "failed", "error": str(error)}
    return row | {"kind": spec.kind, "title": spec.title, "options": dict(spec.options), "notes": spec.notes}


@click.group()
def probe() -> None:
    """Make, show and validate a probe."""


@probe.command()
@click.argument("family")
@click.argument("name")
@click.option("--kind", required=True, help="Id of a probe kind, such as core.filter.")
@click.option(
    "--set", "settings", multiple=True, metavar="OPTION=VALUE", help="Repeat it to make a list longer."
)
@click.option("--title", default="", help="A few words for people.")
@click.option("--notes", default="", help="Why this probe exists.")
@click.pass_context
def new(
    ctx: click.Context, family: str, name: str, kind: str, settings: tuple[str, ...], title: str, notes: str
) -> None:
    """Save the probe NAME of FAMILY, after building it for the family's default parameters."""
    from mi.domain.probe import ProbeSpec
    from mi.errors import StoreError

    workspace = open_workspace(ctx)
    declared = workspace.family(family)
    kinds = workspace.host.probe_kinds(declared)
    options = _options(settings, kinds[kind].options if kind in kinds else {})
    spec = workspace.check_probe(
        declared, ProbeSpec(name=name, kind=kind, title=title, options=options, notes=notes)
    )
    if name in workspace.probe_names(declared):
        raise StoreError(
            f"family {family} has a probe {name!r} already; remove its file first, or name another"
        )
    built = workspace.build_probe(declared, spec, _default_code(workspace, declared))
    path = workspace.save_probe(declared, spec)
    click.echo(f"saved {path}: {counted(len(built), 'row')} at the family's default parameters")


@probe.command()
@click.argument("family")
@click.argument("name")
@click.option("--variant", help="Build it for this variant (default: the family's default parameters).")
@click.option(
    "--rows", "count", type=click.IntRange(min=0), default=8, show_default=True, help="Rows to show."
)
@json_option
@click.pass_context
def show(ctx: click.Context, family: str, name: str, variant: str | None, count: int, as_json: bool) -> None:
    """Show the probe NAME of FAMILY: its choice, axes, masks, digest and first rows."""
    workspace = open_workspace(ctx)
    declared = workspace.family(family)
    spec = workspace.probe_spec(declared, name)
    if variant is None:
        code = _default_code(workspace, declared)
    else:
        ref = variant if "/" in variant else f"{family}/{variant}"
        code = workspace.variant(ref).code
    built = workspace.build_probe(declared, spec, code)
    row = _described(declared, spec, built, code, count)
    if as_json:
        print_listing([row], {}, True, "")
        return
    _print(row)


@probe.command()
@click.argument("family")
@click.argument("name")
@click.pass_context
def validate(ctx: click.Context, family: str, name: str) -> None:
    """Check the probe NAME of FAMILY: its file, and that it builds for every variant."""
    from mi.errors import MiError

    workspace = open_workspace(ctx)
    declared = workspace.family(family)
    spec = workspace.probe_spec(declared, name)
    codes = [(f"{family} with default parameters", _default_code(workspace, declared))]
    codes += [(v.id, v.code) for v in workspace.variants(family)]
    failed = 0
    for said, code in codes:
        try:
            click.echo(f"ok      {said}: {counted(len(workspace.build_probe(declared, spec, code)), 'row')}")
        except MiError as error:
            failed += 1
            click.echo(f"mi: {said}: {error}", err=True)
    if failed:
        ctx.exit(2)


def _default_code(workspace: Workspace, family: Family) -> VariantCode:
    return workspace.host.variant_code(family, family.complete({}))


def _options(settings: Sequence[str], declared: Mapping[str, Option]) -> dict[str, Any]:
    """Options of ``--set``: a list grows with every repetition and takes values as they are, commas too."""
    from mi.errors import ParameterError

    options: dict[str, Any] = {}
    for setting in settings:
        name, text = split_setting(setting)
        option = declared.get(name)
        if option is not None and option.type == "strings":
            options.setdefault(name, []).append(text)
        elif name in options:
            raise ParameterError(f"--set {name} is given twice")
        else:
            options[name] = text if option is None else option.parse(f"--set {name}", text)
    return options


def _described(
    family: Family, spec: ProbeSpec, built: Probe, code: VariantCode, count: int
) -> dict[str, Any]:
    """One object; keys in docs/cli-json.md."""
    head, marked = built.part(slice(0, count)), dict.fromkeys(built.mask_names, 0)
    rows: list[dict[str, Any]] = []
    for i in range(len(head)):
        row: dict[str, Any] = {"row": i}
        row |= {name: values[i].item() for name, values in head.columns.items()}
        row |= {"text": head.text[i]} if head.text else {}
        row["tokens"] = head.tokens[i].tolist()
        if head.labels is not None:
            row["label"] = head.labels[i].item()
        rows.append(row | {name: bool(mask[i]) for name, mask in head.masks.items()})
    for _, part in built.batches(built.rows_at_once) if marked else ():
        for name in marked:
            marked[name] += int(part.masks[name].sum())
    return {
        "id": spec.name,
        "family": family.name,
        "kind": spec.kind,
        "title": spec.title,
        "notes": spec.notes,
        "options": dict(spec.options),
        "parameters": dict(code.parameters),
        "rows": len(built),
        "n_ctx": built.n_ctx,
        "axes": {name: values.tolist() for name, values in built.axes.items()},
        "complete": built.complete,
        "masks": marked,
        "labels": built.labelled,
        "digest": built.digest,
        "head": rows,
    }


def _print(row: dict[str, Any]) -> None:
    from mi.cli.common import cell

    axes = [
        f"{name} ({len(values)}: {cell(values[0])} … {cell(values[-1])})"
        for name, values in row["axes"].items()
    ]
    lines = {
        "probe": f"{row['family']}/{row['id']}" + (f": {row['title']}" if row["title"] else ""),
        "kind": row["kind"],
        "options": cell(row["options"]) or "none",
        "built for": cell(row["parameters"]),
        "rows": f"{row['rows']:,}" + (" (the complete grid)" if row["complete"] else ""),
        "axes": ", ".join(axes) or "none",
        "masks": ", ".join(f"{name} {n:,}" for name, n in row["masks"].items()) or "none",
        "labels": "yes" if row["labels"] else "none",
        "digest": row["digest"],
    }
    for name, text in lines.items():
        click.echo(f"{name + ':':<11}{text}")
    if row["notes"]:
        click.echo(f"notes:     {row['notes']}")
    if row["head"]:
        click.echo()
        print_listing(row["head"], {key: key for key in row["head"][0]}, False, "")
