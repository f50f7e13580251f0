"""One analyzer called as the engine calls it, with an eye on what it reads and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from attrs import define, evolve, field

from mi.domain.checkpoint import at_epoch
from mi.domain.family import Use
from mi.domain.probe import Probe
from mi.domain.workspace import Variant
from mi.engine.batches import evenly
from mi.engine.bench import Bench
from mi.engine.cost import declared_cost
from mi.engine.data import CheckpointData, TrajectoryData
from mi.engine.differentiate import Differentiator
from mi.engine.family_bind import family_scope
from mi.engine.family_data import FamilyData
from mi.engine.gradients import Gradients
from mi.engine.item import Item
from mi.engine.model import Model
from mi.engine.moment import Moment, Needs
from mi.engine.plan import Plan, make_plan
from mi.engine.readahead import read_weights
from mi.engine.results import Result
from mi.engine.session import Session
from mi.engine.stream import Streams
from mi.engine.trajectory import call_span, span_data, spans
from mi.engine.trial import try_out
from mi.errors import MiError, NotApplicableError, PlanError, PluginError
from mi.testing.conformance.analysis import Analysis
from mi.testing.conformance.steps import with_steps
from mi.testing.workspace import one_thread

Arrays = dict[str, np.ndarray]


class Reads(Mapping[str, Any]):
    """A mapping that notes what is read of it, as ``<kind> <name>``."""

    def __init__(self, kind: str, values: Mapping[str, Any], read: set[str]) -> None:
        self.kind, self.values_, self.read = kind, values, read

    def __getitem__(self, name: str) -> Any:
        self.read.add(f"{self.kind} {name}")
        return self.values_[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


@define(eq=False)
class Call:
    """One call of an analyzer's function.

    Attributes:
        arrays: its outputs as they would be stored; None where it failed.
        returned: what it returned, as it was.
        held: of a streaming one, sites of a batch that its state holds on to.
        read: what it read, ``site hook@-1``, ``artifact id``, ….
        error: how it failed.
    """

    arrays: Arrays | None = None
    returned: Any = None
    read: set[str] = field(factory=set)
    held: set[str] = field(factory=set)
    error: MiError | None = None

    @property
    def fault(self) -> str:
        """What kind of failure it was: undeclared, changed, returned, refused, raised; empty for none."""
        if self.error is None:
            return ""
        cause = self.error if isinstance(self.error, PlanError) else self.error.__cause__
        if isinstance(cause, PlanError) and "not declared" in str(cause):
            return "undeclared"
        if isinstance(cause, MiError) or not isinstance(self.error, PluginError):
            return "changed" if "in place" in str(cause) else "refused"
        if cause is not None:
            return "changed" if self.is_inference_edit else "raised"
        return "changed" if "in place" in str(self.error) else "returned"

    @property
    def is_inference_edit(self) -> bool:
        """Whether torch refused to edit what was made in inference mode."""
        return "Inplace update to inference tensor" in str(self.error)


@define(eq=False)
class Runner:
    """Calls analyzers on the analyzed tiny variant, with any options, over any part of its probe."""

    analysis: Analysis
    session: Session = field(factory=Session)
    _captured: dict[Any, Any] = field(factory=dict)

    def plan(self, id: str, options: Mapping[str, Any] | None = None) -> Plan:
        """The plan of one analyzer with the given options over those of family.json.

        Raises:
            MiError: it cannot be planned.
        """
        variant = self._variant(id, options or {})
        self.session.workspaces.setdefault(variant.workspace.root, variant.workspace)
        device, probe = self.analysis.device, self.analysis.probe
        return make_plan(self.session, variant, analyzers=[id], probe=probe, device=device)

    def misprized(self, id: str, options: Mapping[str, Any]) -> str:
        """What is wrong with an analyzer's declared cost; empty where nothing is, or options are refused."""
        if self._spans(id):
            return ""
        try:
            plan = self.plan(id, options)
        except MiError:
            return ""
        try:
            declared_cost(plan.bench, plan.bench.items[id], len(plan.epochs))
        except PluginError as error:
            return str(error)
        return ""

    def call(
        self,
        id: str,
        *,
        options: Mapping[str, Any] | None = None,
        epoch: int | None = None,
        rows: np.ndarray | None = None,
        batch: int | None = None,
    ) -> Call:
        """Call an analyzer.

        Args:
            id: the analyzer.
            options: over those of family.json.
            epoch: of a checkpoint; the last by default. Without meaning for scope ``trajectory``.
            rows: indices of rows; a probe of these alone is fed.
            batch: rows of a batch, for a streaming one; all in one batch by default.
        """
        call = Call()
        try:
            if self._spans(id):
                with one_thread():
                    call.arrays = self._over_variants(id, options or {}, call)
                return call
            plan = self.plan(id, options)
            item = plan.bench.items[id]
            watched = evolve(item, analyzer=evolve(item.analyzer, function=self._watched(item, call)))
            with one_thread():
                if item.analyzer.scope == "checkpoint":
                    there = self.analysis.epochs[-1] if epoch is None else epoch
                    call.arrays = self._at(plan, watched, there, rows, batch, call.read)
                else:
                    call.arrays = self._over_all(plan, watched)
        except MiError as error:
            call.error = error
        return call

    def _variant(self, id: str, options: Mapping[str, Any]) -> Variant:
        variant = self.analysis.variant
        uses = [
            Use(id=use.id, options={**use.options, **options}) if use.id == id else use
            for use in variant.family.analyzers
        ]
        return evolve(variant, family=evolve(variant.family, analyzers=tuple(uses)))

    def _at(
        self,
        plan: Plan,
        item: Item,
        epoch: int,
        rows: np.ndarray | None,
        batch: int | None,
        read: set[str],
    ) -> Arrays:
        bench = plan.bench if rows is None else _narrowed(plan.bench, rows)
        checkpoint = at_epoch(plan.checkpoints, epoch)
        weights = read_weights(checkpoint, bench.device)
        moment = Moment(
            bench.subject,
            {item.id: item},
            epoch=epoch,
            device=bench.device,
            activations=self._activations(plan, bench, item, weights, epoch),
            weights=weights,
            model=self._model(plan, bench, item, weights),
            differentiator=Differentiator(plan.variant.code, bench.probe, bench.device, bench.dtype),
        )
        needs = {
            (n.analyzer, n.at): Result(
                self.analysis.reader.at(
                    bench.probe_name, n.analyzer, plan.reference if n.at == "reference" else epoch
                )
            )
            for n in item.analyzer.artifacts
        }
        try:
            if item.analyzer.streaming:
                return _streamed(moment, item, bench, needs, batch).settled()
            return moment.run(item, bench.group(item), needs).settled()
        finally:
            if moment.model is not None and moment.model.used:
                read.add("model")

    def _model(self, plan: Plan, bench: Bench, item: Item, weights: Any) -> Model | None:
        if not item.analyzer.model and not item.gradient_sites:
            return None
        resident = self.session.model(plan.variant, bench.device, bench.dtype)
        resident.load(weights)
        return Model(resident, weights)

    def _activations(self, plan: Plan, bench: Bench, item: Item, weights: Any, epoch: int) -> Any:
        if not item.sites:
            return {}
        key = (epoch, item.sites, bench.probe.digest)
        if key not in self._captured:
            model = self.session.model(plan.variant, bench.device, bench.dtype)
            model.load(weights)
            trial = try_out(model, bench.probe.tokens, item.sites)
            self._captured[key] = model.capture(bench.probe.tokens, item.sites, trial)
        return self._captured[key]

    def _over_all(self, plan: Plan, item: Item) -> Arrays:
        committed = {id: self.analysis.reader.committed(plan.bench.probe_name, id) for id in plan.work}
        span = next(s for s in spans(plan, committed) if s.item.id == item.id)
        span = evolve(span, item=item)
        return call_span(span, span_data(plan, span))

    def _spans(self, id: str) -> bool:
        variant = self.analysis.variant
        return variant.workspace.host.analyzers(variant.family)[id].scope == "family"

    def _over_variants(self, id: str, options: Mapping[str, Any], call: Call) -> Arrays:
        variant = self._variant(id, options)
        scope = family_scope(variant.workspace, variant.family, asked=[id], probe=self.analysis.probe)
        scope.gather(self.session)
        item = scope.items[id]
        watched = evolve(item.analyzer, function=self._watched(item, call))
        share = scope.share(evolve(item, analyzer=watched))
        if share.lacking:
            raise PluginError(share.lacking) from NotApplicableError(share.lacking)
        return scope.call(share)

    def _watched(self, item: Item, call: Call) -> Callable[..., Any]:
        def function(data: Any, **options: Any) -> Any:
            if isinstance(data, CheckpointData):
                data = _noted(data, call.read)
            elif isinstance(data, FamilyData):
                data = evolve(
                    data,
                    artifacts=Reads("artifact", data.artifacts, call.read),
                    reference=Reads("reference artifact", data.reference, call.read),
                )
            else:
                data = _noted_span(data, call.read)
            call.returned = item.function(data, **options)
            return call.returned

        if item.analyzer.streaming:
            returned = partial(setattr, call, "returned")
            return with_steps(item, lambda data: _noted(data, call.read), returned, call.held)
        return function


