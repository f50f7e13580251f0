"""A plan's sites and memory by what is remembered of the model: for a dry run, which then needs no torch.

What only a run of a few rows tells (whether a function can be imported, gradients exist, scores are scores)
is told by the analysis itself, before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from mi.domain.site import Site
from mi.engine import capture
from mi.engine.batches import evenly, rows_within
from mi.engine.broken import called
from mi.engine.hookcache import Remembered
from mi.engine.item import Item
from mi.engine.memory import room
from mi.engine.trial import Trial, refuse_missing, weight_of
from mi.errors import MiError, PlanError, PluginError

if TYPE_CHECKING:
    from mi.engine.plan import Plan


def by_memory(plan: Plan, told: Remembered) -> Plan:
    """The plan with its sites, and on the CPU how they fit memory.

    Raises:
        FaultyError: some sites cannot be captured.
        RoomError: what some analyzers hold does not fit.
    """
    stale, sites = passing(plan)
    site_bytes: dict[str, int] = {}

    def weigh(item: Item) -> None:
        every = (*item.sites, *item.gradient_sites)
        refuse_missing(every, told.hooks)
        site_bytes.update({site.key: weight_of(site, told.hooks[site.hook]) for site in every})

    blame(stale, weigh)
    plan = evolve(plan, sites=sites)
    if not sites or plan.bench.device != "cpu":  # what an accelerator has free, only torch tells
        return plan
    trial = Trial(row_bytes=told.row_bytes, stop=None, site_bytes=site_bytes)
    return in_memory(plan, stale, trial, capture.CPU_BUDGET, _rows_at_once)


def passing(plan: Plan) -> tuple[list[Item], tuple[Site, ...]]:
    """What needs the model: analyzers with stale work in a pass, or with gradients; and the passes' sites."""
    passes = set(plan.pass_epochs)
    passed = [w.item for w in plan.work.values() if passes & set(w.stale)]
    graded = [w.item for w in plan.work.values() if w.stale and w.item.gradients]
    sites = tuple(dict.fromkeys(site for item in passed for site in item.sites))
    return list(dict.fromkeys([*passed, *graded])), sites


def _rows_at_once(trial: Trial) -> int:
    return rows_within(trial.budget or 0, trial.row_bytes)


def in_memory(
    plan: Plan, stale: Sequence[Item], trial: Trial, budget: int, at_once: Callable[[Trial], int]
) -> Plan:
    """The plan with its batches cut so that they fit beside what is held over all rows.

    Args:
        plan: with stale work.
        stale: what runs in the passes.
        trial: what a row weighs.
        budget: bytes of one batch's activations at most.
        at_once: rows of a batch at most.

    Raises:
        RoomError: what some analyzers hold does not fit.
    """
    bench = plan.bench
    found = room([plan.work[item.id] for item in stale], bench.probe, trial, bench.memory)
    if found.refused:
        raise RoomError(list(found.refused))
    # The same for all checkpoints. Half: what a layer and an analyzer make on their way comes beside.
    trial = evolve(trial, budget=min(budget, found.left // 2))
    slices = evenly(len(bench.probe), at_once(trial))
    return evolve(plan, trial=trial, room=found, batch=max(s.stop - s.start for s in slices))


def read_in_memory(plan: Plan) -> Plan:
    """The plan, where what is read of kept activations fits memory too.

    Raises:
        RoomError: what some analyzers hold does not fit.
    """
    read = set(plan.kept_epochs)
    works = [work for work in plan.work.values() if work.item.sites and read & set(work.stale)]
    if not works:
        return plan
    kept = plan.known.kept
    sizes = {site.key: kept[site.key].row_bytes for work in works for site in work.item.sites}
    trial = Trial(row_bytes=sum(sizes.values()), stop=None, site_bytes=sizes)
    found = room(works, plan.bench.probe, trial, plan.bench.memory)
    if found.refused:
        raise RoomError(list(found.refused))
    return plan if plan.room is not None else evolve(plan, room=found)


class FaultyError(PlanError):
    """Analyzers that cannot do their stale work.

    Attributes:
        faults: analyzer id and what is wrong with it, of each such analyzer.
    """

    def __init__(self, faults: list[tuple[str, MiError]]) -> None:
        self.faults = faults
        id, error = faults[0]
        super().__init__(f"{called(id)}: {error}")


class RoomError(FaultyError):
    """What cannot be held over all rows of the probe: nobody's fault."""


def blame(items: Sequence[Item], check: Callable[[Item], object]) -> None:
    """Check each analyzer.

    Raises:
        FaultyError: of those that do not pass.
    """
    faults: list[tuple[str, MiError]] = []
    for item in items:
        try:
            check(item)
        except (PlanError, PluginError) as error:
            faults.append((item.id, error))
    if faults:
        raise FaultyError(faults)
