"""Analyzers over a whole trajectory: artifacts of all epochs, the loss history, weights read one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, frozen

from mi.engine.data import TrajectoryData
from mi.engine.failure import Failure, StrictError
from mi.engine.guard import Declared
from mi.engine.item import Item
from mi.engine.plan import Plan
from mi.engine.readahead import read_weights
from mi.engine.results import conform
from mi.engine.session import Session
from mi.engine.shares import FORMAT
from mi.errors import CheckpointError, MiError, PluginError, StoreError
from mi.faults import details
from mi.numerics import exactly
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import count_nonfinite
from mi.store.losses import open_losses, read_losses
from mi.store.prepare import stored, write_whole
from mi.store.schema import GroupSpec, digest_of
from mi.timing import timed

if TYPE_CHECKING:
    import torch
    import xarray as xr


@frozen(eq=False)
class Span:
    """One trajectory analyzer against what is committed.

    Attributes:
        item, spec: the analyzer and its group.
        epochs: epochs that all its needs hold.
        fingerprint: what its commit will say.
        fresh: whether its stored commit says so already.
        lacking: what stops it; empty when nothing does.
    """

    item: Item
    spec: GroupSpec
    epochs: tuple[int, ...]
    fingerprint: str
    fresh: bool
    lacking: str


def spans(plan: Plan, committed: Mapping[str, Mapping[int, str]]) -> list[Span]:
    """Every trajectory analyzer of the plan, given what is (or will be) committed for each checkpoint."""
    whole: dict[str, str] = {}
    found = []
    for item in plan.trajectories:
        span = _span(plan, item, committed, whole)
        if not span.lacking:
            whole[item.id] = span.fingerprint
        found.append(span)
    return found


def _span(
    plan: Plan, item: Item, committed: Mapping[str, Mapping[int, str]], whole: Mapping[str, str]
) -> Span:
    needs = sorted((n.analyzer, n.at) for n in item.analyzer.artifacts)
    epochs = set(committed_epochs(plan, needs, committed))
    said: list[Any] = [FORMAT, sorted(epochs)]
    lacking = ""
    for id, at in needs:
        if id in committed:
            there = [plan.reference] if at == "reference" else sorted(epochs)
            held = {e: committed[id][e] for e in there if e in committed[id]}
            said.append([id, at, sorted([e, f] for e, f in held.items())])
            if not held:
                lacking = f"{id} has no result" + (f" at epoch {plan.reference}" if at == "reference" else "")
        else:
            said.append([id, at, whole.get(id, "")])
            if id not in whole:
                lacking = f"{id} has no result"
    if item.weights:
        said.append(sorted([e, d] for e, d in plan.digests.items() if e in epochs))
    if item.analyzer.losses and not lacking:
        try:
            said.append(read_losses(plan.bench.paths))
        except MiError as error:
            lacking = str(error)
    ordered = tuple(sorted(epochs))
    spec = plan.bench.group(item, ordered)
    fingerprint = digest_of([*said, spec.identity])
    fresh = not lacking and stored(plan.bench.paths, spec)[1] == fingerprint
    gone = sorted(epochs & plan.known.absent.keys())
    if item.weights and gone and not fresh:
        lacking = f"it reads the weights of epoch {gone[0]}, whose checkpoint is gone"
    return Span(item, spec, ordered, fingerprint, fresh, lacking)


def committed_epochs(
    plan: Plan, needs: list[tuple[str, str]], committed: Mapping[str, Mapping[int, str]]
) -> set[int]:
    """Epochs at which every artifact needed over ``all`` is committed; all checkpoints when there is none."""
    epochs = set(plan.digests)
    sets = [set(committed[id]) for id, at in needs if at == "all" and id in committed]
    return set.intersection(*sets) if sets else epochs


def run_span(plan: Plan, span: Span) -> None:
    """Compute and store one trajectory analyzer's artifacts.

    Raises:
        PluginError: it raised, or returned something else than it declared.
        StoreError: the store cannot be read or written.
    """
    with timed("trajectories", "hand-over", analyzer=span.item.id):
        spoiled: set[int | None] = set()
        values = call_span(span, span_data(plan, span, spoiled))
    reader, probe = ArtifactReader(plan.bench.paths), plan.bench.probe_name
    bad = spoiled | {
        epoch
        for need in span.item.analyzer.artifacts
        for epoch in reader.nonfinite(probe, need.analyzer)
        if need.at != "reference" or epoch == plan.reference
    }
    size = sum(array.nbytes for array in values.values())
    with timed("trajectories", "write", analyzer=span.item.id, bytes=size):
        write_whole(plan.bench.paths, span.spec, values, span.fingerprint, plan.bench.provenance, len(bad))


def span_data(plan: Plan, span: Span, spoiled: set[int | None] | None = None) -> TrajectoryData:
    """What a trajectory analyzer declared that it reads, and nothing else.

    Args:
        plan, span: what is called.
        spoiled: takes the epochs whose weights are read and are not finite.

    Raises:
        PluginError: something of it is not there.
        StoreError: the store cannot be read.
    """
    item, reader, probe = span.item, ArtifactReader(plan.bench.paths), plan.bench.probe_name
    if span.lacking:
        raise PluginError(f"analyzer {item.id}: skipped, because {span.lacking}")
    artifacts: dict[str, xr.Dataset] = {}
    reference: dict[str, Mapping[str, np.ndarray]] = {}
    for need in item.analyzer.artifacts:
        if need.at == "reference":
            reference[need.analyzer] = reader.at(probe, need.analyzer, plan.reference)
            continue
        data = reader.dataset(probe, need.analyzer)
        if need.analyzer in plan.work:
            data = data.sel(epoch=list(span.epochs))
        artifacts[need.analyzer] = data
    subject = plan.bench.subject
    context = {name: subject.context[name] for name in item.analyzer.context}
    return TrajectoryData(
        subject=evolve(subject, context=Declared("context value", context), epochs=span.epochs),
        artifacts=Declared("artifact", artifacts),
        reference=Declared("reference artifact", reference),
        losses=open_losses(plan.bench.paths) if item.analyzer.losses else None,
        checkpoints=(lambda: _weights(plan, span.epochs, spoiled)) if item.weights else None,
    )


def call_span(span: Span, data: TrajectoryData) -> dict[str, np.ndarray]:
    """The analyzer's arrays, as they are stored.

    Raises:
        PluginError: it raised, or returned something else than it declared.
    """
    return call_whole(span.item, span.spec, data)


@exactly()
def call_whole(item: Item, spec: GroupSpec, data: Any) -> dict[str, np.ndarray]:
    """What an analyzer without an axis of checkpoints makes of its data.

    Raises:
        PluginError: it raised, or returned something else than it declared.
    """

    def fault(what: str) -> PluginError:
        return PluginError(f"analyzer {item.id} of plugin {item.plugin}: {what}")

    try:
        stage = "families" if item.analyzer.scope == "family" else "trajectories"
        with timed(stage, "function", analyzer=item.id):
            result = item.function(data, **item.options)
    except (StoreError, CheckpointError):
        raise
    except PluginError as error:
        raise fault(str(error)) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise fault(f"raised {item.said(error)}") from error
    return conform(result, spec, fault).settled()


def run_spans(plan: Plan, session: Session) -> tuple[int, list[Failure], dict[str, float], int]:
    """All stale trajectory analyzers, after the checkpoint work.

    Returns:
        How many were computed; failures; analyzer -> seconds; how many were fresh.

    Raises:
        StrictError: in strict mode, the first analyzer that raised.
    """
    reader, probe = ArtifactReader(plan.bench.paths), plan.bench.probe_name
    committed = {id: reader.committed(probe, id) for id in plan.work}
    computed, fresh, failures, seconds = 0, 0, [], {}
    lost: set[str] = set()
    for span in spans(plan, committed):
        if span.fresh:
            fresh += 1
            continue
        start = time.perf_counter()
        needs = {n.analyzer for n in span.item.analyzer.artifacts}
        try:
            if needs & lost:
                raise PluginError(
                    f"analyzer {span.item.id}: skipped, because {', '.join(sorted(needs & lost))} failed"
                )
            session.use_threads()
            run_span(plan, span)
            computed += 1
        except MiError as error:
            lost.add(span.item.id)
            cause = error.__cause__
            own = isinstance(error, PluginError) and not (needs & lost or span.lacking)
            if own and plan.variant.workspace.host.strict:
                raise StrictError(str(error)) from (cause or error)
            told = details(cause) if cause is not None else ""
            failures.append(Failure(plan.variant.name, str(error), span.item.id, details=told))
        seconds[span.item.id] = time.perf_counter() - start
    return computed, failures, seconds, fresh


def _weights(
    plan: Plan, epochs: tuple[int, ...], spoiled: set[int | None] | None
) -> Iterator[tuple[int, Mapping[str, torch.Tensor]]]:
    wanted = set(epochs)
    for checkpoint in plan.checkpoints:
        if checkpoint.epoch in wanted:
            weights = read_weights(checkpoint, "cpu", plan.digests.get(checkpoint.epoch))
            if spoiled is not None and count_nonfinite(weights):
                spoiled.add(checkpoint.epoch)
            yield checkpoint.epoch, weights