def _streamed(moment: Moment, item: Item, bench: Bench, needs: Needs, batch: int | None) -> Result:
    """A streaming analyzer fed what was captured, in batches of at most so many rows."""
    activations, rows = moment.view.activations, len(bench.probe)
    moment.view.activations = {}
    streams = Streams(moment)
    streams.start(item, needs)
    parts = (
        (some, {key: tensor[some].clone() for key, tensor in activations.items()})
        for some in evenly(rows, batch or rows)
    )
    for _ in streams.through(parts, set()):
        pass
    return streams.finish(item, bench.group(item))


def _noted(data: CheckpointData, read: set[str]) -> CheckpointData:
    derive, differentiate = data.derive, data.differentiate

    def gradients(rows: str) -> Gradients:
        assert differentiate is not None
        found = differentiate(rows)
        return evolve(
            found,
            weights=Reads("gradient of weight", found.weights, read),
            activations=Reads("gradient at site", found.activations, read),
        )

    def derived(id: str) -> Any:
        assert derive is not None
        read.add(f"derived quantity {id}")
        return derive(id)

    return evolve(
        data,
        subject=evolve(data.subject, context=Reads("context value", data.context, read)),
        activations=Reads("site", data.activations, read),
        globs=Reads("site", data.globs, read),
        weights=Reads("weight", data.weights, read),
        artifacts=Reads("artifact", data.artifacts, read),
        reference=Reads("reference artifact", data.reference, read),
        derive=derived,
        differentiate=None if differentiate is None else gradients,
    )


def _noted_span(data: TrajectoryData, read: set[str]) -> TrajectoryData:
    checkpoints = data.checkpoints

    def weights() -> Any:
        assert checkpoints is not None
        read.add("weight")
        return checkpoints()

    return evolve(
        data,
        subject=evolve(data.subject, context=Reads("context value", data.subject.context, read)),
        artifacts=Reads("artifact", data.artifacts, read),
        reference=Reads("reference artifact", data.reference, read),
        checkpoints=None if checkpoints is None else weights,
    )


def _narrowed(bench: Bench, rows: np.ndarray) -> Bench:
    """The bench with a probe of these rows alone."""
    probe = bench.probe
    part = Probe(
        tokens=probe.tokens[rows],
        axes=probe.axes,
        columns={name: values[rows] for name, values in probe.columns.items()},
        labels=None if probe.labels is None else probe.labels[rows],
        masks={name: mask[rows] for name, mask in probe.masks.items()},
        text=tuple(probe.text[i] for i in rows) if probe.text else (),
    )
    return evolve(bench, subject=evolve(bench.subject, probe=part))
