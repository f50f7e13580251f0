"""Derived quantities: each computed at most once a checkpoint, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from mi.domain.needs import Derived
from mi.domain.probe import Probe
from mi.engine.guard import Declared
from mi.engine.item import Item
from mi.engine.results import Doubts
from mi.engine.view import View
from mi.errors import PluginError
from mi.refs import resolve
from mi.timing import timed


class SharedQuantities:
    """Those of one checkpoint: computed when first asked for, freed after their last asker.

    Args:
        view: the checkpoint, over all rows.
        items: the analyzers that will run here.
    """

    def __init__(self, view: View, items: Mapping[str, Item]) -> None:
        self.view = view
        self.made: dict[str, Any] = {}
        self.doubts: dict[str, Doubts] = {}
        self.askers: dict[str, int] = {}
        for item in items.values():
            for quantity in item.analyzer.all_derived():
                self.askers[quantity.id] = self.askers.get(quantity.id, 0) + 1

    def of(self, quantity: Derived, item: Item, doubts: Doubts) -> Any:
        """A quantity, for an analyzer; its doubts join those of everybody who asks.

        Raises:
            PluginError: it changed what others share.
        """
        if quantity.id not in self.made:
            inner = {d.id: d for d in quantity.derived}
            data, watched = self.view.of(
                item, quantity.sites, weights=quantity.weights, context=quantity.context
            )
            own = data.doubts
            data = evolve(
                data,
                subject=evolve(data.subject, probe=_whole(self.view.subject.probe, data.subject.probe, item)),
                derive=lambda id: self.of(Declared("derived quantity", inner)[id], item, own),
            )
            changed: list[str] = []
            try:
                with timed("derived", quantity.id, self.view.epoch, item.id):
                    value = resolve(quantity.function)(data)
            finally:
                changed = self.view.watch.changed(watched, f"derived quantity {quantity.id}")
            if changed:
                raise PluginError(f"derived quantity {quantity.id} changed {', '.join(changed)} in place")
            self.made[quantity.id], self.doubts[quantity.id] = value, data.doubts
        doubts += self.doubts[quantity.id]
        return self.made[quantity.id]

    def drop(self, id: str) -> None:
        """Forget a quantity that somebody changed: the next asker has it computed anew."""
        self.made.pop(id, None)

    def finish(self, item: Item) -> None:
        """Count an analyzer as done, whether it ran or not."""
        for quantity in item.analyzer.all_derived():
            self.askers[quantity.id] -= 1
            if self.askers[quantity.id] == 0:
                self.made.pop(quantity.id, None)


def _whole(probe: Probe, seen: Probe, item: Item) -> Probe:
    """The probe for a shared quantity, whoever asks for it first."""
    return probe.private() if item.analyzer.streaming else seen
