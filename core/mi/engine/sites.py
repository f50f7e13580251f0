"""Stale work's sites, checked against the model before any work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mi.domain.analyzer import Site
from mi.engine.capture import Resident, Trial
from mi.engine.item import Item
from mi.engine.readahead import read_weights
from mi.engine.session import Session
from mi.errors import CheckpointError, MiError, PlanError

if TYPE_CHECKING:
    from mi.engine.plan import Plan


class SitesError(PlanError):
    """Sites that cannot be captured.

    Attributes:
        faults: analyzer id and what is wrong with its sites, of each such analyzer.
    """

    def __init__(self, faults: list[tuple[str, MiError]]) -> None:
        self.faults = faults
        id, error = faults[0]
        super().__init__(f"analyzer {id}: {error}")


def with_sites(session: Session, plan: Plan) -> Plan:
    """The plan with its sites checked against the model: TransformerLens drops a misspelt one in silence.

    Raises:
        SitesError: some of them cannot be captured.
    """
    stale = [w.item for w in plan.work.values() if w.stale]
    sites = tuple(dict.fromkeys(site for item in stale for site in item.sites))
    if not sites:
        return plan
    model = session.model(plan.variant, plan.bench.device, plan.bench.dtype)
    _blame(stale, lambda item: model.missing(item.sites))
    trial = _trial(model, plan, stale, sites)
    return evolve(plan, sites=sites, trial=trial)


def _blame(items: list[Item], check: Callable[[Item], object]) -> None:
    """Check each analyzer.

    Raises:
        SitesError: of those that do not pass.
    """
    faults: list[tuple[str, MiError]] = []
    for item in items:
        try:
            check(item)
        except PlanError as error:
            faults.append((item.id, error))
    if faults:
        raise SitesError(faults)


def _try_one(model: Resident, tokens: Any, item: Item) -> None:
    model.try_out(tokens, item.sites)


def _trial(model: Resident, plan: Plan, items: list[Item], sites: tuple[Site, ...]) -> Trial | None:
    """A pass over a few rows with the first stale checkpoint that loads; None when none does."""
    for checkpoint in plan.checkpoints:
        if checkpoint.epoch not in plan.pass_epochs:
            continue
        try:
            model.load(read_weights(checkpoint, plan.bench.device))
        except CheckpointError:  # told when its turn comes
            continue
        tokens = plan.bench.probe.tokens
        try:
            return model.try_out(tokens, sites)
        except PlanError:  # whose site it is, is found out by trying each analyzer's
            _blame(items, partial(_try_one, model, tokens))
            raise
    return None
