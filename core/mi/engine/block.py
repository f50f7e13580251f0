"""One task: the stale checkpoints of one block of one variant, from weights to committed artifacts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from mi.domain.analyzer import Site
from mi.domain.checkpoint import Checkpoint, at_epoch
from mi.domain.keep import Keep
from mi.engine.bench import Bench
from mi.engine.capture import Resident, Trial, evenly, joined
from mi.engine.differentiate import Differentiator
from mi.engine.evaluate import Failure, Moment, Needs, StrictError
from mi.engine.graph import before_pass
from mi.engine.item import Item
from mi.engine.kept import KeptReader
from mi.engine.model import Model
from mi.engine.readahead import Loaded, read_ahead
from mi.engine.resolve import set_up
from mi.engine.results import Result, Used, copied
from mi.engine.session import Session
from mi.engine.stream import Streams
from mi.engine.tokenrows import tokens_of
from mi.engine.writer import BlockWriter, skipped
from mi.errors import MiError, PlanError, PluginError, StoreError
from mi.faults import details
from mi.numerics import exactly
from mi.store.artifacts import ArtifactReader
from mi.store.blocks import GroupWriter
from mi.timing import timed

if TYPE_CHECKING:
    import torch

    from mi.engine.capture import Batch

STAGES = ("plan", "load", "forward", "analyze", "write")


@frozen(kw_only=True)
class Task:
    """A block of epochs: paths and ids, so that it can be sent to another process.

    Attributes:
        root: the workspace.
        variant: ``family/name``.
        probe: a saved probe's name.
        asked: ids of the analyzers of the plan, with those they need.
        device, dtype: of the passes.
        checkpoints: all of the variant's, as planned; those included whose file is gone.
        epochs: in the order in which they are worked on; the reference first.
        contents: epoch -> hash of the checkpoint's bytes that the fingerprints are made of.
        work: epoch -> ids of the analyzers that are stale there, in order.
        fingerprints: analyzer -> epoch -> what the commit says.
        identities: analyzer -> identity of its group, as planned.
        reference: the reference epoch.
        trial: what a pass over a few rows told.
        memory: bytes that activations and probe may take.
        batch: rows of the pass's largest batch.
        keep: sites whose activations are kept.
        kept: epochs at which activations are read from the store instead of being captured.
    """

    root: Path
    variant: str
    probe: str
    asked: tuple[str, ...]
    device: str
    dtype: str
    checkpoints: tuple[Checkpoint, ...]
    epochs: tuple[int, ...]
    contents: Mapping[int, str]
    work: Mapping[int, tuple[str, ...]]
    fingerprints: Mapping[str, Mapping[int, str]]
    identities: Mapping[str, str]
    reference: int
    trial: Trial | None
    memory: int
    batch: int
    keep: tuple[Keep, ...] = ()
    kept: tuple[int, ...] = ()


@define
class Outcome:
    """What a task did.

    Attributes:
        passes: checkpoints passed forward.
        own_passes: passes that analyzers made themselves.
        computed: results committed, one for each analyzer and checkpoint.
        failures: what went wrong.
        seconds: stage -> seconds.
        analyzers: analyzer -> seconds.
        interrupted: stopped by Ctrl-C, with everything done so far committed.
    """

    passes: int = 0
    own_passes: int = 0
    computed: int = 0
    failures: list[Failure] = field(factory=list)
    seconds: dict[str, float] = field(factory=lambda: dict.fromkeys(STAGES, 0.0))
    analyzers: dict[str, float] = field(factory=dict)
    interrupted: bool = False

    def add(self, other: Outcome) -> None:
        """Fold another outcome in."""
        self.passes += other.passes
        self.own_passes += other.own_passes
        self.computed += other.computed
        self.failures += other.failures
        self.interrupted = self.interrupted or other.interrupted
        for stage, seconds in other.seconds.items():
            self.seconds[stage] += seconds
        for id, seconds in other.analyzers.items():
            self.analyzers[id] = self.analyzers.get(id, 0.0) + seconds


@exactly()
def run_block(task: Task, session: Session, done: Callable[[int], None] | None = None) -> Outcome:
    """Work on one block; its results are committed when this returns, also after Ctrl-C.

    Args:
        task: the block; its groups are prepared.
        session: this process's workspaces and model.
        done: ``f(epoch)``, called after each checkpoint.

    Raises:
        StoreError: the store cannot be written.
        StrictError: in strict mode, the first failure of an analyzer; results before it are committed.
        PlanError: what was planned with has changed since.
    """
    variant = session.workspace(task.root).variant(task.variant)
    every = tuple(c.epoch for c in task.checkpoints)
    with timed("plan", "bind analyzers to a block"):
        bench, _, _ = set_up(
            variant,
            task.probe,
            task.asked,
            every,
            task.device,
            task.dtype,
            session,
            task.keep,
            task.memory,
        )
        block = _Block(task, bench, session)
    try:
        chosen = [at_epoch(task.checkpoints, e) for e in task.epochs]
        with closing(read_ahead(chosen, task.contents, task.device, block.unread)) as pace:
            start = time.perf_counter()
            for loaded in pace:
                block.spent("load", start)
                if loaded.error is not None:
                    block.damaged(loaded.checkpoint.epoch, str(loaded.error))
                else:
                    block.checkpoint(loaded)
                if done is not None:
                    done(loaded.checkpoint.epoch)
                start = time.perf_counter()
    except KeyboardInterrupt:
        block.outcome.interrupted = True
    except BaseException:
        with suppress(Exception):  # the writer's own error is the one that is raised
            block.writer.close()  # what was done before stays
        raise
    start = time.perf_counter()
    with timed("write", "wait for the writer's end"):
        block.writer.close()
    block.spent("write", start)
    block.strict()
    block.outcome.failures += block.writer.failures
    block.outcome.computed = sum(len(group.written) for group in block.groups.values())
    return block.outcome


class _Block:
    """The state of one task while it runs."""

    def __init__(self, task: Task, bench: Bench, session: Session) -> None:
        self.task, self.bench, self.session = task, bench, session
        self.outcome = Outcome()
        self.reader = ArtifactReader(bench.paths)
        self.kept = KeptReader(bench.paths, task.probe, len(bench.probe), task.device)
        self.unread = {e for e in task.kept if not any(bench.items[id].file for id in task.work[e])}
        self.specs = {id: bench.group(bench.items[id]) for id in task.fingerprints}
        self.changed = {id for id, spec in self.specs.items() if spec.identity != task.identities[id]}
        if self.changed and self.changed == self.specs.keys():
            raise PlanError(self._changed(next(iter(self.specs))))
        self.groups = {id: self._group(id) for id in task.fingerprints}
        self.writer = BlockWriter(bench.variant.name, self.groups, task.device, self._flagged())
        self.reference: dict[str, Result] = {}  # results at the reference, fresh from this block or read back
        self.told: set[str] = set()  # analyzers whose traceback is kept
        self.lost: set[str] = set()  # analyzers that failed at the reference, in this block
        self.differentiator: Differentiator | None = None
        if any(bench.items[id].gradients for id in task.fingerprints):
            code = bench.variant.code
            self.differentiator = Differentiator(code, bench.probe, task.device, task.dtype)

    def _changed(self, id: str) -> str:
        return (
            f"{self.bench.variant.id}: the probe {self.task.probe!r}, or what {id} is made with, was "
            "changed while it was being analyzed; analyze it again"
        )

    def _group(self, id: str) -> GroupWriter:
        planned = [e for e in self.task.epochs if id in self.task.work[e]]
        fingerprints = self.task.fingerprints[id]
        item, made = self.bench.items[id], self.bench.provenance
        if item.sites:  # a product of other rows may be summed in another order
            made |= {"batch": self.task.batch}
        return GroupWriter(self.bench.store_of(item), self.specs[id], planned, fingerprints, made)

    def _flagged(self) -> set[tuple[str, int]]:
        """(analyzer, epoch) of committed results that others of this block need and that are not finite."""
        needs = {n.analyzer for id in self.groups for n in self.bench.items[id].analyzer.artifacts}
        every = {id: self.reader.nonfinite(self.task.probe, id) for id in needs}
        return {(id, epoch) for id, held in every.items() for epoch in held if epoch is not None}

    def spent(self, stage: str, start: float) -> None:
        self.outcome.seconds[stage] += time.perf_counter() - start

    def damaged(self, epoch: int, why: str) -> None:
        """A checkpoint that cannot be used: named, skipped, and the command fails at its end."""
        self.outcome.failures.append(Failure(self.bench.variant.name, why, epoch=epoch))
        if epoch == self.task.reference:
            self.lost |= set(self.task.work[epoch])

    def checkpoint(self, loaded: Loaded) -> None:
        """One checkpoint: swap weights in, one pass, analyzers, results handed to the writer."""
        checkpoint, weights = loaded.checkpoint, loaded.weights
        items = {id: self.bench.items[id] for id in self.task.work[checkpoint.epoch]}
        sites = tuple(dict.fromkeys(site for item in items.values() for site in item.sites))
        model: Model | None = None
        read = checkpoint.epoch in self.task.kept
        try:
            # Without any of these, weights alone are read.
            if (sites and not read) or any(
                item.analyzer.model or item.gradient_sites for item in items.values()
            ):
                resident = self._load(weights)
                model = Model(resident, weights)
        except MiError as error:
            self.damaged(checkpoint.epoch, f"{checkpoint.path}: {error}")
            return
        moment = Moment(
            self.bench.subject,
            items,
            epoch=checkpoint.epoch,
            device=self.task.device,
            activations={},
            weights=weights,
            model=model,
            differentiator=self.differentiator,
        )
        results: dict[str, Result] = {}
        failed: dict[str, str] = {}
        streams = Streams(moment)
        early = [id for id in self._early(items) if id in items]  # what streaming analyzers start with
        start = time.perf_counter()
        for id in early:
            self._one(moment, items[id], results, failed, partial(self._run, moment, items[id]))
        self.spent("analyze", start)
        if sites:
            try:
                self._capture(None if read else resident, sites, streams, results, failed)
            except StoreError as error:
                if not read:
                    raise
                self.damaged(checkpoint.epoch, f"kept activations: {error}")
                return
            except MiError as error:
                self.damaged(checkpoint.epoch, f"{checkpoint.path}: {error}")
                return
        start = time.perf_counter()
        for id, item in items.items():
            streaming = item.analyzer.streaming
            call = partial(self._finish, streams, item) if streaming else partial(self._run, moment, item)
            if id not in early:
                self._one(moment, item, results, failed, call)
        if model is not None:
            self.outcome.own_passes += model.close()
        if self.differentiator is not None:
            self.outcome.own_passes += self.differentiator.passes
            self.differentiator.passes = 0
        if checkpoint.epoch == self.task.reference:
            self.reference, self.lost = {**self.reference, **results}, set(failed)
        self.spent("analyze", start)
        start = time.perf_counter()
        with timed("write", "wait for the writer", checkpoint.epoch):
            bad = loaded.nonfinite
            if checkpoint.epoch in self.unread:
                bad = self.kept.nonfinite(checkpoint.epoch)
            self.writer.put(checkpoint.epoch, results, bad)
        self.spent("write", start)
        self.strict()

    def strict(self) -> None:
        """In strict mode, end with what the writer found wrong.

        Raises:
            StrictError: its first failure.
        """
        if self.writer.failures and self.bench.variant.workspace.host.strict:
            raise StrictError(self.writer.failures[0].message)

    def _one(
        self,
        moment: Moment,
        item: Item,
        results: dict[str, Result],
        failed: dict[str, str],
        call: Callable[[Needs, Used], Result],
    ) -> None:
        """One analyzer's result, or why there is none."""
        id, since = item.id, time.perf_counter()
        try:
            if id in self.changed:  # its coordinates, say, are others each time; the others' are not
                raise PluginError(self._changed(id))
            with timed("hand-over", epoch=moment.epoch, analyzer=id):
                results[id] = call(*self._needs(item, moment.epoch, results, failed))
        except StrictError:
            raise
        except MiError as error:
            failed[id] = str(error)
            told = "" if error.__cause__ is None or id in self.told else details(error.__cause__)
            self.told |= {id} if told else set()
            self.outcome.failures.append(Failure(self.bench.variant.name, str(error), id, moment.epoch, told))
        finally:
            moment.finish(item)
        self._took(id, time.perf_counter() - since)

    def _early(self, items: Mapping[str, Item]) -> tuple[str, ...]:
        """What streaming analyzers need of this same checkpoint: it is made before the pass."""
        streaming = [id for id, item in items.items() if item.analyzer.streaming]
        return before_pass(streaming, {id: item.analyzer for id, item in self.bench.items.items()})

    def _run(self, moment: Moment, item: Item, needs: Needs, used: Used) -> Result:
        try:
            return moment.run(item, self.specs[item.id], needs, used)
        except PluginError as error:
            self._end_where_strict(error)
            raise

    def _end_where_strict(self, error: PluginError) -> None:
        """An analyzer's failure ends the command where ``MI_STRICT_PLUGINS`` asks for it."""
        if self.bench.variant.workspace.host.strict:
            raise StrictError(str(error)) from (error.__cause__ or error)

    def _finish(self, streams: Streams, item: Item, needs: Needs, used: Used) -> Result:
        try:
            return streams.finish(item, self.specs[item.id], used)
        except PluginError as error:
            self._end_where_strict(error)
            raise

    def _took(self, id: str, took: float) -> None:
        self.outcome.analyzers[id] = self.outcome.analyzers.get(id, 0.0) + took

    def _load(self, weights: Mapping[str, torch.Tensor]) -> Resident:
        start = time.perf_counter()
        resident = self.session.model(self.bench.variant, self.task.device, self.task.dtype)
        with timed("load", "swap weights in"):
            resident.load(weights)
        self.spent("load", start)
        return resident

    def _capture(
        self,
        resident: Resident | None,
        sites: tuple[Site, ...],
        streams: Streams,
        results: Mapping[str, Result],
        failed: Mapping[str, str],
    ) -> None:
        """The one pass, or what is kept of it: streaming analyzers see batches, what others read is held.

        Args:
            resident: the model; None to read what is kept.
            sites: that somebody reads.
            streams: takes streaming analyzers in.
            results, failed: of analyzers that have run already.
        """
        start, moment = time.perf_counter(), streams.moment
        streaming = [item for item in moment.items.values() if item.analyzer.streaming]
        held = {s.key for item in moment.items.values() if item not in streaming for s in item.sites}
        for item in streaming:
            with suppress(PluginError):  # of what it needs; told when it is its turn
                streams.start(item, self._needs(item, moment.epoch, results, failed)[0])
        with timed("load", "read kept activations", moment.epoch) if resident is None else timed("forward"):
            if not streaming:
                moment.activations = self._all_of(resident, moment.epoch, sites)
            else:
                batches = streams.through(self._batches(resident, moment.epoch, sites), held)
                moment.activations = joined(batches, len(self.bench.probe), self.task.device)
        self.outcome.passes += resident is not None
        self.spent("load" if resident is None else "forward", start + streams.seconds)
        self.outcome.seconds["analyze"] += streams.seconds
        for item in streaming:
            self._took(item.id, streams.took(item.id))

    def _all_of(
        self, resident: Resident | None, epoch: int, sites: tuple[Site, ...]
    ) -> Mapping[str, torch.Tensor]:
        if resident is None:
            return self.kept.read(epoch, sites)
        tokens = tokens_of(self.bench.probe)
        return resident.capture(tokens, sites, self.task.trial or resident.try_out(tokens, sites))

    def _batches(self, resident: Resident | None, epoch: int, sites: tuple[Site, ...]) -> Iterator[Batch]:
        if resident is not None:
            tokens = tokens_of(self.bench.probe)
            return resident.batches(tokens, sites, self.task.trial or resident.try_out(tokens, sites))
        slices = evenly(len(self.bench.probe), self.task.batch or self.kept.batch(epoch, sites))
        return ((rows, self.kept.read(epoch, sites, rows)) for rows in slices)

    def _needs(
        self, item: Item, epoch: int, results: Mapping[str, Result], failed: Mapping[str, str]
    ) -> tuple[dict[tuple[str, str], Result], Used]:
        """What the analyzer needs from others, and of which (analyzer, epoch) that is.

        Raises:
            PluginError: one of them failed.
        """
        found: dict[tuple[str, str], Result] = {}
        used = []
        for need in item.analyzer.artifacts:
            id, there = need.analyzer, self.task.reference if need.at == "reference" else epoch
            if id in (failed if there == epoch else self.lost):
                raise PluginError(skipped(item.id, epoch, id, there))
            result = results.get(id) if there == epoch else None
            if result is None and there == self.task.reference:
                result = self.reference.get(id)
            if result is None:
                result = self._stored(item, id, epoch, there)
            if there == self.task.reference:
                self.reference[id] = result
            used.append((id, there))
            found[id, need.at] = result
        return found, tuple(used)

    def _stored(self, item: Item, id: str, epoch: int, there: int) -> Result:
        """Another analyzer's committed arrays.

        Raises:
            PluginError: they are not there.
        """
        if there not in self.reader.committed(self.task.probe, id):
            raise PluginError(
                f"analyzer {item.id} at epoch {epoch}: skipped, because {id} has no result at epoch {there}"
            )
        arrays = self.reader.at(self.task.probe, id, there)
        return Result({name: copied(array, self.task.device) for name, array in arrays.items()})
