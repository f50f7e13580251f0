"""What is to be done: checkpoints × analyzers, minus what is fresh. Nothing here writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from attrs import evolve, frozen

from mi.domain.analyzer import Site
from mi.domain.checkpoint import Checkpoint, at_epoch
from mi.domain.schedule import parse_epochs
from mi.domain.workspace import Variant
from mi.engine.broken import blamed, check_needs
from mi.engine.capture import Resident, Trial
from mi.engine.readahead import read_weights
from mi.engine.resolve import Bench, Item, set_up
from mi.engine.session import Session
from mi.errors import CheckpointError, MiError, PlanError, PluginError, UnknownNameError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import digest, list_checkpoints, read_metadata
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of, stored
from mi.store.schema import GroupSpec, digest_of

FORMAT = 1  # raised when the meaning of stored artifacts changes


@frozen(eq=False)
class Work:
    """One checkpoint-scope analyzer's share.

    Attributes:
        item, spec: the analyzer and its group.
        fingerprints: epoch -> what a fresh result would carry, for every checkpoint that can be read.
        keep: epoch -> fingerprint of the stored results that stay, sorted.
        stale: epochs to compute, sorted.
        outdated: whether stored results do not stay.
        why: one of a few reasons, for people.
    """

    item: Item
    spec: GroupSpec
    fingerprints: Mapping[int, str]
    keep: Mapping[int, str]
    stale: tuple[int, ...]
    outdated: bool
    why: str


@frozen(eq=False)
class Plan:
    """Everything that will happen to one variant.

    Attributes:
        bench: the variant, probe and analyzers.
        checkpoints: all of the variant's.
        epochs: those that were asked for, with the reference where it is needed; sorted.
        reference: the reference checkpoint's epoch: the last.
        work: analyzer id -> its share, in the order of needs.
        trajectories: items of scope ``trajectory``, in the order of needs.
        skipped: analyzer id -> why it does not apply.
        broken: analyzer id -> why it cannot be had: its code, its declaration, or what it needs.
        damaged: epoch -> why its checkpoint cannot be read.
        digests: epoch -> hash of the checkpoint's bytes.
        sites: every site that stale work needs.
        trial: what a pass over a few rows told; None when no pass is needed.
    """

    bench: Bench
    checkpoints: tuple[Checkpoint, ...]
    epochs: tuple[int, ...]
    reference: int
    work: Mapping[str, Work]
    trajectories: tuple[Item, ...]
    skipped: Mapping[str, str]
    broken: Mapping[str, str]
    damaged: Mapping[int, str]
    digests: Mapping[int, str]
    sites: tuple[Site, ...] = ()
    trial: Trial | None = None

    @property
    def variant(self) -> Variant:
        """The variant."""
        return self.bench.variant

    @property
    def stale_epochs(self) -> tuple[int, ...]:
        """Checkpoints with something to compute, sorted."""
        return tuple(sorted({e for w in self.work.values() for e in w.stale}))

    @property
    def pass_epochs(self) -> tuple[int, ...]:
        """Checkpoints that will be passed forward, sorted: those where stale work needs a site."""
        return tuple(sorted({e for w in self.work.values() if w.item.sites for e in w.stale}))

    def after(self) -> dict[str, dict[int, str]]:
        """What will be committed when all goes well: analyzer id -> epoch -> fingerprint."""
        return {
            id: dict(sorted({**work.keep, **{e: work.fingerprints[e] for e in work.stale}}.items()))
            for id, work in self.work.items()
        }


def make_plan(
    session: Session,
    variant: Variant,
    *,
    analyzers: Iterable[str] | None = None,
    epochs: str | Iterable[int] | None = None,
    probe: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> Plan:
    """Plan one variant.

    Args:
        session: holds the resident model.
        variant: an existing variant.
        analyzers: ids; None for those of family.json.
        epochs: a schedule such as ``0:1500:100`` (checkpoints that it names) or a list (each must exist).
        probe: a saved probe; None for the family's default.
        device, dtype: of the passes.

    Raises:
        UnknownNameError: an analyzer, probe or epoch that does not exist, or no checkpoint at all.
        PlanError: work that cannot be done as asked.
        PluginError: in strict mode, an analyzer that cannot be had.
    """
    paths = VariantPaths(variant.folder)
    checkpoints = list_checkpoints(paths)
    if not checkpoints:
        raise UnknownNameError(f"variant {variant.id} has no checkpoints yet (see `mi train`)")
    chosen = choose_epochs(checkpoints, epochs)
    every = tuple(c.epoch for c in checkpoints)
    bench, skipped, broken = set_up(variant, probe, analyzers, every, device, dtype, session)
    digests, damaged = _digests(checkpoints)
    while True:
        work, wanted = _share(bench, chosen, digests, every[-1])
        plan = Plan(
            bench=bench,
            checkpoints=checkpoints,
            epochs=tuple(sorted({*chosen, *(e for w in wanted.values() for e in w)})),
            reference=every[-1],
            work=work,
            trajectories=tuple(i for i in bench.items.values() if i.analyzer.scope == "trajectory"),
            skipped=skipped,
            broken=broken,
            damaged=damaged,
            digests=digests,
        )
        try:
            return _with_sites(session, plan)
        except SitesError as error:
            if analyzers is not None:
                raise
            if variant.workspace.host.strict:
                raise PluginError(blamed(variant, *error.faults[0])) from error
            bench, broken = _without(bench, dict(error.faults), broken)


def _share(
    bench: Bench, chosen: tuple[int, ...], digests: Mapping[int, str], reference: int
) -> tuple[dict[str, Work], dict[str, set[int]]]:
    """Each checkpoint-scope analyzer's work, and the epochs at which it is wanted."""
    moments = [i for i in bench.items.values() if i.analyzer.scope == "checkpoint"]
    wanted = _wanted(bench, chosen, reference)
    work: dict[str, Work] = {}
    for item in moments:
        work[item.id] = _work(bench, item, work, digests, reference, wanted[item.id])
    return work, wanted


