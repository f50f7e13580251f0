"""Where an analyzer's needs come from: the same checkpoint, the reference's results, or the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, field

from mi.engine.item import Item
from mi.engine.results import Result, Used, copied
from mi.engine.task import Task
from mi.engine.writer import skipped
from mi.errors import PluginError
from mi.store.artifacts import ArtifactReader, Artifacts


@define(eq=False)
class Needed:
    """What the analyzers of one block need from one another, and from what is committed.

    Attributes:
        reference: results at the reference, fresh from this block or read back.
        lost: analyzers that failed at the reference, in this block.
    """

    _task: Task
    _reader: ArtifactReader
    reference: dict[str, Result] = field(factory=dict)
    lost: set[str] = field(factory=set)
    _opened: dict[str, Artifacts] = field(factory=dict)  # small chunks hold many epochs: decoded once

    def nonfinite(self, items: Iterable[Item]) -> set[tuple[str, int]]:
        """(analyzer, epoch) of committed results that others of this block need and that are not finite.

        Args:
            items: the block's analyzers.
        """
        needs = {need.analyzer for item in items for need in item.analyzer.artifacts}
        every = {id: self._reader.nonfinite(self._task.probe, id) for id in needs}
        return {(id, epoch) for id, held in every.items() for epoch in held if epoch is not None}

    def of(
        self, item: Item, epoch: int, results: Mapping[str, Result], failed: Mapping[str, str]
    ) -> tuple[dict[tuple[str, str], Result], Used]:
        """What the analyzer needs from others, and of which (analyzer, epoch) that is.

        Raises:
            PluginError: one of them failed.
        """
        found: dict[tuple[str, str], Result] = {}
        used = []
        for need in item.analyzer.artifacts:
            id, there = need.analyzer, self._task.reference if need.at == "reference" else epoch
            if id in (failed if there == epoch else self.lost):
                raise PluginError(skipped(item.id, epoch, id, there))
            result = results.get(id) if there == epoch else None
            if result is None and there == self._task.reference:
                result = self.reference.get(id)
            if result is None:
                result = self._stored(item, id, epoch, there)
            if there == self._task.reference:
                self.reference[id] = result
            used.append((id, there))
            found[id, need.at] = result
        return found, tuple(used)

    def _stored(self, item: Item, id: str, epoch: int, there: int) -> Result:
        """Another analyzer's committed arrays.

        Raises:
            PluginError: they are not there.
        """
        if id not in self._opened and self._reader.committed(self._task.probe, id):
            self._opened[id] = self._reader.open(self._task.probe, id)
        held = self._opened.get(id)
        if held is None or there not in held.committed:
            raise PluginError(
                f"analyzer {item.id} at epoch {epoch}: skipped, because {id} has no result at epoch {there}"
            )
        arrays = held.at(there)
        return Result({name: copied(array, self._task.device) for name, array in arrays.items()})
