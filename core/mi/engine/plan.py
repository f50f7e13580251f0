"""What is to be done: checkpoints × analyzers, minus what is fresh. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from mi.domain.checkpoint import Checkpoint
from mi.domain.keep import Keep
from mi.domain.site import Site
from mi.domain.workspace import Variant
from mi.engine.bench import Bench
from mi.engine.broken import blamed, called, check_needs
from mi.engine.epochs import choose_epochs, hash_checkpoints
from mi.engine.failure import Failure
from mi.engine.item import Item
from mi.engine.kept import Known, find_known, refuse_other_dtypes
from mi.engine.looked import FaultyError, RoomError
from mi.engine.memory import Room
from mi.engine.resolve import set_up
from mi.engine.session import Session
from mi.engine.shares import Work, share
from mi.engine.sites import OtherHooksError, tried
from mi.engine.trial import Trial
from mi.errors import MiError, PlanError, PluginError, UnknownNameError
from mi.timing import timed


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
        known: checkpoints whose file is gone, and the activations that are kept.
        kept_epochs: stale checkpoints whose activations are read from the store instead of being captured.
        room: how what is held over all rows fits memory; None when no pass is needed.
        batch: rows of the pass's largest batch; 0 when no pass is needed.
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
    known: Known = field(factory=lambda: Known(()))
    kept_epochs: tuple[int, ...] = ()
    room: Room | None = None
    batch: int = 0

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
        """Checkpoints that will be passed forward, sorted: stale work needs a site that is not kept."""
        needing = {e for w in self.work.values() if w.item.sites for e in w.stale}
        return tuple(sorted(needing - set(self.kept_epochs)))

    @property
    def failures(self) -> list[Failure]:
        """What is known to fail before any work."""
        name = self.variant.name
        found = [Failure(name, why, id) for id, why in self.broken.items()]
        found += [Failure(name, why, epoch=epoch) for epoch, why in self.damaged.items()]
        unkept = {id: one.lost for id, one in self.work.items() if one.item.keep and one.lost}
        return found + [Failure(name, _unkept(id, epochs), id) for id, epochs in unkept.items()]

    @property
    def lost(self) -> dict[str, tuple[int, ...]]:
        """Analyzer id -> epochs at which it cannot be had any more: see :class:`mi.engine.shares.Work`."""
        return {id: one.lost for id, one in self.work.items() if one.lost and not one.item.keep}

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
    keep: Sequence[Keep] = (),
    memory: int | None = None,
    dry: bool = False,
    sealed: MiError | None = None,
) -> Plan:
    """Plan one variant.

    Args:
        session: holds the resident model.
        variant: an existing variant.
        analyzers: ids; None for those of family.json.
        epochs: a schedule such as ``0:1500:100`` (checkpoints that it names) or a list (each must exist);
            None for all checkpoints, or as many as an analyzer declares that it runs at.
        probe: a saved probe; None for the family's default.
        device, dtype: of the passes.
        keep: sites whose activations are to be kept.
        memory: bytes that activations and probe may take; None for half of what is free.
        dry: whether it is only to be shown: then what is remembered of the model does for the model.
        sealed: why nothing can be written, where nothing can.

    Raises:
        MiError: ``sealed``, where a checkpoint is stale.
        UnknownNameError: an analyzer, probe or epoch that does not exist, or no checkpoint at all.
        PlanError: work that cannot be done as asked.
        PluginError: in strict mode, an analyzer that cannot be had.
    """
    asked = None if analyzers is None else list(analyzers)
    known = find_known(variant, probe, dtype)
    checkpoints = known.checkpoints
    if not checkpoints:
        raise UnknownNameError(f"variant {variant.id} has no checkpoints yet (see `mi train`)")
    chosen = choose_epochs(checkpoints, epochs)
    every = tuple(c.epoch for c in checkpoints)

    def bound() -> tuple[Bench, dict[str, str], dict[str, str]]:
        with timed("plan", "bind analyzers"):
            return set_up(variant, probe, asked, every, device, dtype, session, keep, memory)

    bench, skipped, broken = bound()
    refuse_other_dtypes(bench, known)
    with timed("plan", "hash checkpoints"):
        digests, damaged = hash_checkpoints(tuple(c for c in checkpoints if c.epoch not in known.absent))
    digests = dict(sorted({**digests, **known.absent}.items()))
    while True:
        with timed("plan", "compare fingerprints"):
            work, wanted = share(bench, chosen, digests, every[-1], known, epochs is not None)
        _refuse_lost(asked or (), work)
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
            known=known,
            kept_epochs=_readable(work, known, digests),
        )
        if sealed is not None and plan.stale_epochs:
            raise sealed
        try:
            with timed("plan", "try a few rows"):
                return tried(session, plan, dry=dry)
        except OtherHooksError:  # remembered, and outlived by an edit that nothing else shows; asked by now
            bench, skipped, broken = bound()
        except FaultyError as error:
            if not isinstance(error, RoomError):  # which is nobody's fault: the others run, in any case
                if asked is not None or any(bench.items[id].keep for id, _ in error.faults):
                    raise
                if variant.workspace.host.strict:
                    raise PluginError(
                        blamed(variant.family, variant.workspace.host, *error.faults[0])
                    ) from error
            bench, broken = _without(bench, dict(error.faults), broken)


def _refuse_lost(asked: Iterable[str], work: Mapping[str, Work]) -> None:
    """Refuse an analyzer that was asked for by name, or a site to keep, that cannot be had at any epoch.

    Raises:
        PlanError: names it.
    """
    for id, one in work.items():
        if one.item.keep and one.lost and not one.stale and not one.keep:
            raise PlanError(_unkept(id, one.lost))
    for id in asked:
        found = work.get(id)
        if found is not None and found.lost and not found.stale and not found.keep:
            raise PlanError(
                f"analyzer {id}: the checkpoints are gone, and it reads more than what is kept of them"
            )


def _unkept(id: str, epochs: tuple[int, ...]) -> str:
    few = ", ".join(map(str, epochs[:4])) + (", …" if len(epochs) > 4 else "")
    return f"{called(id)}: cannot be kept at epoch {few}: the checkpoint is gone"


def _readable(work: Mapping[str, Work], known: Known, digests: Mapping[int, str]) -> tuple[int, ...]:
    """Stale epochs that need no pass, since every site that stale work needs is kept.

    Where the checkpoint is gone, work that needs no site is among them: there is nothing else to read.
    """
    sites: dict[int, set[Site]] = {}
    for one in work.values():
        for epoch in one.stale:
            sites.setdefault(epoch, set()).update(one.item.sites)
    return tuple(
        sorted(
            epoch
            for epoch, some in sites.items()
            if (some or epoch in known.absent) and known.holds(some, epoch, digests[epoch])
        )
    )


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
            found[id] = blamed(bench.variant.family, bench.variant.workspace.host, id, error)
    return evolve(bench, items=items), found
