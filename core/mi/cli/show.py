"""``mi show``: one variant on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import cell, json_option, open_workspace, print_listing
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.workspace import Variant


@click.command()
@click.argument("variant")
@json_option
@click.pass_context
def show(ctx: click.Context, variant: str, as_json: bool) -> None:
    """Show VARIANT: parameters, state, checkpoints, final losses, artifacts, files on disk."""
    found = open_workspace(ctx).variant(variant)
    row = described(found)
    if as_json:
        print_listing([row], {}, True, "")
        return
    _print(row)


def described(variant: Variant) -> dict[str, Any]:
    """One object; keys in docs/cli-json.md."""
    from mi.cli.checkpoints import metrics_by_epoch
    from mi.engine.kept import known_without_checkpoint
    from mi.status import artifact_rows, disk_use, variant_row
    from mi.store.checkpoints import list_checkpoints, list_states
    from mi.store.layout import VariantPaths

    paths = VariantPaths(variant.folder)
    history = metrics_by_epoch(paths)
    final = {}
    for name, values in history.items():
        measured = [(epoch, value) for epoch, value in values.items() if value == value]
        if measured:
            final[name] = {"epoch": measured[-1][0], "value": measured[-1][1]}
    files, size = disk_use(variant.folder)
    return variant_row(variant) | {
        "folder": str(variant.folder),
        "epochs": [c.epoch for c in list_checkpoints(paths)],
        "kept_epochs": list(known_without_checkpoint(variant)),
        "states": list(list_states(paths)),
        "final": final,
        "artifacts": artifact_rows(variant),
        "files": files,
        "bytes": size,
    }


def _print(row: dict[str, Any]) -> None:
    epochs, gone = row["epochs"], row["kept_epochs"]
    span = f"{len(epochs):,}, {_span(epochs)}" if epochs else "none left" if gone else "none yet"
    if gone:
        more = "more " if epochs else ""
        span += f"; {counted(len(gone), f'{more}epoch')} known from kept activations alone, {_span(gone)}"
    resumable = f"{len(row['states'])} of them with their training state" if row["states"] else ""
    lines = {
        "variant": row["id"],
        "state": row["state"],
        "folder": row["folder"],
        "disk": f"{counted(row['files'], 'file')}, {size_of(row['bytes'])}",
        "checkpoints": ", ".join(filter(None, (span, resumable))),
    }
    for name, text in lines.items():
        click.echo(f"{name + ':':<13}{text}")
    click.echo("\nparameters")
    for name, value in row["parameters"].items():
        click.echo(f"  {name} = {cell(value)}")
    if row["final"]:
        click.echo()
        finals = [{"metric": name, **last} for name, last in row["final"].items()]
        print_listing(finals, {"metric": "metric", "value": "last value", "epoch": "epoch"}, False, "")
    click.echo()
    total = len(epochs) + len(gone)
    artifacts = [
        {**a, "epochs": "over all epochs" if a["epochs"] is None else f"{a['epochs']} of {total}"}
        for a in row["artifacts"]
    ]
    columns = {"probe": "probe", "analyzer": "analyzer", "epochs": "committed"}
    columns |= {"error": ""} if any(a["error"] for a in artifacts) else {}
    print_listing(artifacts, columns, False, f"no artifacts yet: `mi analyze {row['name']}` makes them")
    flagged = {f"{a['probe']}/{a['analyzer']}": a["nonfinite"] for a in row["artifacts"] if a["nonfinite"]}
    if flagged:
        from mi.store.finite import sentence

        click.echo(f"\n{sentence(flagged)}")


def _span(epochs: list[int]) -> str:
    return f"epoch {epochs[0]:,}" if len(epochs) == 1 else f"epochs {epochs[0]:,} to {epochs[-1]:,}"


def size_of(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
