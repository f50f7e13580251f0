"""The whole of `mi analyze`: plan, prepare, one pass a stale checkpoint, trajectories, tidy."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from attrs import define, field

from mi.domain.workspace import Variant
from mi.engine.block import STAGES, Outcome, run_block
from mi.engine.evaluate import Failure
from mi.engine.executor import Executor, InProcess
from mi.engine.plan import Plan, make_plan
from mi.engine.session import Session
from mi.engine.tasks import full_axis, make_tasks
from mi.engine.trajectory import run_spans
from mi.errors import StoreError
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


@define
class VariantSummary:
    """What was done to one variant.

    Attributes:
        variant: its name.
        checkpoints: checkpoints that were asked for (with the reference, where it was needed).
        forward_passes: checkpoints passed forward; the plan's look at two rows is not one.
        own_passes: passes that analyzers made themselves, each over all the rows that it was given.
        analyzers: how many analyzers were asked for, with those they need.
        computed: results computed and committed: one for each analyzer and checkpoint, one a trajectory.
        fresh: results that were there already.
        failures: what went wrong; the command fails at its end when there is any.
        skipped: analyzer -> why it does not apply to the probe.
        seconds: stage -> seconds; `write` is what the passes waited for.
        analyzer_seconds: analyzer -> seconds.
        nonfinite: analyzer -> epochs whose results (or weights) are not finite; None for what has no epochs.
    """

    variant: str
    checkpoints: int = 0
    forward_passes: int = 0
    own_passes: int = 0
    analyzers: int = 0
    computed: int = 0
    fresh: int = 0
    failures: list[Failure] = field(factory=list)
    skipped: dict[str, str] = field(factory=dict)
    seconds: dict[str, float] = field(factory=lambda: dict.fromkeys(STAGES, 0.0))
    analyzer_seconds: dict[str, float] = field(factory=dict)
    nonfinite: dict[str, list[int | None]] = field(factory=dict)

    def line(self) -> str:
        """``61 checkpoints, 61 forward passes, …``: the closing line."""
        said = [_count(self.checkpoints, "checkpoint"), _count(self.forward_passes, "forward pass")]
        if self.own_passes:
            said.append(f"{_count(self.own_passes, 'pass')} made by analyzers")
        if self.computed == 0 and not self.failures:
            said.append(f"everything fresh ({_count(self.fresh, 'result')})")
        else:
            said.append(f"{_count(self.computed, 'result')} computed, {self.fresh} fresh")
        if self.failures:
            said.append(_count(len(self.failures), "failure"))
        times = [f"{stage} {self.seconds[stage]:.1f} s" for stage in STAGES if self.seconds[stage] >= 0.05]
        return ", ".join(said) + (f"; {', '.join(times)}" if times else "")

    def add(self, other: VariantSummary) -> None:
        """Fold another variant's summary in."""
        self.checkpoints += other.checkpoints
        self.forward_passes += other.forward_passes
        self.own_passes += other.own_passes
        self.computed += other.computed
        self.fresh += other.fresh
        self.failures += other.failures
        for stage in STAGES:
            self.seconds[stage] += other.seconds[stage]
        for id, seconds in other.analyzer_seconds.items():
            self.analyzer_seconds[id] = self.analyzer_seconds.get(id, 0.0) + seconds


@define
class AnalysisSummary:
    """What a whole call did.

    Attributes:
        variants: one summary each.
        interrupted: stopped by Ctrl-C; what was done is committed.
    """

    variants: list[VariantSummary] = field(factory=list)
    interrupted: bool = False

    @property
    def total(self) -> VariantSummary:
        """All variants together."""
        total = VariantSummary("")
        for one in self.variants:
            total.add(one)
        return total

    @property
    def failures(self) -> list[Failure]:
        """Everything that went wrong."""
        return self.total.failures

    def line(self) -> str:
        """The closing line."""
        return self.total.line()


