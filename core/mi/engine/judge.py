"""What is stored against what would be stored now: fresh, stale, nobody's, or not to be judged.

Read-only. A plugin that failed to load, or a probe that cannot be built, leaves what it owns unjudged: that
something cannot be judged is no reason to call it stale.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from mi.domain.keep import Keep
from mi.domain.workspace import FamilyResults, Variant
from mi.engine.bench import made_with
from mi.engine.family import FamilyScope, Share, family_scope
from mi.engine.graph import close
from mi.engine.plan import Plan, make_plan
from mi.engine.session import Session
from mi.engine.trajectory import Span, spans
from mi.errors import MiError, StoreError
from mi.store.commits import Commits
from mi.store.groupcheck import groups_of
from mi.store.groups import open_group
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.schema import GroupSpec

JUDGED, ORPHAN, UNJUDGED = "judged", "orphan", "unjudged"


@frozen(eq=False)
class Judgement:
    """One group (or commit records without one).

    Attributes:
        probe, analyzer: its place.
        state: ``judged``; ``orphan`` (its analyzer or probe is no more); ``unjudged``.
        why: of an orphan or of what cannot be judged: one clause.
        fresh: epochs (None: no axis of epochs) whose results are what would be computed now.
        stale: those that are not.
        gone: those whose checkpoint is gone, so that nobody can tell.
        damaged: those whose checkpoint, or whose own chunks, cannot be read.
        bound: whether family.json lists the analyzer, or something that needs it.
        plan: the plan that it was judged by.
        span: of an analyzer over a whole trajectory.
        share: of an analyzer over a family.
        scope: the family's analyzers that it was judged with.
        kept: of a site's kept activations, whose ``analyzer`` is ``keep:<site>``: what they are.
    """

    probe: str
    analyzer: str
    state: str
    why: str = ""
    fresh: frozenset[int | None] = frozenset()
    stale: frozenset[int | None] = frozenset()
    gone: frozenset[int | None] = frozenset()
    damaged: frozenset[int | None] = frozenset()
    bound: bool = True
    plan: Plan | None = field(default=None, repr=False)
    span: Span | None = field(default=None, repr=False)
    share: Share | None = field(default=None, repr=False)
    scope: FamilyScope | None = field(default=None, repr=False)
    kept: KeptGroup | None = None

    @property
    def group(self) -> str:
        """The name of its zarr group."""
        return self.kept.group if self.kept is not None else self.analyzer

    @property
    def computable(self) -> frozenset[int | None]:
        """Fresh results that can be computed again: their checkpoint is there, and the reference's."""
        if self.kept is not None:
            return self.fresh - self.kept.absent
        if self.plan is None or not self.plan.known.absent:
            return self.fresh
        items = self.plan.bench.items.values()
        if self.plan.reference in self.plan.known.absent and any(
            need.at == "reference" for item in items for need in item.analyzer.artifacts
        ):
            return self.fresh & frozenset({None})
        return self.fresh - frozenset(self.plan.known.absent)

    @property
    def paths(self) -> VariantPaths:
        """Where it lies; of a judged group."""
        if self.scope is not None:
            return self.scope.paths
        if self.kept is not None:
            return self.kept.paths
        assert self.plan is not None
        return self.plan.bench.paths

    @property
    def provenance(self) -> dict[str, Any]:
        """With what it would be made now; of a judged group."""
        if self.scope is not None:
            return self.scope.provenance
        if self.kept is not None:
            return made_with(self.kept.device, self.kept.pass_dtype)
        assert self.plan is not None
        return self.plan.bench.provenance

    @property
    def spec(self) -> GroupSpec | None:
        """What it ought to look like; of a judged group. None where nothing would be made now."""
        if self.share is not None:
            return self.share.spec
        if self.span is not None:
            return self.span.spec
        assert self.plan is not None
        return self.plan.bench.group(self.plan.bench.items[self.analyzer])


