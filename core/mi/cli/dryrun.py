"""``mi analyze --dry-run``: what would be done, in words or as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from mi.cli.kept_text import kept_lines, some
from mi.domain.keep import PREFIX
from mi.domain.sizes import said_bytes, said_operations
from mi.errors import PluginError
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.keep import Keep
    from mi.domain.workspace import Variant
    from mi.engine.bench import Bench
    from mi.engine.family import FamilyScope
    from mi.engine.item import Item
    from mi.engine.plan import Plan


def dry_run(
    variants: Sequence[Variant],
    *,
    analyzers: list[str] | None,
    epochs: str | None,
    probe: str | None,
    device: str,
    memory: int | None,
    threads: int | None,
    keep: tuple[Keep, ...],
    graph: str | None,
) -> int:
    """Print what would be done; with ``graph`` (``text`` or ``dot``) as what is read and what reads it.

    Returns:
        The exit code that the analysis would have, as far as it is known before any work.
    """
    from mi.engine.analyze import family_scopes
    from mi.engine.hookcache import remember
    from mi.engine.plan import make_plan
    from mi.engine.session import Session
    from mi.engine.trajectory import spans
    from mi.errors import StoreError

    session = Session({v.workspace.root: v.workspace for v in variants}, threads)
    plans = []
    for variant in variants:
        plan = make_plan(
            session,
            variant,
            analyzers=analyzers,
            epochs=epochs,
            probe=probe,
            device=device,
            memory=memory,
            keep=keep,
            dry=True,
        )
        with suppress(StoreError):  # a folder that cannot be written is as good as forgotten
            remember(plan.bench)
        if graph is None:
            for line in plan_lines(plan):
                click.echo(line)
        plans.append(plan)
    scopes = family_scopes(variants, analyzers, probe, device, "float32")
    for scope in scopes:
        scope.gather(session, [p for p in plans if p.variant.family.name == scope.family.name], dry=True)
        if graph is None:
            for line in family_lines(scope):
                click.echo(line)
    if graph is not None:
        from mi.cli.picture import dot_lines, text_lines
        from mi.engine.picture import picture_of, picture_of_family

        pictures = [*map(picture_of, plans), *map(picture_of_family, scopes)]
        for line in dot_lines(pictures) if graph == "dot" else text_lines(pictures):
            click.echo(line)
    failing = any(plan.failures or any(s.lacking for s in spans(plan, plan.after())) for plan in plans)
    return 2 if failing or any(scope.broken for scope in scopes) else 0


def plan_lines(plan: Plan) -> list[str]:
    """The plan of one variant in words."""
    from mi.engine.trajectory import spans

    stale, passes = plan.stale_epochs, plan.pass_epochs
    lines = [
        f"{plan.variant.id}, probe {plan.bench.probe_name} ({counted(len(plan.bench.probe), 'row')}): "
        f"{counted(len(plan.epochs), 'checkpoint')}, {len(stale):,} stale, "
        f"{counted(len(passes), 'forward pass')}"
    ]
    if stale:
        lines.append(f"  stale epochs: {some(stale)}")
    if plan.sites:
        lines.append(f"  sites: {', '.join(site.key for site in plan.sites)}")
    lines += kept_lines(plan)
    if plan.room is not None:
        held, given = said_bytes(plan.room.held), said_bytes(plan.room.given)
        lines.append(
            f"  memory: {held} held over all rows, of {given}; batches of {counted(plan.batch, 'row')}"
        )
    for id, work in plan.work.items():
        if not work.stale:
            lines.append(f"  {id}: fresh")
            continue
        size = work.spec.epoch_bytes() * len(work.stale)
        cost = _cost(plan.bench, work.item)
        epochs = counted(len(work.stale), "checkpoint")
        lines.append(f"  {id}: {epochs}, {said_bytes(size)} ({work.why}){cost}")
        for array in work.spec.arrays:
            shape = work.spec.shape(array, len(work.stale))
            dims = ", ".join(f"{d} {n}" for d, n in zip(array.dims, shape, strict=True))
            lines.append(f"    {array.name} ({dims}) {array.dtype}")
    for span in spans(plan, plan.after()):
        state = "fresh" if span.fresh else span.lacking or "stale"
        cost = "" if state != "stale" else _cost(plan.bench, span.item, len(span.epochs))
        lines.append(f"  {span.item.id}: trajectory, {state}{cost}")
    lines += [f"  {id}: skipped, {reason}" for id, reason in plan.skipped.items()]
    for failure in plan.failures:
        head = f"epoch {failure.epoch}" if failure.epoch is not None else failure.analyzer
        lines.append(f"  {failure.message if head.startswith(PREFIX) else f'{head}: {failure.message}'}")
    return lines


def _cost(bench: Bench, item: Item, epochs: int | None = None) -> str:
    """What an analyzer declares that it takes, as the end of its line; empty where it declares nothing."""
    from mi.engine.cost import declared_cost

    try:
        found = declared_cost(bench, item, 1 if epochs is None else epochs)
    except PluginError as error:
        return f"; {error}"
    if found is None:
        return ""
    return f", {said_operations(found)}{' a checkpoint' if epochs is None else ''}"


def family_lines(scope: FamilyScope) -> list[str]:
    """What will be brought up to date of a family, in words."""
    lines = [f"{scope.family.name}, probe {scope.probe}: {counted(len(scope.members), 'variant')}"]
    for id, item in scope.items.items():
        share = scope.share(item)
        state = share.lacking or ("fresh" if share.fresh else "stale")
        lines.append(f"  {id}: family, {counted(len(share.epochs), 'variant')}, {state}")
        lines += [f"    without {name}: {why}" for name, why in share.missing.items() if not share.lacking]
    return lines + [f"  {id}: {reason}" for id, reason in scope.broken.items()]
