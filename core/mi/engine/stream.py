"""Streaming analyzers fed by the one pass, batch by batch, beside those that hold activations of all rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field

from mi.engine.item import Item, check_streaming
from mi.engine.moment import Moment, Needs
from mi.engine.results import Doubts, Result, Used
from mi.errors import MiError, PluginError
from mi.store.schema import GroupSpec

if TYPE_CHECKING:
    import torch

    from mi.engine.batches import Batch


@define(eq=False)
class _Stream:
    """One analyzer on its way through the batches.

    Attributes:
        item, needs: the analyzer, and what it needs from others.
        function: its object.
        state: what it keeps from batch to batch.
        doubts: of all its steps: see :meth:`mi.engine.data.CheckpointData.refuse_if`.
        seconds: what its steps took.
    """

    item: Item
    needs: Needs
    function: Any = None
    state: Any = None
    doubts: Doubts = field(factory=list)
    seconds: float = 0.0


@define(eq=False)
class Streams:
    """The streaming analyzers of one checkpoint.

    An analyzer that fails in any of its steps is left out of the steps to come, and only it.

    Attributes:
        moment: the checkpoint.
        failed: analyzer -> how it failed.
    """

    moment: Moment
    failed: dict[str, MiError] = field(factory=dict)
    _streams: dict[str, _Stream] = field(factory=dict)

    def start(self, item: Item, needs: Needs) -> None:
        """Take an analyzer in.

        Args:
            item: the analyzer.
            needs: (analyzer, moment) -> arrays of what it needs from others.
        """
        stream = self._streams[item.id] = _Stream(item, needs)

        def begin(data: Any) -> None:
            stream.function = item.function(**item.options)
            check_streaming(stream.function)
            stream.state = _given(stream.function.start(data), "start")

        self._step(stream, self.moment, begin)

    @property
    def seconds(self) -> float:
        """What all steps took."""
        return sum(stream.seconds for stream in self._streams.values())

    def took(self, id: str) -> float:
        """What one analyzer's steps took, in seconds."""
        return self._streams[id].seconds

    def through(self, batches: Iterator[Batch], held: set[str]) -> Iterator[Batch]:
        """Feed each batch to all analyzers, and give on the sites that somebody holds.

        They are given on first, and where the batch is all there is as copies: what a streaming analyzer does
        to a batch is none of the others' concern.

        Args:
            batches: of the pass.
            held: keys of sites that analyzers of the whole probe read.
        """
        rows, length = slice(0), len(self.moment.view.subject.probe)
        for rows, tensors in batches:
            mine = {site.key for s in self._live for site in s.item.sites}
            alone = rows == slice(0, length)
            yield rows, {k: t.clone() if alone and k in mine else t for k, t in tensors.items() if k in held}
            self._update(rows, {key: tensor for key, tensor in tensors.items() if key in mine})
            del tensors
            if not self._live and not held:
                return

    def finish(self, item: Item, spec: GroupSpec, used: Used = ()) -> Result:
        """One analyzer's result.

        Args:
            item: the analyzer.
            spec: its group in the store.
            used: which (analyzer, epoch) its needs are.

        Raises:
            PluginError: one of its steps failed, or it returned something else than it declared.
        """
        stream = self._streams[item.id]
        found: list[Any] = []
        if item.id not in self.failed:
            self._step(stream, self.moment, lambda _: found.append(stream.function.finish(stream.state)))
        stream.state = None
        if item.id in self.failed:
            raise self.failed[item.id]
        return self.moment.conclude(item, spec, found[0], stream.doubts, used)

    @property
    def _live(self) -> list[_Stream]:
        return [stream for id, stream in self._streams.items() if id not in self.failed]

    def _update(self, rows: slice, tensors: Mapping[str, torch.Tensor]) -> None:
        if not self._live:
            return
        part = self.moment.part(rows, tensors)
        for stream in self._live:
            self._step(stream, part, partial(_advance, stream))

    def _step(self, stream: _Stream, moment: Moment, step: Any) -> None:
        import torch

        since = time.perf_counter()
        try:
            with torch.inference_mode(False):  # the pass goes on around it
                _, doubts = moment.call(stream.item, stream.needs, step)
            stream.doubts += doubts
        except MiError as error:
            self.failed[stream.item.id] = error
            stream.state = None
        stream.seconds += time.perf_counter() - since


def _advance(stream: _Stream, batch: Any) -> None:
    stream.state = _given(stream.function.update(stream.state, batch), "update")


def _given(state: Any, step: str) -> Any:
    if state is None:
        raise PluginError(f"{step} returned None, expected the state for the next step")
    return state