@frozen
class KeptGroup:
    """Kept activations of one site.

    Attributes:
        paths: the variant's, of kept activations.
        group: the name of their zarr group.
        keep: the request that they answer; None where the group is damaged.
        dtype: the data type in which they are stored.
        pass_dtype: the precision of the pass.
        device: where they would be captured again.
        absent: epochs whose checkpoint is gone.
    """

    paths: VariantPaths
    group: str
    keep: Keep | None
    dtype: str
    pass_dtype: str = "float32"
    device: str = "cpu"
    absent: frozenset[int] = frozenset()


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
            places.setdefault((probe, _dtype(paths, probe, analyzer)), []).append(analyzer)
    bound = _bound(variant)
    for (probe, dtype), ids in places.items():
        for plan, some in _plans(session, variant, probe, ids, device, dtype):
            if isinstance(plan, str):
                out += [Judgement(probe, id, UNJUDGED, plan) for id in some]
            else:
                out += _judged(plan, some, bound, without_gone)
    return sorted(out, key=lambda one: (one.probe, one.analyzer))


def judge_family(
    session: Session, results: FamilyResults, *, but: Collection[tuple[str, str]] = ()
) -> list[Judgement]:
    """Every group of what spans a family, sorted by place.

    Args:
        session: holds the resident model.
        results: whose.
        but: groups to leave out, since they are damaged.
    """
    paths = VariantPaths(results.folder)
    listed = {use.id for use in results.family.analyzers}
    out: list[Judgement] = []
    for probe, id in groups_of(paths):
        if (probe, id) in but:
            continue
        orphan = nobodys(results, probe, id)
        if orphan is not None:
            out.append(orphan)
            continue
        dtype = _dtype(paths, probe, id)
        try:
            scope = family_scope(results.workspace, results.family, asked=[id], probe=probe, dtype=dtype)
            scope.gather(session)
            share = scope.share(scope.items[id])
        except MiError as error:
            out.append(Judgement(probe, id, UNJUDGED, " ".join(str(error).split())))
            continue
        whole = Commits.of(paths, probe, id).whole()  # not damaged: see `but`
        mine: frozenset[int | None] = frozenset({None} if whole is not None else ())
        lost_chunks = whole == share.fingerprint and not share.fresh
        out.append(
            Judgement(
                probe,
                id,
                JUDGED,
                fresh=mine if share.fresh else frozenset(),
                stale=mine if not share.fresh and not lost_chunks else frozenset(),
                damaged=mine if lost_chunks else frozenset(),
                bound=id in listed,
                share=share,
                scope=scope,
            )
        )
    return sorted(out, key=lambda one: (one.probe, one.analyzer))


def nobodys(whose: Variant | FamilyResults, probe: str, analyzer: str) -> Judgement | None:
    """Why a group has no owner, or none that can be asked; None when it has one."""
    workspace, family = whose.workspace, whose.family
    if probe not in workspace.probe_names(family):
        return Judgement(probe, analyzer, ORPHAN, f"family {family.name} has no probe {probe!r}")
    host = workspace.host
    offered = host.analyzers(family)
    if analyzer in offered:
        scope = offered[analyzer].scope
        if (scope == "family") == isinstance(whose, FamilyResults):
            return None
        return Judgement(probe, analyzer, ORPHAN, f"its scope is {scope} now, so its results lie elsewhere")
    owner = host.record_of(analyzer)
    if owner is None:
        plugin = analyzer.split(".")[0]
        return Judgement(probe, analyzer, ORPHAN, f"no plugin {plugin!r} is installed")
    if owner.failures:
        return Judgement(probe, analyzer, UNJUDGED, f"{owner.owner} failed: {owner.failures[0].error}")
    if owner.status != "loaded":
        return Judgement(probe, analyzer, UNJUDGED, f"{owner.owner} is {owner.status}")
    return Judgement(probe, analyzer, ORPHAN, f"{owner.owner} offers no such analyzer")


def _dtype(paths: VariantPaths, probe: str, analyzer: str) -> str:
    try:
        return str(open_group(keys_of(paths, probe, analyzer)).attrs.get("dtype", "float32"))
    except StoreError:
        return "float32"


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
        yield plan, ids
    except (
        Exception
    ) as error:  # a probe's or a family's code may raise anything; here it only means "unknown"
        if len(ids) > 1:
            for id in ids:
                yield from _plans(session, variant, probe, [id], device, dtype)
        else:
            said = str(error) if isinstance(error, MiError) else f"{type(error).__name__}: {error}"
            yield " ".join(said.split()), ids


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
