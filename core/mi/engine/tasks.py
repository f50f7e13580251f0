"""A plan cut into tasks: one block of epochs each, the reference's block before all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from mi.engine.plan import Plan
from mi.engine.task import Task
from mi.store.schema import BLOCK


def full_axis(plan: Plan) -> list[int]:
    """The epoch axis that all of the plan's groups share: every checkpoint, and every result that stays."""
    kept = {e for work in plan.work.values() for e in work.keep}
    return sorted({*(c.epoch for c in plan.checkpoints), *kept})


def make_tasks(plan: Plan) -> tuple[list[Task], list[Task]]:
    """Tasks to run first (the reference's block, when somebody needs the reference), and all the others."""
    axis = {e: i for i, e in enumerate(full_axis(plan))}
    stale = plan.stale_epochs
    needed = any(
        need.at == "reference" and work.stale
        for work in plan.work.values()
        for need in work.item.analyzer.artifacts
    )
    early = plan.reference if needed and plan.reference in stale else None
    blocks: dict[int, list[int]] = {}
    for epoch in stale:
        blocks.setdefault(axis[epoch] // BLOCK, []).append(epoch)
    first: list[Task] = []
    others: list[Task] = []
    due = {id: frozenset(work.stale) for id, work in plan.work.items()}
    for epochs in blocks.values():
        ordered = sorted(epochs, key=lambda e: (e != early, e))
        (first if early in epochs else others).append(_task(plan, ordered, due))
    return first, others


def _task(plan: Plan, epochs: Sequence[int], due: Mapping[str, Set[int]]) -> Task:
    here = {id: [e for e in epochs if e in stale] for id, stale in due.items()}
    bench, kept = plan.bench, set(plan.kept_epochs)
    return Task(
        root=bench.variant.workspace.root,
        variant=bench.variant.id,
        probe=bench.probe_name,
        asked=tuple(id for id, item in bench.items.items() if item.keep is None),
        device=bench.device,
        dtype=bench.dtype,
        checkpoints=plan.checkpoints,
        epochs=tuple(epochs),
        contents={e: plan.digests[e] for e in epochs},
        work={e: tuple(id for id in plan.work if e in due[id]) for e in epochs},
        fingerprints={
            id: {e: plan.work[id].fingerprints[e] for e in there} for id, there in here.items() if there
        },
        identities={id: plan.work[id].spec.identity for id, there in here.items() if there},
        reference=plan.reference,
        trial=plan.trial,
        keep=tuple(item.keep for item in bench.items.values() if item.keep is not None),
        kept=tuple(e for e in epochs if e in kept),
        memory=bench.memory,
        batch=plan.batch,
    )
