"""What is stored of a variant against what would be stored now.

Read-only. A plugin that failed to load, or a probe that cannot be built, leaves what it owns unjudged: that
something cannot be judged is no reason to call it stale.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from mi.domain.workspace import Variant
from mi.engine.graph import close
from mi.engine.judgement import JUDGED, UNJUDGED, Judgement
from mi.engine.owner import dtype_of, nobodys
from mi.engine.plan import Plan, make_plan
from mi.engine.session import Session
from mi.engine.trajectory import spans
from mi.errors import MiError, StoreError
from mi.store.commits import Commits
from mi.store.groupcheck import groups_of
from mi.store.layout import VariantPaths


def judge(
    session: Session,
    variant: Variant,
    *,
    device: str = "cpu",
    without_gone: bool = False,
    but: Collection[tuple[str, str]] = (),
) -> list[Judgement]:
    """Every group of a variant, sorted by place.

    Args:
        session: holds the resident model.
        variant: an existing variant.
        device: where a plan may build the model.
        without_gone: judge trajectories as if results whose checkpoint is gone were gone too.
        but: groups to leave out, since they are damaged.
    """
    paths = VariantPaths(variant.folder)
    places: dict[tuple[str, str], list[str]] = {}
    out: list[Judgement] = []
    for probe, analyzer in groups_of(paths):
        if (probe, analyzer) in but:
            continue
        orphan = nobodys(variant, probe, analyzer)
        if orphan is not None:
            out.append(orphan)
        else:
            places.setdefault((probe, dtype_of(paths, probe, analyzer)), []).append(analyzer)
    bound = _bound(variant)
    for (probe, dtype), ids in places.items():
        for plan, some in _plans(session, variant, probe, ids, device, dtype):
            if isinstance(plan, str):
                out += [Judgement(probe, id, UNJUDGED, plan) for id in some]
            else:
                out += _judged(plan, some, bound, without_gone)
    return sorted(out, key=lambda one: (one.probe, one.analyzer))


def _held(paths: VariantPaths, probe: str, id: str) -> dict[int, str]:
    """Committed epochs; none where a record is damaged, which the plan takes as nothing committed too."""
    try:
        return Commits.of(paths, probe, id).read()
    except StoreError:
        return {}


def _bound(variant: Variant) -> set[str]:
    """Ids of the analyzers that family.json lists, with those that they need."""
    offered = variant.workspace.host.analyzers(variant.family)
    found: set[str] = set()
    for use in variant.family.analyzers:
        found.add(use.id)
        try:
            found |= {a.id for a in close([use.id], offered)} if use.id in offered else set()
        except MiError:
            continue
    return found


def _plans(
    session: Session, variant: Variant, probe: str, ids: Sequence[str], device: str, dtype: str
) -> Iterator[tuple[Plan | str, Sequence[str]]]:
    """One plan for all; where that cannot be, one for each, or why there is none."""
    try:
        plan = make_plan(session, variant, analyzers=ids, probe=probe, device=device, dtype=dtype)
    except (
        Exception
    ) as error:  # a probe's or a family's code may raise anything; here it only means "unknown"
        if len(ids) > 1:
            for id in ids:
                yield from _plans(session, variant, probe, [id], device, dtype)
        else:
            said = str(error) if isinstance(error, MiError) else f"{type(error).__name__}: {error}"
            yield " ".join(said.split()), ids
        return
    left = [id for id in ids if id not in plan.broken]
    if left:
        yield plan, left
    for id in ids:
        if id in plan.broken and len(ids) > 1:  # it may fit by itself
            yield from _plans(session, variant, probe, [id], device, dtype)
        elif id in plan.broken:
            yield plan.broken[id], [id]


def _judged(plan: Plan, ids: Sequence[str], bound: set[str], without_gone: bool) -> Iterator[Judgement]:
    paths, probe = plan.bench.paths, plan.bench.probe_name
    there = {c.epoch for c in plan.checkpoints}
    committed: dict[str, Mapping[int, str]] = {}
    for id, work in plan.work.items():
        held = _held(paths, probe, id)
        # What is kept of an absent checkpoint says which bytes it had; not always what follows from them.
        gone = held.keys() - there | (held.keys() & plan.known.absent.keys() - work.fingerprints.keys())
        unread = held.keys() & plan.damaged.keys()
        fresh = work.keep.keys() & work.fingerprints.keys()
        stale = {e for e in held.keys() - gone - unread - fresh if held[e] != work.fingerprints[e]}
        if plan.reference in plan.damaged:  # what needs the reference would look stale, and may not be
            unread, stale = unread | stale, set()
        lost = held.keys() - gone - unread - fresh - stale
        committed[id] = {e: f for e, f in work.keep.items() if not (without_gone and e in gone)}
        if id in ids:
            yield Judgement(
                probe,
                id,
                JUDGED,
                fresh=frozenset(fresh),
                stale=frozenset(stale),
                gone=frozenset(gone),
                damaged=frozenset(unread | lost),
                bound=id in bound,
                plan=plan,
            )
    for span in spans(plan, committed):
        id = span.item.id
        if id not in ids:
            continue
        whole = Commits.of(paths, probe, id).whole()  # not damaged: see `but`
        mine: frozenset[int | None] = frozenset({None} if whole is not None else ())
        lost_chunks = whole == span.fingerprint and not span.fresh
        unsure = bool(plan.damaged)
        yield Judgement(
            probe,
            id,
            JUDGED,
            fresh=mine if span.fresh else frozenset(),
            stale=mine if not span.fresh and not lost_chunks and not unsure else frozenset(),
            damaged=mine if not span.fresh and (lost_chunks or unsure) else frozenset(),
            bound=id in bound,
            plan=plan,
            span=span,
        )
