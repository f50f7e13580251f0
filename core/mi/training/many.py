"""``train_many``: variants trained several at once, each as if it were alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from mi.domain.schedule import checkpoint_epochs
from mi.errors import ParameterError, StoreError
from mi.store.layout import VariantPaths
from mi.training.pool import Pool
from mi.training.record import TrainingRecord, read_record, variant_state
from mi.training.run import describe
from mi.training.state import StatePolicy

if TYPE_CHECKING:
    from mi.domain.workspace import Variant

SHOWN = 5  # variants named in a sentence

Watch = Callable[[str, Mapping[str, Any]], None]


@define(kw_only=True)
class Outcome:
    """What became of one variant.

    Attributes:
        variant: ``family/name``.
        state: ``trained``, ``trained already``, ``failed``, or after Ctrl-C ``interrupted at 1300`` or
            ``not begun``.
        trained: epochs trained by this call.
        reached: the last epoch; None where it never began.
        checkpoints: how many it has.
        seconds: its training's wall time.
        metrics: at ``reached``, as far as measured.
        error: why it failed, one sentence.
    """

    variant: str
    state: str = "not begun"
    trained: int = 0
    reached: int | None = None
    checkpoints: int = 0
    seconds: float = 0.0
    metrics: Mapping[str, float] = field(factory=dict)
    error: str = ""


@frozen(kw_only=True)
class ManySummary:
    """What :func:`train_many` did: an outcome a variant, in the order given."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool

    @property
    def failed(self) -> bool:
        """Whether any variant failed."""
        return any(one.state == "failed" for one in self.outcomes)


def cores(threads: int = 1) -> int:
    """How many trainings of so many threads the processor has room for; at least one."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // threads)


def train_many(
    variants: Sequence[Variant],
    *,
    jobs: int | None = None,
    threads: int | None = None,
    epochs: int | None = None,
    schedule: str | None = None,
    device: str = "cpu",
    states: str | None = None,
    resume: bool = False,
    evaluate_every: int | None = None,
    wait: bool = False,
    watch: Watch | None = None,
) -> ManySummary:
    """Train variants, ``jobs`` at once, each to the bits that it has when trained alone with these threads.

    Those that are trained already are left as they are. One that fails fails alone. Ctrl-C stops all of them,
    each with its state saved.

    Args:
        variants: of one workspace, declared.
        jobs: trainings at once (default: one a core and thread; one on an accelerator).
        threads: threads of torch for each (default: 1, or what a resumed variant had).
        epochs, schedule, device, states, evaluate_every: as of :func:`mi.training.loop.train`.
        resume: continue those that are begun.
        wait: wait for other processes that write a variant.
        watch: called with a variant's id and what is told of it: as :class:`mi.training.pool.Pool` does, and
            ``skipped`` for one that is trained already.

    Raises:
        ParameterError: settings that mean nothing.
        StoreError: variants are begun, and ``resume`` is not given; nothing is trained then.
    """
    _check(jobs, epochs, schedule, states, evaluate_every)
    before = [read_record(VariantPaths(variant.folder)) for variant in variants]
    outcomes = [Outcome(variant=variant.id) for variant in variants]
    todo = [i for i, record in enumerate(before) if not _finished(record, epochs)]
    begun = [i for i in todo if before[i] is not None]
    if begun and not resume:
        named = [f"{variants[i].name} ({describe(before[i])})" for i in begun[:SHOWN]]  # type: ignore[arg-type]
        more = f" and {len(begun) - SHOWN} more" if len(begun) > SHOWN else ""
        raise StoreError(
            f"{len(begun)} of {len(variants)} variants exist: {', '.join(named)}{more}; continue them with "
            "--resume, nothing is overwritten"
        )
    for i, record in enumerate(before):
        if i not in todo:
            assert record is not None
            outcomes[i].state, outcomes[i].reached = "trained already", record.epochs
            if watch is not None:
                watch(variants[i].id, {"event": "skipped"})
    settings = {"epochs": epochs, "schedule": schedule, "device": device, "states": states}
    settings |= {"evaluate_every": evaluate_every}

    def told(number: int, event: Mapping[str, Any]) -> None:
        i = todo[number]
        _note(outcomes[i], event, variants[i])
        if watch is not None:
            watch(variants[i].id, event)

    def job(i: int) -> dict[str, Any]:
        variant, record = variants[i], before[i]
        return {
            "root": str(variant.workspace.root.resolve()),
            "family": variant.family.name,
            "parameters": dict(variant.parameters),
            "settings": {**settings, "resume": record is not None},
            "threads": threads or (record.threads if record is not None else 1),
            "wait": wait,
        }

    at_once = jobs or (cores(threads or 1) if device == "cpu" else 1)
    pool = Pool(min(at_once, max(len(todo), 1)), told)
    pool.run([job(i) for i in todo])
    return ManySummary(outcomes=tuple(outcomes), interrupted=pool.interrupted)


def _check(
    jobs: int | None, epochs: int | None, schedule: str | None, states: str | None, every: int | None
) -> None:
    """Refuse what means nothing for any variant, before a process starts."""
    for name, value, least in (("jobs", jobs, 1), ("epochs", epochs, 0), ("evaluate_every", every, 1)):
        if value is not None and value < least:
            raise ParameterError(f"{name} is {value}, expected a whole number of at least {least}")
    if states is not None:
        StatePolicy.parse(states)
    if schedule is not None:
        checkpoint_epochs(schedule, epochs or 0)


def _finished(record: TrainingRecord | None, epochs: int | None) -> bool:
    return record is not None and record.status == "trained" and epochs in (None, record.epochs)


def _note(outcome: Outcome, event: Mapping[str, Any], variant: Variant) -> None:
    kind = event["event"]
    if kind == "done":
        outcome.state, outcome.reached, outcome.trained = "trained", event["reached"], event["trained"]
        outcome.checkpoints, outcome.seconds = event["checkpoints"], event["seconds"]
        outcome.metrics = event["metrics"]
    elif kind == "failed":
        outcome.state, outcome.error = "failed", event["sentence"]
    elif kind == "interrupted":
        state = variant_state(VariantPaths(variant.folder))
        outcome.state = "not begun" if state == "declared" else state
    elif kind == "progress":
        outcome.reached, outcome.metrics = event["epoch"], event["metrics"]
