"""Running analyzers on one checkpoint: each sees and returns what it declared, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from mi.domain.needs import Derived
from mi.domain.probe import Probe
from mi.domain.site import Site
from mi.engine.data import CheckpointData, Subject
from mi.engine.differentiate import Differentiator
from mi.engine.gradients import SharedGradients
from mi.engine.guard import Declared, Watch, versions
from mi.engine.item import Item
from mi.engine.model import Model
from mi.engine.results import Copies, Result, Used, conform
from mi.errors import PluginError, StoreError
from mi.refs import resolve
from mi.store.schema import GroupSpec
from mi.timing import timed

if TYPE_CHECKING:
    import torch

Doubts = list[tuple[str, Any]]
Needs = Mapping[tuple[str, str], Result]  # (analyzer, moment) -> what another made


@frozen
class Failure:
    """One thing that went wrong, kept while the rest goes on.

    Attributes:
        variant: the variant's name.
        message: one sentence.
        analyzer: whose results are missing; empty for all of the checkpoint's.
        epoch: the checkpoint; None for what spans the trajectory.
        details: traceback of what the analyzer raised; of its first failure alone.
    """

    variant: str
    message: str
    analyzer: str = ""
    epoch: int | None = None
    details: str = ""


class StrictError(PluginError):
    """An analyzer's failure that ends the command, since ``MI_STRICT_PLUGINS`` asks for it."""


