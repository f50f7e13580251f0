"""``mi clean``: say which artifacts nobody will read again, ask, and drop them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from mi.cli.choice import Choice, choosing, chosen_variants, with_families
from mi.cli.common import json_option, open_workspace, print_listing, say, wait_option
from mi.cli.show import size_of
from mi.plural import counted

if TYPE_CHECKING:
    from mi.engine.clean import Cleaning, Drop


@click.command()
@choosing
@click.option("--dry-run", is_flag=True, help="Say what would go; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.option(
    "--unbound", is_flag=True, help="Drop fresh results too whose analyzer family.json does not list."
)
@wait_option
@json_option
@click.pass_context
def clean(
    ctx: click.Context,
    choice: Choice,
    dry_run: bool,
    yes: bool,
    unbound: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Drop artifacts of VARIANT (name or family/name): stale ones and nobody's; say first what and how much.

    Stale results, results whose checkpoint, analyzer or probe is gone, damaged ones, and what killed
    processes left; the same of what spans their families. Fresh results stay, and so does what belongs to a
    plugin that failed to load. Checkpoints, losses and declarations are never touched.
    """
    from mi.domain.workspace import Variant
    from mi.engine.clean import clean as run
    from mi.engine.clean import plan_cleaning
    from mi.engine.session import Session
    from mi.errors import MiError
    from mi.store.layout import VariantPaths
    from mi.store.lock import family_lock, variant_lock

    workspace = open_workspace(ctx)
    chosen = with_families(chosen_variants(workspace, choice, "clean"))
    session = Session({workspace.root: workspace})
    asks = not yes and not dry_run
    if asks and as_json:
        raise MiError("--json prints no question: give --dry-run or --yes with it")
    with ExitStack() as locks:
        if not dry_run:  # held while we ask: what was said is what is done
            told = say if wait else None
            # Variants first, as an analysis does, and all in one order: nobody waits in a circle.
            for owner in sorted(chosen, key=lambda one: (not isinstance(one, Variant), one.folder)):
                lock = variant_lock if isinstance(owner, Variant) else family_lock
                locks.enter_context(lock(VariantPaths(owner.folder), "cleaning", told))
        cleanings = [plan_cleaning(owner, unbound=unbound, session=session) for owner in chosen]
        due = [c for c in cleanings if c.drops or c.mends]
        if not as_json:
            for cleaning in cleanings:
                _print(cleaning)
        if asks and due:
            if not sys.stdin.isatty():
                raise MiError("nothing is dropped: there is no terminal to ask on, so --yes must be given")
            if not click.confirm(f"Drop {_total(due)}?"):
                click.echo("nothing is dropped")
                return 0
        if not dry_run:
            for cleaning in due:
                run(cleaning)
    if as_json:
        print_listing([described(c, dry_run) for c in cleanings], {}, True, "")
    elif due and not dry_run:
        click.echo(f"dropped {_total(due)}")
    return 0


def described(cleaning: Cleaning, dry_run: bool) -> dict[str, Any]:
    """One object a variant; keys in docs/cli-json.md."""
    due = bool(cleaning.drops or cleaning.mends)
    state = "clean" if not due else "would drop" if dry_run else "dropped"
    return {
        "id": cleaning.owner.id,
        "family": cleaning.owner.family.name,
        "state": state,
        "drops": [
            {
                "probe": d.probe,
                "analyzer": "" if d.keeps else d.analyzer,
                "site": d.analyzer if d.keeps else "",
                "why": d.why,
                "epochs": list(d.epochs) or None,
                "files": d.files,
                "bytes": d.bytes,
            }
            for d in cleaning.drops
        ],
        "kept": [{"where": place, "why": why} for place, why in cleaning.kept.items()],
        "mends": cleaning.mends,
        "files": cleaning.files,
        "bytes": cleaning.bytes,
    }


def _print(cleaning: Cleaning) -> None:
    name = cleaning.owner.name
    for drop in cleaning.drops:
        click.echo(f"{name}: {_said(drop)}")
    for place in cleaning.mends:
        click.echo(f"{name}: {place}: written anew, no result is lost")
    for place, why in cleaning.kept.items():
        click.echo(f"{name}: {place} stays: {why}")
    if not cleaning.drops and not cleaning.mends:
        click.echo(f"{name}: nothing to drop")


def _said(drop: Drop) -> str:
    part = f", {len(drop.epochs)} of {counted(len(drop.epochs) + drop.kept, 'epoch')}" if drop.epochs else ""
    return f"{drop.place}{part}: {drop.why}: {counted(drop.files, 'file')}, {size_of(drop.bytes)}"


def _total(cleanings: list[Cleaning]) -> str:
    files, size = sum(c.files for c in cleanings), sum(c.bytes for c in cleanings)
    return f"{counted(files, 'file')}, {size_of(size)}"
