"""Stale work's functions and sites, tried before any work."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mi.domain.site import Site
from mi.engine.capture import Resident
from mi.engine.differentiate import Differentiator
from mi.engine.hookcache import Hooks, remembered
from mi.engine.hooks import RecordedHooks
from mi.engine.item import Item
from mi.engine.looked import blame, by_memory, in_memory, passing, read_in_memory
from mi.engine.readahead import read_weights
from mi.engine.session import Session
from mi.engine.tokenrows import tokens_of
from mi.engine.trial import TRIAL_ROWS, Trial, try_out
from mi.errors import CheckpointError, PlanError
from mi.timing import timed

if TYPE_CHECKING:
    import torch

    from mi.engine.plan import Plan


class OtherHooksError(Exception):
    """A plan was made by hooks that were remembered, and the model has others."""


def tried(session: Session, plan: Plan, *, dry: bool = False) -> Plan:
    """The plan with its sites, tried on the model: TransformerLens drops a misspelt one in silence.

    Nothing of it happens, and nothing imports torch, where no checkpoint is stale.

    Args:
        session: holds the resident model.
        plan: with its stale work.
        dry: make do with what is remembered of the model, where something is: see :mod:`mi.engine.looked`.

    Raises:
        FaultyError: some of them cannot be captured, or a function cannot be imported.
        RoomError: what some hold does not fit the memory given.
        OtherHooksError: the plan is to be made again.
    """
    if not plan.stale_epochs:
        return plan
    bench = plan.bench
    stale, sites = passing(plan)
    if dry and (told := remembered(plan.variant, bench.probe.n_ctx, bench.dtype)) is not None:
        return read_in_memory(by_memory(plan, told))
    session.use_threads()
    with timed("plan", "import functions"):
        blame(_due(plan), Item.load)
    if not sites and not any(item.gradients for item in stale):
        return read_in_memory(plan)
    model = session.model(plan.variant, bench.device, bench.dtype)
    hooks = bench.subject.hooks
    if isinstance(hooks, Hooks) and not hooks.hold():
        raise OtherHooksError
    _refuse_other_hooks(model, plan)
    blame(stale, lambda item: model.missing((*item.sites, *item.gradient_sites)))
    trial = _trial(model, plan, stale, sites) if sites else None
    if trial is not None:
        plan = in_memory(plan, stale, trial, model.budget(), model.rows_at_once)
    _differentiate(model, plan)
    return read_in_memory(evolve(plan, sites=sites))


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
        blame([work.item for work in stale], partial(_try_gradients, few, model, weights))
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
            hooks = plan.bench.subject.hooks
            return try_out(model, tokens, sites, hooks.take if isinstance(hooks, Hooks) else None)
        except PlanError:  # whose site it is, is found out by trying each analyzer's
            blame(items, partial(_try_one, model, tokens))
            raise
    return None
