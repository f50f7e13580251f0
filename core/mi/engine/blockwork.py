"""One checkpoint of a block, from weights to results in the writer's hands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from mi.engine.bench import Bench
from mi.engine.differentiate import BATCH_BYTES, Differentiator
from mi.engine.failure import Failure, StrictError
from mi.engine.graph import before_pass
from mi.engine.item import Item
from mi.engine.kept import KeptReader
from mi.engine.model import Model
from mi.engine.moment import Moment, Needs
from mi.engine.needs import Needed
from mi.engine.onepass import OnePass
from mi.engine.readahead import Loaded
from mi.engine.results import Result, Used
from mi.engine.session import Session
from mi.engine.stream import Streams
from mi.engine.task import Outcome, Task
from mi.engine.writer import BlockWriter
from mi.errors import MiError, PlanError, PluginError, StoreError
from mi.faults import details
from mi.store.artifacts import ArtifactReader
from mi.store.blocks import GroupWriter
from mi.timing import timed


class BlockWork:
    """The state of one task while it runs."""

    def __init__(self, task: Task, bench: Bench, session: Session) -> None:
        self.task, self.bench = task, bench
        self.outcome = Outcome()
        self.needed = Needed(task, ArtifactReader(bench.paths))
        self.kept = KeptReader(bench.paths, task.probe, len(bench.probe), task.device)
        self.passing = OnePass(task, bench, session, self.kept, self.needed, self.outcome)
        self.unread = {e for e in task.kept if not any(bench.items[id].file for id in task.work[e])}
        self.specs = {id: bench.group(bench.items[id]) for id in task.fingerprints}
        self.changed = {id for id, spec in self.specs.items() if spec.identity != task.identities[id]}
        if self.changed and self.changed == self.specs.keys():
            raise PlanError(self._changed(next(iter(self.specs))))
        self.groups = {id: self._group(id) for id in task.fingerprints}
        flagged = self.needed.nonfinite(bench.items[id] for id in self.groups)
        self.writer = BlockWriter(bench.variant.name, self.groups, task.device, flagged)
        self.told: set[str] = set()  # analyzers whose traceback is kept
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
        if item.gradients:
            made |= {"gradient_bytes": BATCH_BYTES}
        return GroupWriter(self.bench.store_of(item), self.specs[id], planned, fingerprints, made, id)

    def damaged(self, epoch: int, why: str) -> None:
        """A checkpoint that cannot be used: named, skipped, and the command fails at its end."""
        self.outcome.failures.append(Failure(self.bench.variant.name, why, epoch=epoch))
        if epoch == self.task.reference:
            self.needed.lost |= set(self.task.work[epoch])

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
                resident = self.passing.load(weights, checkpoint.epoch)
                model = Model(resident, weights)
        except MiError as error:
            self.damaged(checkpoint.epoch, f"{checkpoint.path}: {error}")
            return
        if self.differentiator is not None:
            self.differentiator.code = self.bench.variant.code_at(checkpoint.epoch)
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
        self.outcome.spent("analyze", start)
        if sites:
            try:
                self.passing.capture(None if read else resident, sites, streams, results, failed)
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
            self.needed.reference |= results
            self.needed.lost = set(failed)
        self.outcome.spent("analyze", start)
        start = time.perf_counter()
        with timed("write", "wait for the writer", checkpoint.epoch):
            bad = loaded.nonfinite
            if checkpoint.epoch in self.unread:
                bad = self.kept.nonfinite(checkpoint.epoch)
            self.writer.put(checkpoint.epoch, results, bad)
        self.outcome.spent("write", start)
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
            with timed("hand-over", epoch=moment.view.epoch, analyzer=id):
                results[id] = call(*self.needed.of(item, moment.view.epoch, results, failed))
        except StrictError:
            raise
        except MiError as error:
            failed[id] = str(error)
            told = "" if error.__cause__ is None or id in self.told else details(error.__cause__)
            self.told |= {id} if told else set()
            self.outcome.failures.append(
                Failure(self.bench.variant.name, str(error), id, moment.view.epoch, told)
            )
        finally:
            moment.finish(item)
        self.outcome.took(id, time.perf_counter() - since)

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
