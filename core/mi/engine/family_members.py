"""What each variant of a family holds of what analyzers over the family need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from attrs import define, field, frozen

from mi.domain.needs import ArtifactNeed
from mi.domain.workspace import Variant
from mi.engine.bench import Bench
from mi.engine.item import Item
from mi.engine.kept import known_without_checkpoint
from mi.engine.plan import Plan
from mi.engine.resolve import set_up
from mi.engine.session import Session
from mi.engine.trajectory import spans
from mi.errors import MiError, StoreError
from mi.faults import is_fault, sentence
from mi.store.checkpoints import list_checkpoints
from mi.store.commits import Commits
from mi.store.groups import open_group
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.prepare import stored


@frozen
class Held:
    """Results of one analyzer that a variant holds, or will hold.

    Attributes:
        epochs: epoch -> fingerprint; None of what has no axis of checkpoints.
        whole: fingerprint of what has none.
        why: what is lacking; empty when nothing is.
    """

    epochs: Mapping[int, str] | None = None
    whole: str = ""
    why: str = ""


@define(eq=False)
class Member:
    """One variant.

    Attributes:
        variant: it.
        probe: a saved probe's name.
        bind: binds analyzers to it: those that it has results of, when it has some.
        items: analyzer -> the bench on which it was bound to this variant, and it.
        lacking: analyzer -> why it cannot be bound.
        planned: results that a plan will make: what a dry run goes by.
    """

    variant: Variant
    probe: str
    bind: Callable[[Sequence[str], tuple[int, ...]], Bench] | None = None
    items: dict[str, tuple[Bench, Item]] = field(factory=dict)
    lacking: dict[str, str] = field(factory=dict)
    planned: dict[str, Held] = field(factory=dict)

    @property
    def paths(self) -> VariantPaths:
        """The variant's."""
        return VariantPaths(self.variant.folder)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Of its checkpoints, sorted; the last is the reference.

        Where all files are gone, of those whose results or kept activations are left: what was computed of
        them is as good as it was.
        """
        files = {c.epoch for c in list_checkpoints(self.paths)}
        return tuple(sorted(files | known_without_checkpoint(self.variant).keys())) or self._committed()

    def _committed(self) -> tuple[int, ...]:
        """Every epoch that anything is committed of over the probe, sorted."""
        held: set[int] = set()
        for folder in self.paths.commits.glob(f"{self.probe}/*"):
            with suppress(StoreError):  # said where the analyzer is needed
                held |= Commits(folder).read().keys()
        return tuple(sorted(held))

    def held(self, needs: Sequence[ArtifactNeed]) -> list[Held]:
        """What the store holds of each now: of the present version, options, probe and outputs alone."""
        epochs = self.epochs
        ids = list(dict.fromkeys(need.analyzer for need in needs))
        if self.bind is not None and epochs:
            self._bind([id for id in ids if self._unbound(id)], epochs)
        return [self._held(need, epochs) for need in needs]

    def _unbound(self, id: str) -> bool:
        known = id in self.items or id in self.lacking
        return not known and bool(Commits.of(self.paths, self.probe, id).files())

    def _held(self, need: ArtifactNeed, epochs: tuple[int, ...]) -> Held:
        id = need.analyzer
        if not epochs:  # what is left of it belongs to nothing
            return Held(why="it has no checkpoint")
        if id not in self.items:
            return Held(why=self.lacking.get(id, f"{id} has no result over probe {self.probe}"))
        found = self.planned.get(id) or _stored(*self.items[id])
        if found.epochs is not None and need.at == "reference":
            there = {e: f for e, f in found.epochs.items() if e == epochs[-1]}
            kind = "no result that is up to date" if self._has(id, epochs[-1]) else "no result"
            why = "" if there else f"{id} has {kind} at epoch {epochs[-1]}, its last checkpoint"
            return Held(epochs=there, why=why)
        if not found.epochs and not found.whole:
            return Held(why=found.why or f"{id} has no result that is up to date")
        return found

    def _has(self, id: str, epoch: int) -> bool:
        """Whether something is committed there, of whatever version."""
        try:
            return epoch in Commits.of(self.paths, self.probe, id).read()
        except StoreError:
            return False

    def _bind(self, ids: Sequence[str], epochs: tuple[int, ...]) -> None:
        """All at once; where that cannot be, one by one, so that one that fails costs no other."""
        if not ids:
            return
        assert self.bind is not None
        try:
            bench = self.bind(ids, epochs)
        except BaseException as error:  # whatever a family's code does: it is said, and the variant left out
            if not is_fault(error):
                raise
            if len(ids) > 1:
                for id in ids:
                    self._bind([id], epochs)
            else:
                self.lacking[ids[0]] = str(error) if isinstance(error, MiError) else sentence(error)
            return
        for id in ids:
            self.items[id] = bench, bench.items[id]


def member(session: Session, variant: Variant, probe: str, device: str, dtype: str) -> Member:
    """A variant whose analyzers are bound when there are results of them.

    Args:
        session: holds the resident model.
        variant: an existing variant.
        probe: a saved probe's name.
        device, dtype: as its results were asked for.
    """

    def bind(ids: Sequence[str], epochs: tuple[int, ...]) -> Bench:
        return set_up(variant, probe, ids, epochs, device, dtype, session)[0]

    return Member(variant, probe, bind)


def planned(plan: Plan, needs: Iterable[str], *, dry: bool) -> Member:
    """The same from the plan of a variant; ``dry`` takes what it will make as made."""
    found = Member(plan.variant, plan.bench.probe_name)
    for id in needs:
        if id in plan.bench.items:
            found.items[id] = plan.bench, plan.bench.items[id]
        else:
            found.lacking[id] = plan.skipped.get(id) or plan.broken.get(id) or f"{id} does not apply to it"
    if dry:
        after = plan.after()
        found.planned = {id: Held(epochs=epochs) for id, epochs in after.items() if id in found.items}
        for span in spans(plan, after):
            why = f"{span.item.id} has no result" if span.lacking else ""
            found.planned[span.item.id] = Held(whole="" if why else span.fingerprint, why=why)
    return found


def _stored(bench: Bench, item: Item) -> Held:
    """What is committed of an analyzer, and would be computed in the same way now."""
    if item.analyzer.scope == "checkpoint":
        return Held(epochs=stored(bench.paths, bench.group(item))[0])
    try:
        group = open_group(keys_of(bench.paths, bench.probe_name, item.id))
        axis = tuple(group.epochs()) if "epoch" in group.arrays else ()
    except StoreError:
        return Held()
    return Held(whole=stored(bench.paths, bench.group(item, axis))[1] or "")