class Moment:
    """One checkpoint, captured, and the analyzers that run on it.

    Args:
        subject: what is known of the variant.
        items: the analyzers that will run here, in order.
        epoch: the checkpoint's.
        device: where tensors lie.
        activations: site key -> tensor, made :func:`mi.engine.guard.unrecorded`.
        weights: the checkpoint's tensors, made so too.
        model: the resident model with these weights: for analyzers that declare it, for gradients at sites.
        differentiator: makes the passes of gradients, where some analyzer declares them.
    """

    def __init__(
        self,
        subject: Subject,
        items: Mapping[str, Item],
        *,
        epoch: int,
        device: str,
        activations: Mapping[str, torch.Tensor],
        weights: Mapping[str, torch.Tensor],
        model: Model | None = None,
        differentiator: Differentiator | None = None,
    ) -> None:
        self.subject, self.items = subject, items
        self.model = model
        self.epoch, self.device = epoch, device
        self.activations, self.weights = activations, weights
        self.derived: dict[str, Any] = {}
        self.doubts: dict[str, list[tuple[str, Any]]] = {}  # of derived quantities
        self.askers: dict[str, int] = {}
        for item in items.values():
            for quantity in item.analyzer.all_derived():
                self.askers[quantity.id] = self.askers.get(quantity.id, 0) + 1
        self.watch = Watch()
        self.whole: Moment | None = None
        self.rows: slice | None = None
        self.common: set[str] = set()
        if subject.probe.held:
            self._watch_probe()
        self.gradients = (
            SharedGradients(differentiator, items, weights, model, self.watch) if differentiator else None
        )

    def part(self, rows: slice, activations: Mapping[str, torch.Tensor]) -> Moment:
        """The same checkpoint over one batch of the probe's rows.

        Args:
            rows: which.
            activations: site key -> tensor of these rows.
        """
        part = Moment(
            evolve(self.subject, probe=self.subject.probe.part(rows)),
            {},
            epoch=self.epoch,
            device=self.device,
            activations=activations,
            weights=self.weights,
            model=self.model,
        )
        part.whole, part.rows = self, rows
        return part

    def _watch_probe(self) -> None:
        probe = self.subject.probe
        for name, array in {"tokens": probe.tokens, "labels": probe.labels, **probe.masks}.items():
            self.watch.add(f"the probe's {name}", array)
            self.common.add(f"the probe's {name}")

    def run(self, item: Item, spec: GroupSpec, needs: Needs, used: Used = ()) -> Result:
        """One analyzer's result; its values may still be under way on the device.

        Args:
            item: the analyzer.
            spec: its group in the store.
            needs: what it needs from others.
            used: which (analyzer, epoch) these are.

        Raises:
            PluginError: it raised, returned something else than it declared, or changed what others share.
        """
        result, doubts = self.call(item, needs, partial(_plain, item))
        return self.conclude(item, spec, result, doubts, used)

    def conclude(self, item: Item, spec: GroupSpec, result: Any, doubts: Doubts, used: Used = ()) -> Result:
        """What an analyzer returned, as :meth:`run` gives it.

        Raises:
            PluginError: it is not what was declared.
        """
        return evolve(conform(result, spec, partial(self._fault, item), doubts), used=used)

    def call(self, item: Item, needs: Needs, function: Callable[[CheckpointData], Any]) -> tuple[Any, Doubts]:
        """A step of an analyzer, with an eye on what it reads and changes.

        Args:
            item: the analyzer.
            needs: as of :meth:`run`.
            function: the step.

        Returns:
            What it returned, and its doubts: see :meth:`mi.engine.data.CheckpointData.refuse_if`.

        Raises:
            PluginError: it raised, or changed what others share.
        """
        import torch

        changed: list[str] = []
        try:
            data, watched, shared = self._data(item, needs)
            try:
                with torch.no_grad(), timed("functions", epoch=self.epoch, analyzer=item.id):
                    result = function(data)
            finally:
                changed = self.watch.changed(watched, f"analyzer {item.id}")
                if item.analyzer.model and self.model is not None:
                    changed += self.model.mend()
        except StoreError:
            raise
        except PluginError as error:
            raise self._fault(item, str(error)) from error
        except BaseException as error:  # whatever a plugin raises is its fault, and only its own
            if isinstance(error, KeyboardInterrupt):
                raise
            raise self._fault(item, f"raised {item.said(error)}") from error
        if changed:
            raise self._fault(item, f"changed {', '.join(changed)} in place, which others read too")
        for name, before, value in shared:
            if versions(value) != before:
                self.derived.pop(name, None)  # the next asker computes it anew
                raise self._fault(item, f"changed {name} in place, which others read too")
        return result, data.doubts

    def _data(self, item: Item, needs: Needs) -> tuple[CheckpointData, set[str], list[tuple[str, Any, Any]]]:
        """What the analyzer sees, what of it is watched by checksum, and what by version counters."""
        analyzer = item.analyzer
        derived = {d.id: d for d in analyzer.derived}
        shared: list[tuple[str, Any, Any]] = []

        def derive(id: str) -> Any:
            quantity = Declared("derived quantity", derived)[id]
            value = self._derive(quantity, item, doubts)
            shared.append((id, versions(value), value))
            return value

        data, watched = self._view(
            item, item.own_sites(), weights=item.analyzer.weights, context=analyzer.context
        )
        doubts = data.doubts  # not `data` in `derive`: a circle would hold activations until it is found
        data = evolve(
            data,
            model=self.model if analyzer.model else None,
            artifacts=Declared("artifact", self._artifacts(needs, "checkpoint")),
            reference=Declared("reference artifact", self._artifacts(needs, "reference")),
            derive=derive,
        )
        gradients = self.gradients
        if item.gradients and gradients is not None:
            data = evolve(data, differentiate=lambda rows: gradients.of(item, rows, watched))
        return data, watched, shared

    def _view(
        self, item: Item, declared: tuple[Site, ...], *, weights: bool, context: tuple[str, ...]
    ) -> tuple[CheckpointData, set[str]]:
        """Data restricted to what was declared, and the names to watch."""
        probe = self._probe(item)
        if item.analyzer.streaming and self.whole is None:
            declared = ()  # activations come with batches
        values = {name: self.subject.context[name] for name in context}
        globs = {site.key: item.globs[site.key] for site in declared if site.glob}
        sites = [Site(h, s.position).key for s in declared for h in globs.get(s.key, (s.hook,))]
        for key in sites:
            self.watch.add(f"site {key}", self.activations[key])
        for name, value in values.items():
            self.watch.add(f"context value {name}", value)
        watched = self.common | {f"site {k}" for k in sites} | {f"context value {n}" for n in values}
        if weights:
            for name, tensor in self.weights.items():
                self.watch.add(f"weights {name}", tensor)
            watched |= {f"weights {name}" for name in self.weights}
        self.watch.refuse(watched)
        data = CheckpointData(
            # Which other checkpoints there are is not in the fingerprint, so no result may follow from it.
            subject=evolve(self.subject, context=Declared("context value", values), probe=probe, epochs=()),
            epoch=self.epoch,
            device=self.device,
            activations={key: self.activations[key] for key in sites},
            weights=Declared("weight", self.weights if weights else {}),
            globs=globs,
            rows=self.rows,
        )
        return data, watched

    def _probe(self, item: Item) -> Probe:
        """The probe as the analyzer sees it.

        What is not in memory yet is brought there for analyzers that hold activations of all rows, once for
        all of them; others may do so for themselves.
        """
        probe = self.subject.probe
        if item.analyzer.streaming and self.whole is None:
            return probe.sealed(
                f"analyzer {item.id} is streaming, so all rows at once are not there; read each batch's"
            )
        if probe.held:
            return probe
        if not item.sites:
            return probe.private()
        self._watch_probe()
        return probe

    def _derive(self, quantity: Derived, item: Item, doubts: Doubts) -> Any:
        """A shared quantity: computed when it is first asked for, kept until its last asker is done.

        Its doubts are those of everybody who asks.
        """
        if self.whole is not None:
            return self.whole._derive(quantity, item, doubts)
        if quantity.id not in self.derived:
            inner = {d.id: d for d in quantity.derived}
            data, watched = self._view(
                item, quantity.sites, weights=quantity.weights, context=quantity.context
            )
            own = data.doubts
            data = evolve(
                data,
                subject=evolve(data.subject, probe=_whole(self.subject.probe, data.subject.probe, item)),
                derive=lambda id: self._derive(Declared("derived quantity", inner)[id], item, own),
            )
            changed: list[str] = []
            try:
                with timed("derived", quantity.id, self.epoch, item.id):
                    value = resolve(quantity.function)(data)
            finally:
                changed = self.watch.changed(watched, f"derived quantity {quantity.id}")
            if changed:
                raise PluginError(f"derived quantity {quantity.id} changed {', '.join(changed)} in place")
            self.derived[quantity.id], self.doubts[quantity.id] = value, data.doubts
        doubts += self.doubts[quantity.id]
        return self.derived[quantity.id]

    def finish(self, item: Item) -> None:
        """Count an analyzer as done, whether it ran or not: what nobody else will ask for is freed."""
        for quantity in item.analyzer.all_derived():
            self.askers[quantity.id] -= 1
            if self.askers[quantity.id] == 0:
                self.derived.pop(quantity.id, None)
        if self.gradients is not None:
            self.gradients.finish(item)

    def _artifacts(self, needs: Needs, at: str) -> dict[str, Copies]:
        """Artifacts as tensors of their stored dtype: a copy for each reader, the same fresh or read back."""
        return {id: Copies(result, self.device) for (id, moment), result in needs.items() if moment == at}

    def _fault(self, item: Item, what: str) -> PluginError:
        return PluginError(f"{item.called} at epoch {self.epoch}: {what}")


def _whole(probe: Probe, seen: Probe, item: Item) -> Probe:
    """The probe for a shared quantity, whoever asks for it first."""
    return probe.private() if item.analyzer.streaming else seen


def _plain(item: Item, data: CheckpointData) -> Any:
    return item.function(data, **item.options)
