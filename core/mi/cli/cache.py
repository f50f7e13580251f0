"""``mi cache``: what is kept of activations, how much it takes, and dropping it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from mi.cli.choice import Choice, choosing, chosen_variants
from mi.cli.common import json_option, open_workspace, print_listing, say, wait_option
from mi.cli.kept_text import PATTERNS
from mi.cli.show import size_of
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.workspace import Variant, Workspace
    from mi.engine.cache import Kept
    from mi.engine.clean import Cleaning

COLUMNS = {
    "id": "variant",
    "probe": "probe",
    "site": "site",
    "dtype": "dtype",
    "epochs": "epochs",
    "fresh": "fresh",
    "stale": "stale",
    "without_checkpoint": "no checkpoint",
    "size": "size",
    "why": "",
}
EMPTY = "no activations are kept (see `mi analyze --keep`)"


@click.group()
def cache() -> None:
    """Activations that `mi analyze --keep` stored: list them, drop them, see what they take."""


@cache.command("ls")
@click.argument("variants", nargs=-1, metavar="[VARIANT]...")
@json_option
@click.pass_context
def ls(ctx: click.Context, variants: tuple[str, ...], as_json: bool) -> None:
    """List what is kept of VARIANT, or of every variant.

    Fresh is what would be kept now: of the checkpoint as it is, or of one that is gone.
    """
    rows = [described(one) for variant in _chosen(open_workspace(ctx), variants) for one in _kept(variant)]
    shown = rows if as_json else [{**row, "size": size_of(row["bytes"])} for row in rows]
    columns = {key: heading for key, heading in COLUMNS.items() if heading or any(r[key] for r in rows)}
    print_listing(shown, columns, as_json, EMPTY)


@cache.command("size")
@click.argument("variants", nargs=-1, metavar="[VARIANT]...")
@json_option
@click.pass_context
def size(ctx: click.Context, variants: tuple[str, ...], as_json: bool) -> None:
    """Say what is kept of VARIANT, or of every variant, and how much it takes on the disk."""
    rows: list[dict[str, Any]] = []
    for variant in _chosen(open_workspace(ctx), variants):
        kept = _kept(variant)
        if kept or variants:
            files, taken = sum(one.files for one in kept), sum(one.bytes for one in kept)
            rows.append({"id": variant.id, "sites": len(kept), "files": files, "bytes": taken})
    if as_json:
        print_listing(rows, {}, True, "")
        return
    shown = [{**row, "size": size_of(row["bytes"])} for row in rows]
    print_listing(shown, {"id": "variant", "sites": "sites", "files": "files", "size": "size"}, False, EMPTY)
    if rows:
        click.echo(f"{size_of(sum(row['bytes'] for row in rows))} in all")


@cache.command("rm")
@choosing
@click.option(
    "--site",
    "sites",
    metavar="SITE",
    multiple=True,
    help=f"Only this site, as listed; again for more. {PATTERNS} A pattern without a position chooses "
    "sites at every position.",
)
@click.option("--probe", metavar="NAME", help="Only over this probe.")
@click.option("--stale", is_flag=True, help="Only what is not as it would be kept now, or nobody's.")
@click.option("--dry-run", is_flag=True, help="Say what would go; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@wait_option
@click.pass_context
def rm(
    ctx: click.Context,
    choice: Choice,
    sites: tuple[str, ...],
    probe: str | None,
    stale: bool,
    dry_run: bool,
    yes: bool,
    wait: bool,
) -> int:
    """Drop kept activations of VARIANT; say first which and how much.

    What is computed from them stays, and is fresh as long as its checkpoint is there.
    """
    from mi.engine.cache import plan_removal
    from mi.engine.clean import clean
    from mi.errors import MiError
    from mi.store.layout import VariantPaths
    from mi.store.lock import variant_lock

    chosen = chosen_variants(open_workspace(ctx), choice, "drop activations of")
    with ExitStack() as locks:
        if not dry_run:  # held while we ask: what was said is what is done
            told = say if wait else None
            for variant in chosen:
                locks.enter_context(variant_lock(VariantPaths(variant.folder), "cleaning", told))
        cleanings = []
        for variant in chosen:
            kept = _kept(variant)
            if kept:
                cleanings.append(plan_removal(kept, sites=sites, probe=probe, stale=stale))
        due = [one for one in cleanings if one.drops]
        if not due:
            click.echo("nothing to drop")
            return 0
        for cleaning in due:
            _print(cleaning)
        if dry_run:
            return 0
        if not yes:
            if not sys.stdin.isatty():
                raise MiError("nothing is dropped: there is no terminal to ask on, so --yes must be given")
            if not click.confirm(f"Drop {_total(due)}?"):
                click.echo("nothing is dropped")
                return 0
        for cleaning in due:
            clean(cleaning)
    click.echo(f"dropped {_total(due)}")
    return 0


def described(one: Kept) -> dict[str, Any]:
    """One object a kept site; keys in docs/cli-json.md."""
    judged = one.judged
    return {
        "id": one.variant.id,
        "family": one.variant.family.name,
        "probe": judged.probe,
        "site": one.site,
        "dtype": judged.kept.dtype if judged.kept else "",
        "epochs": len(judged.fresh | judged.stale | judged.damaged),
        "fresh": len(judged.fresh),
        "stale": len(judged.stale),
        "without_checkpoint": len(one.absent),
        "files": one.files,
        "bytes": one.bytes,
        "state": judged.state,
        "why": judged.why,
    }


def _chosen(workspace: Workspace, names: tuple[str, ...]) -> list[Variant]:
    return chosen_variants(workspace, Choice(names), "list") if names else workspace.variants()


def _kept(variant: Variant) -> list[Kept]:
    from mi.engine.cache import kept_of

    return kept_of(variant)


def _print(cleaning: Cleaning) -> None:
    for drop in cleaning.drops:
        every = counted(len(drop.epochs) + drop.kept, "epoch")
        part = f", {len(drop.epochs)} of {every}" if drop.epochs else ""
        size = f"{counted(drop.files, 'file')}, {size_of(drop.bytes)}"
        click.echo(f"{cleaning.owner.name}: {drop.probe}/{drop.analyzer}{part}: {drop.why}: {size}")


def _total(cleanings: list[Cleaning]) -> str:
    files, taken = sum(c.files for c in cleanings), sum(c.bytes for c in cleanings)
    return f"{counted(files, 'file')}, {size_of(taken)}"