def _without(
    bench: Bench, faults: Mapping[str, MiError], broken: Mapping[str, str]
) -> tuple[Bench, dict[str, str]]:
    """The bench without analyzers that cannot be had and what needs them; and all that are broken."""
    items, found = {}, dict(broken)
    for id, item in bench.items.items():
        try:
            if id in faults:
                raise faults[id]
            check_needs(item.analyzer, found)
            items[id] = item
        except MiError as error:
            found[id] = blamed(bench.variant, id, error)
    return evolve(bench, items=items), found


def choose_epochs(checkpoints: tuple[Checkpoint, ...], epochs: str | Iterable[int] | None) -> tuple[int, ...]:
    """Epochs of the checkpoints asked for, sorted.

    A schedule with ranges chooses the checkpoints that it names; an epoch named by itself must exist.

    Raises:
        UnknownNameError: no checkpoint at an epoch named by itself, or at none of a range's.
        ParameterError: no schedule.
    """
    every = [c.epoch for c in checkpoints]
    if epochs is None:
        return tuple(every)
    if not isinstance(epochs, str):
        return tuple(sorted({at_epoch(checkpoints, int(e)).epoch for e in epochs}))
    chosen: set[int] = set()
    for part in filter(None, (piece.strip() for piece in epochs.split(","))):
        if ":" not in part:
            named = parse_epochs(part, int(part) if part.isdecimal() else every[-1])
            chosen.update(at_epoch(checkpoints, e).epoch for e in named)
            continue
        found = set(parse_epochs(part, every[-1])) & set(every)
        if not found:
            raise UnknownNameError(
                f"no checkpoint at any epoch of {part!r}; there are {len(every)}, "
                f"from epoch {every[0]} to {every[-1]}"
            )
        chosen |= found
    if not chosen:
        parse_epochs(epochs, every[-1])
    return tuple(sorted(chosen))


def _digests(checkpoints: tuple[Checkpoint, ...]) -> tuple[dict[int, str], dict[int, str]]:
    digests, damaged = {}, {}
    for checkpoint in checkpoints:
        try:
            read_metadata(checkpoint.path)  # finds a file that was cut off, without reading it
            digests[checkpoint.epoch] = digest(checkpoint.path)
        except CheckpointError as error:
            damaged[checkpoint.epoch] = str(error)
    return digests, damaged


