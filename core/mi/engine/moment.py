"""Running analyzers on one checkpoint: each sees and returns what it declared, and changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mi.engine.data import CheckpointData, Subject
from mi.engine.derivation import SharedQuantities
from mi.engine.differentiate import Differentiator
from mi.engine.gradients import SharedGradients
from mi.engine.guard import Declared, versions
from mi.engine.item import Item
from mi.engine.model import Model
from mi.engine.results import Copies, Doubts, Result, Used, conform
from mi.engine.view import View
from mi.errors import PluginError, StoreError
from mi.store.schema import GroupSpec
from mi.timing import timed

if TYPE_CHECKING:
    import torch

Needs = Mapping[tuple[str, str], Result]  # (analyzer, moment) -> what another made


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
        self.items, self.model = items, model
        self.view = View(subject, epoch, device, activations, weights)
        self.derivation = SharedQuantities(self.view, items)
        self.gradients: SharedGradients | None = None
        if differentiator is not None:
            self.gradients = SharedGradients(differentiator, items, weights, model, self.view.watch)

    def part(self, rows: slice, activations: Mapping[str, torch.Tensor]) -> Moment:
        """The same checkpoint over one batch of the probe's rows.

        Args:
            rows: which.
            activations: site key -> tensor of these rows.
        """
        part = copy.copy(self)  # derived quantities are of all rows
        part.view, part.gradients = self.view.part(rows, activations), None
        return part

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
                with torch.no_grad(), timed("functions", epoch=self.view.epoch, analyzer=item.id):
                    result = function(data)
            finally:
                changed = self.view.watch.changed(watched, f"analyzer {item.id}")
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
                self.derivation.drop(name)
                raise self._fault(item, f"changed {name} in place, which others read too")
        return result, data.doubts

    def _data(self, item: Item, needs: Needs) -> tuple[CheckpointData, set[str], list[tuple[str, Any, Any]]]:
        """What the analyzer sees, what of it is watched by checksum, and what by version counters."""
        analyzer = item.analyzer
        derived = {d.id: d for d in analyzer.derived}
        shared: list[tuple[str, Any, Any]] = []

        def derive(id: str) -> Any:
            quantity = Declared("derived quantity", derived)[id]
            value = self.derivation.of(quantity, item, doubts)
            shared.append((id, versions(value), value))
            return value

        data, watched = self.view.of(
            item, item.own_sites(), weights=analyzer.weights, context=analyzer.context
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

    def finish(self, item: Item) -> None:
        """Count an analyzer as done, whether it ran or not: what nobody else will ask for is freed."""
        self.derivation.finish(item)
        if self.gradients is not None:
            self.gradients.finish(item)

    def _artifacts(self, needs: Needs, at: str) -> dict[str, Copies]:
        """Artifacts as tensors of their stored dtype: a copy for each reader, the same fresh or read back."""
        return {
            id: Copies(result, self.view.device) for (id, moment), result in needs.items() if moment == at
        }

    def _fault(self, item: Item, what: str) -> PluginError:
        return PluginError(f"{item.called} at epoch {self.view.epoch}: {what}")


def _plain(item: Item, data: CheckpointData) -> Any:
    return item.function(data, **item.options)