def analyze(
    variants: Sequence[Variant],
    *,
    analyzers: Iterable[str] | None = None,
    epochs: str | Iterable[int] | None = None,
    probe: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> AnalysisSummary:
    """Bring artifacts up to date: one forward pass a stale checkpoint, whatever the number of analyzers.

    All variants are locked and planned before any work, so that a request that cannot be met costs nothing.
    What fails (an analyzer, a checkpoint) is in the summary; the rest goes on.

    Args:
        variants: existing variants.
        analyzers: ids, with whatever they need; None for those that family.json lists.
        epochs: a schedule such as ``0:1500:100``, or epochs; None for all checkpoints.
        probe: a saved probe; None for the family's default.
        device: where models run.
        dtype: of weights and activations.
        progress: told as work goes on.
        executor: where blocks run; in this process by default.

    Raises:
        LockedError: another process is writing one of the variants.
        UnknownNameError, PlanError, ParameterError: the request cannot be met.
        StoreError: a results folder cannot be written.
        PluginError: in strict mode (``MI_STRICT_PLUGINS``), the first failure of an analyzer.
    """
    asked = None if analyzers is None else list(analyzers)
    chosen = epochs if epochs is None or isinstance(epochs, str) else list(epochs)
    session = Session({v.workspace.root: v.workspace for v in variants})
    summary = AnalysisSummary()
    with ExitStack() as locks:
        for variant in variants:
            if not variant.exists:
                raise StoreError(f"{variant.folder}: no such variant")
            locks.enter_context(variant_lock(VariantPaths(variant.folder)))
        plans = []
        for variant in variants:
            start = time.perf_counter()
            with timed("plan"):
                plan = make_plan(
                    session, variant, analyzers=asked, epochs=chosen, probe=probe, device=device, dtype=dtype
                )
            plans.append((plan, time.perf_counter() - start))
        for plan, planning in plans:
            one, interrupted = _carry_out(plan, session, executor or InProcess(), progress)
            one.seconds["plan"] += planning
            summary.variants.append(one)
            _log(VariantPaths(plan.variant.folder), plan, one, interrupted)
            if interrupted:
                summary.interrupted = True
                break
    return summary


def _carry_out(
    plan: Plan, session: Session, executor: Executor, progress: Progress | None
) -> tuple[VariantSummary, bool]:
    paths, name = plan.bench.paths, plan.variant.name
    stale = [work for work in plan.work.values() if work.stale or work.outdated]
    start = time.perf_counter()
    with timed("write", "lay arrays"):
        sweep(paths)
        axis = full_axis(plan)
        for work in stale:
            prepare(paths, work.spec, axis, work.keep.keys())
        if stale:
            consolidate(paths.artifacts)
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
        analyzers=len(plan.bench.items),
        computed=outcome.computed,
        fresh=sum(len(set(plan.epochs) & w.keep.keys()) for w in plan.work.values()),
        failures=[Failure(name, why, id) for id, why in plan.broken.items()]
        + [Failure(name, why, epoch=e) for e, why in plan.damaged.items()]
        + outcome.failures,
        skipped=dict(plan.skipped),
        seconds=outcome.seconds,
        analyzer_seconds=outcome.analyzers,
    )
    summary.seconds["write"] += preparing
    if not outcome.interrupted:
        with timed("trajectories", "compare fingerprints"):
            _trajectories(plan, summary)
    start = time.perf_counter()
    with timed("tidy", "regroup, merge records"):
        if stale:
            tidy(paths, [work.spec for work in stale])
    summary.seconds["write"] += time.perf_counter() - start
    reader, probe = ArtifactReader(paths), plan.bench.probe_name
    with timed("tidy", "look for results that are not finite"):
        flagged = {id: list(reader.nonfinite(probe, id)) for id in plan.bench.items}
    summary.nonfinite = {id: epochs for id, epochs in flagged.items() if epochs}
    return summary, outcome.interrupted


def _trajectories(plan: Plan, summary: VariantSummary) -> None:
    start = time.perf_counter()
    computed, failures, seconds, fresh = run_spans(plan)
    summary.computed += computed
    summary.fresh += fresh
    summary.failures += failures
    summary.analyzer_seconds |= seconds
    summary.seconds["analyze"] += time.perf_counter() - start


def _log(paths: VariantPaths, plan: Plan, summary: VariantSummary, interrupted: bool) -> None:
    """One line a call in ``log.jsonl``."""
    entry = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": "analyze",
        "probe": plan.bench.probe_name,
        "analyzers": list(plan.bench.items),
        "summary": summary.line(),
        "interrupted": interrupted,
        "failures": [f.message for f in summary.failures],
    }
    try:
        with paths.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StoreError(f"{paths.log}: cannot be written ({error.strerror})") from None


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"