def _wanted(bench: Bench, chosen: tuple[int, ...], reference: int) -> dict[str, set[int]]:
    """Epochs at which each checkpoint-scope analyzer is wanted: those asked for, and where others need it."""
    wanted = {id: set(chosen) for id, i in bench.items.items() if i.analyzer.scope == "checkpoint"}
    for item in reversed(list(bench.items.values())):  # dependents first
        for need in item.analyzer.artifacts:
            if need.analyzer not in wanted:
                continue
            if need.at == "reference":
                wanted[need.analyzer].add(reference)
            elif need.at == "checkpoint":
                wanted[need.analyzer] |= wanted[item.id]
    return wanted


def _work(
    bench: Bench,
    item: Item,
    before: Mapping[str, Work],
    digests: Mapping[int, str],
    reference: int,
    wanted: set[int],
) -> Work:
    spec = bench.group(item)
    needs = sorted((n.analyzer, n.at) for n in item.analyzer.artifacts)
    at_reference = any(at == "reference" for _, at in needs)
    fingerprints = {}
    for epoch, content in digests.items():
        said: list[Any] = [FORMAT, spec.identity, content]
        if at_reference:
            said.append(digests.get(reference, "damaged"))
        for id, at in needs:
            there = reference if at == "reference" else epoch
            said.append([id, at, before[id].fingerprints.get(there, "damaged")])
        fingerprints[epoch] = digest_of(said)
    held, _ = stored(bench.paths, spec)
    # Results of a checkpoint whose file is gone cannot be checked, and stay.
    keep = {e: f for e, f in held.items() if fingerprints.get(e, f) == f}
    stale = tuple(sorted(e for e in wanted - keep.keys() if e in digests))
    why = _why(bench, spec, held, stale)
    return Work(item, spec, fingerprints, keep, stale, held.keys() != keep.keys(), why)


def _why(bench: Bench, spec: GroupSpec, held: Mapping[int, str], stale: tuple[int, ...]) -> str:
    if not stale:
        return ""
    if held:
        return "its inputs changed" if any(e in held for e in stale) else "new checkpoints"
    if place_of(bench.paths, spec.probe, spec.analyzer).exists():
        reader = ArtifactReader(bench.paths)
        if reader.attributes(spec.probe, spec.analyzer).get("identity") != spec.identity:
            return "its declaration, options or probe changed"
    return "never computed"


class SitesError(PlanError):
    """Sites that cannot be captured.

    Attributes:
        faults: analyzer id and what is wrong with its sites, of each such analyzer.
    """

    def __init__(self, faults: list[tuple[str, MiError]]) -> None:
        self.faults = faults
        id, error = faults[0]
        super().__init__(f"analyzer {id}: {error}")


def _with_sites(session: Session, plan: Plan) -> Plan:
    """The plan with its sites checked against the model: TransformerLens drops a misspelt one in silence.

    Raises:
        SitesError: some of them cannot be captured.
    """
    stale = [w.item for w in plan.work.values() if w.stale]
    sites = tuple(dict.fromkeys(site for item in stale for site in item.sites))
    if not sites:
        return plan
    model = session.model(plan.variant, plan.bench.device, plan.bench.dtype)
    _blame(stale, lambda item: model.missing(item.sites))
    trial = _trial(model, plan, stale, sites)
    return evolve(plan, sites=sites, trial=trial)


def _blame(items: list[Item], check: Callable[[Item], object]) -> None:
    """Check each analyzer.

    Raises:
        SitesError: of those that do not pass.
    """
    faults: list[tuple[str, MiError]] = []
    for item in items:
        try:
            check(item)
        except PlanError as error:
            faults.append((item.id, error))
    if faults:
        raise SitesError(faults)


def _try_one(model: Resident, tokens: Any, item: Item) -> None:
    model.try_out(tokens, item.sites)


def _trial(model: Resident, plan: Plan, items: list[Item], sites: tuple[Site, ...]) -> Trial | None:
    """A pass over a few rows with the first stale checkpoint that loads; None when none does."""
    for checkpoint in plan.checkpoints:
        if checkpoint.epoch not in plan.pass_epochs:
            continue
        try:
            model.load(read_weights(checkpoint, plan.bench.device))
        except CheckpointError:  # told when its turn comes
            continue
        tokens = plan.bench.probe.tokens
        try:
            return model.try_out(tokens, sites)
        except PlanError:  # whose site it is, is found out by trying each analyzer's
            _blame(items, partial(_try_one, model, tokens))
            raise
    return None
