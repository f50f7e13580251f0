"""Stale work's functions and sites, tried before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mi.domain.keep import PREFIX
from mi.domain.site import Site
from mi.engine.batches import evenly
from mi.engine.capture import Resident
from mi.engine.differentiate import Differentiator
from mi.engine.hookcache import Hooks
from mi.engine.hooks import RecordedHooks
from mi.engine.item import Item
from mi.engine.memory import room
from mi.engine.readahead import read_weights
from mi.engine.session import Session
from mi.engine.tokenrows import tokens_of
from mi.engine.trial import TRIAL_ROWS, Trial, try_out
from mi.errors import CheckpointError, MiError, PlanError, PluginError
from mi.timing import timed

if TYPE_CHECKING:
    import torch

    from mi.engine.plan import Plan


class OtherHooksError(Exception):
    """A plan was made by hooks that were remembered, and the model has others."""


class FaultyError(PlanError):
    """Analyzers that cannot do their stale work.

    Attributes:
        faults: analyzer id and what is wrong with it, of each such analyzer.
    """

    def __init__(self, faults: list[tuple[str, MiError]]) -> None:
        self.faults = faults
        id, error = faults[0]
        name = f"--keep {id.removeprefix(PREFIX)}" if id.startswith(PREFIX) else f"analyzer {id}"
        super().__init__(f"{name}: {error}")


class RoomError(FaultyError):
    """What cannot be held over all rows of the probe: nobody's fault."""


def tried(session: Session, plan: Plan) -> Plan:
    """The plan with its sites, tried on the model: TransformerLens drops a misspelt one in silence.

    Nothing of it happens, and nothing imports torch, where no checkpoint is stale.

    Raises:
        FaultyError: some of them cannot be captured, or a function cannot be imported.
        OtherHooksError: the plan is to be made again.
    """
    if not plan.stale_epochs:
        return plan
    session.use_threads()
    with timed("plan", "import functions"):
        _blame(_due(plan), Item.load)
    passes = set(plan.pass_epochs)
    passed = [w.item for w in plan.work.values() if passes & set(w.stale)]
    graded = [w.item for w in plan.work.values() if w.stale and w.item.gradients]
    stale = list(dict.fromkeys([*passed, *graded]))
    sites = tuple(dict.fromkeys(site for item in passed for site in item.sites))
    if not sites and not any(item.gradients for item in stale):
        return plan
    model = session.model(plan.variant, plan.bench.device, plan.bench.dtype)
    hooks = plan.bench.subject.hooks
    if isinstance(hooks, Hooks) and not hooks.hold():
        raise OtherHooksError
    _refuse_other_hooks(model, plan)
    _blame(stale, lambda item: model.missing((*item.sites, *item.gradient_sites)))
    trial = _trial(model, plan, stale, sites) if sites else None
    if trial is not None:
        plan = _in_memory(model, plan, stale, trial)
    _differentiate(model, plan)
    return evolve(plan, sites=sites)


def _in_memory(model: Resident, plan: Plan, stale: list[Item], trial: Trial) -> Plan:
    """The plan with its batches cut so that they fit beside what is held over all rows.

    Raises:
        RoomError: what some analyzers hold does not fit.
    """
    bench = plan.bench
    found = room([plan.work[item.id] for item in stale], bench.probe, trial, bench.memory)
    if found.refused:
        raise RoomError(list(found.refused))
    # The same for all checkpoints. Half: what a layer and an analyzer make on their way comes beside.
    trial = evolve(trial, budget=min(model.budget(), found.left // 2))
    slices = evenly(len(bench.probe), model.rows_at_once(trial))
    return evolve(plan, trial=trial, room=found, batch=max(s.stop - s.start for s in slices))


def _due(plan: Plan) -> list[Item]:
    """What will run, as far as it follows from stale checkpoints: prerequisites first."""
    due = {id for id, work in plan.work.items() if work.stale}
    for item in plan.bench.items.values():
        if item.analyzer.scope != "checkpoint" and due & {n.analyzer for n in item.analyzer.artifacts}:
            due.add(item.id)
    return [item for id, item in plan.bench.items.items() if id in due]


def _differentiate(model: Resident, plan: Plan) -> None:
    """Gradients over a few rows: whether there are any, is known before any work.

    Raises:
        FaultyError: there are none.
    """
    stale = [w for w in plan.work.values() if w.stale and w.item.gradients]
    epochs = {e for work in stale for e in work.stale}
    for checkpoint in plan.checkpoints if stale else ():
        if checkpoint.epoch not in epochs:
            continue
        try:
            weights = read_weights(checkpoint, plan.bench.device)
            model.load(weights)
        except CheckpointError:  # told when its turn comes
            continue
        bench, code = plan.bench, plan.variant.code
        few = Differentiator(code, bench.probe, bench.device, bench.dtype, TRIAL_ROWS)
        _blame([work.item for work in stale], partial(_try_gradients, few, model, weights))
        return


def _try_gradients(
    few: Differentiator, model: Resident, weights: Mapping[str, torch.Tensor], item: Item
) -> None:
    for rows, need in item.gradients.items():
        if need.weights:
            few.by_weights(weights, rows)
        if need.sites:
            few.by_sites(model, need.sites, rows)


def _refuse_other_hooks(model: Resident, plan: Plan) -> None:
    """What was recorded of the model is what patterns were expanded by.

    Raises:
        PlanError: the model has other hooks by now.
    """
    if not isinstance(plan.bench.subject.hooks, RecordedHooks):
        return
    told, now = set(plan.bench.subject.hooks), set(model.model.hook_dict)
    if told != now:
        few = ", ".join(sorted(told ^ now)[:3])
        raise PlanError(
            f"{plan.variant.id}: the model has other hooks ({few}) than when activations were kept, so its "
            f"family's code has changed; drop them: `mi cache rm {plan.variant.id} "
            f"--probe {plan.bench.probe_name}`"
        )


def _blame(items: list[Item], check: Callable[[Item], object]) -> None:
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


def _try_one(model: Resident, tokens: Any, item: Item) -> None:
    try_out(model, tokens, item.sites)


def _trial(model: Resident, plan: Plan, items: list[Item], sites: tuple[Site, ...]) -> Trial | None:
    """A pass over a few rows with the first stale checkpoint that loads; None when none does."""
    epochs = set(plan.pass_epochs)
    for checkpoint in plan.checkpoints:
        if checkpoint.epoch not in epochs:
            continue
        try:
            model.load(read_weights(checkpoint, plan.bench.device))
        except CheckpointError:  # told when its turn comes
            continue
        tokens = tokens_of(plan.bench.probe)
        try:
            return try_out(model, tokens, sites)
        except PlanError:  # whose site it is, is found out by trying each analyzer's
            _blame(items, partial(_try_one, model, tokens))
            raise
    return None
