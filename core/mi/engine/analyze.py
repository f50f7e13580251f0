"""The whole of `mi analyze`: plan, prepare, one pass a stale checkpoint, trajectories, tidy, families."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from mi.domain.keep import parse_keep
from mi.domain.workspace import Variant
from mi.engine.block import run_block
from mi.engine.executor import Executor, InProcess
from mi.engine.family import FamilyScope
from mi.engine.family_bind import family_scope
from mi.engine.family_update import update_family
from mi.engine.hookcache import remember
from mi.engine.hooks import record_hooks
from mi.engine.plan import Plan, make_plan
from mi.engine.room import check_room
from mi.engine.session import Session
from mi.engine.summary import AnalysisSummary, VariantSummary, log_call
from mi.engine.task import Outcome
from mi.engine.tasks import full_axis, make_tasks
from mi.engine.trajectory import run_spans, spans
from mi.errors import LockedError, StoreError
from mi.store.artifacts import ArtifactReader
from mi.store.groups import consolidate
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.store.prepare import prepare, sweep, tidy
from mi.timing import timed


class Progress(Protocol):
    """Told as work goes on."""

    def start(self, variant: str, checkpoints: int) -> None:
        """A variant begins, with this many stale checkpoints."""

    def checkpoint(self, variant: str, epoch: int) -> None:
        """A checkpoint is done."""


def analyze(
    variants: Sequence[Variant],
    *,
    analyzers: Iterable[str] | None = None,
    epochs: str | Iterable[int] | None = None,
    probe: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int | None = None,
    memory: int | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
    keep: Iterable[str] = (),
    keep_dtype: str | None = None,
    wait: Callable[[str], None] | None = None,
) -> AnalysisSummary:
    """Bring artifacts up to date: one forward pass a stale checkpoint, whatever the number of analyzers.

    All variants are locked and planned before any work, so that a request that cannot be met costs nothing.
    A folder that cannot be written does where everything is fresh.
    After their work, analyzers of scope ``family`` are brought up to date over all variants there are.
    What fails (an analyzer, a checkpoint) is in the summary; the rest goes on.

    Args:
        variants: existing variants.
        analyzers: ids, with whatever they need; None for those that family.json lists.
        epochs: a schedule such as ``0:1500:100``, or epochs; None for all checkpoints.
        probe: a saved probe; None for the family's default.
        device: where models run.
        dtype: of weights and activations.
        threads: that torch uses; None for its own choice, as it is.
        memory: bytes that activations and probe may take; None for half of what is free. An analyzer of
            the whole probe that does not fit is refused; a streaming one always fits.
        progress: told as work goes on.
        executor: where blocks run; in this process by default.
        keep: sites whose activations are kept (``blocks.0.mlp.hook_post@-1``, or a pattern):
            an analyzer over kept sites makes no pass, and needs neither model nor checkpoint.
        keep_dtype: ``float16`` halves what is kept, and is not exact; None for the precision of the pass.
        wait: wait for other processes that write these variants, once this is told which; None: do not.

    Raises:
        LockedError: another process is writing one of the variants.
        UnknownNameError, PlanError, ParameterError: the request cannot be met.
        StoreError: a results folder cannot be written, and something of it is to be.
        PluginError: in strict mode (``MI_STRICT_PLUGINS``), the first failure of an analyzer.
    """
    asked = None if analyzers is None else list(analyzers)
    chosen = epochs if epochs is None or isinstance(epochs, str) else list(epochs)
    kept = parse_keep(keep, keep_dtype)
    session = Session({v.workspace.root: v.workspace for v in variants}, threads)
    summary = AnalysisSummary()
    sealed: dict[str, StoreError] = {}  # variant -> why its folder cannot be written
    with ExitStack() as locks:
        for variant in variants:
            if not variant.exists:
                raise StoreError(f"{variant.folder}: no such variant")
        for variant in sorted(
            variants, key=lambda v: v.folder
        ):  # one order for all: nobody waits in a circle
            try:
                locks.enter_context(variant_lock(VariantPaths(variant.folder), "analyzing", wait))
            except LockedError:
                raise
            except StoreError as error:  # where everything is fresh, nothing need be written
                sealed[variant.id] = error
        plans = []
        for variant in variants:
            start = time.perf_counter()
            with timed("plan"):
                plan = make_plan(
                    session,
                    variant,
                    analyzers=asked,
                    epochs=chosen,
                    probe=probe,
                    device=device,
                    dtype=dtype,
                    keep=kept,
                    memory=memory,
                    sealed=sealed.get(variant.id),
                )
            if variant.id in sealed and _writes(plan):
                raise sealed[variant.id]
            plans.append((plan, time.perf_counter() - start))
        check_room([plan for plan, _ in plans])
        scopes = family_scopes(variants, asked, probe, device, dtype)
        if any(plan.stale_epochs for plan, _ in plans):
            for scope in scopes:
                scope.load(asked is not None)
        for plan, planning in plans:
            writable = plan.variant.id not in sealed
            one, interrupted = _carry_out(plan, session, executor or InProcess(), progress, writable)
            one.seconds["plan"] += planning
            summary.variants.append(one)
            paths, bench = VariantPaths(plan.variant.folder), plan.bench
            if writable:
                log_call(paths, bench.probe_name, list(bench.items), one, interrupted)
            if interrupted:
                summary.interrupted = True
                break
        if not summary.interrupted:
            done = [plan for plan, _ in plans]
            for scope in scopes:
                with timed("families", "bring up to date"):
                    mine = [plan for plan in done if plan.variant.family.name == scope.family.name]
                    summary.families.append(update_family(scope, session, mine))
    return summary


def family_scopes(
    variants: Sequence[Variant], asked: Sequence[str] | None, probe: str | None, device: str, dtype: str
) -> list[FamilyScope]:
    """The analyzers of scope ``family`` that a request brings along, of each of the variants' families.

    Raises:
        PlanError, PluginError, ParameterError: one that was asked for by name cannot be had.
    """
    owners = {(v.workspace.root, v.family.name): v for v in variants}
    found = [
        family_scope(v.workspace, v.family, asked=asked, probe=probe, device=device, dtype=dtype)
        for v in owners.values()
    ]
    return [scope for scope in found if scope.items or scope.broken]


def _writes(plan: Plan) -> bool:
    """Whether carrying the plan out would write anything but the log."""
    if any(work.stale or work.outdated for work in plan.work.values()):
        return True
    return any(not span.fresh and not span.lacking for span in spans(plan, plan.after()))


def _carry_out(
    plan: Plan, session: Session, executor: Executor, progress: Progress | None, writable: bool
) -> tuple[VariantSummary, bool]:
    paths, name = plan.bench.paths, plan.variant.name
    stale = [work for work in plan.work.values() if work.stale or work.outdated]
    start = time.perf_counter()
    with timed("write", "lay arrays"):
        axis = full_axis(plan)
        stores = {plan.bench.store_of(work.item) for work in stale}
        if writable:
            sweep(paths)
            remember(plan.bench)
        if paths.kept in stores:
            record_hooks(plan.bench)
        for work in stale:
            prepare(plan.bench.store_of(work.item), work.spec, axis, work.keep.keys())
        for store in stores:
            consolidate(store.artifacts)
    preparing = time.perf_counter() - start
    if progress is not None:
        progress.start(name, len(plan.stale_epochs))
    done: Callable[[int], None] | None = partial(progress.checkpoint, name) if progress is not None else None
    outcome = Outcome()
    for tasks in make_tasks(plan):
        if outcome.interrupted:
            break
        for result in executor.map(partial(run_block, session=session, done=done), tasks):
            outcome.add(result)
            if outcome.interrupted:
                break
    summary = VariantSummary(
        name,
        checkpoints=len(plan.epochs),
        forward_passes=outcome.passes,
        own_passes=outcome.own_passes,
        analyzers=sum(item.keep is None for item in plan.bench.items.values()),
        computed=outcome.computed,
        fresh=sum(len(set(plan.epochs) & w.keep.keys()) for w in plan.work.values()),
        failures=plan.failures + outcome.failures,
        skipped=dict(plan.skipped),
        lost=plan.lost,
        seconds=outcome.seconds,
        analyzer_seconds=outcome.analyzers,
    )
    summary.seconds["write"] += preparing
    if not outcome.interrupted:
        with timed("trajectories", "compare fingerprints"):
            _trajectories(plan, session, summary)
    start = time.perf_counter()
    with timed("tidy", "regroup, merge records"):
        for store in stores:
            tidy(store, [work.spec for work in stale if plan.bench.store_of(work.item) == store])
    summary.seconds["write"] += time.perf_counter() - start
    reader, probe = ArtifactReader(paths), plan.bench.probe_name
    with timed("tidy", "look for results that are not finite"):
        flagged = {id: list(reader.nonfinite(probe, id)) for id, i in plan.bench.items.items() if not i.keep}
    summary.nonfinite = {id: epochs for id, epochs in flagged.items() if epochs}
    return summary, outcome.interrupted


def _trajectories(plan: Plan, session: Session, summary: VariantSummary) -> None:
    start = time.perf_counter()
    computed, failures, seconds, fresh = run_spans(plan, session)
    summary.computed += computed
    summary.fresh += fresh
    summary.failures += failures
    summary.analyzer_seconds |= seconds
    summary.seconds["analyze"] += time.perf_counter() - start
