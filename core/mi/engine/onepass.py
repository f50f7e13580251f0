"""The one pass over a checkpoint, or what is kept of it, handed to whoever reads activations."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define

from mi.domain.site import Site
from mi.engine.batches import evenly, joined
from mi.engine.bench import Bench
from mi.engine.capture import Resident
from mi.engine.kept import KeptReader
from mi.engine.needs import Needed
from mi.engine.results import Result
from mi.engine.session import Session
from mi.engine.stream import Streams
from mi.engine.task import Outcome, Task
from mi.engine.tokenrows import tokens_of
from mi.engine.trial import try_out
from mi.errors import PluginError
from mi.timing import timed

if TYPE_CHECKING:
    import torch

    from mi.engine.batches import Batch


@define(eq=False)
class OnePass:
    """Where one block's activations come from; what that takes is counted in its outcome."""

    _task: Task
    _bench: Bench
    _session: Session
    _kept: KeptReader
    _needed: Needed
    _outcome: Outcome

    def load(self, weights: Mapping[str, torch.Tensor], epoch: int) -> Resident:
        """The model with the weights of ``epoch`` in it, under the interventions at work there."""
        start = time.perf_counter()
        resident = self._session.model(self._bench.variant, self._task.device, self._task.dtype)
        with timed("load", "swap weights in"):
            resident.load(weights, self._bench.variant.code_at(epoch))
        self._outcome.spent("load", start)
        return resident

    def capture(
        self,
        resident: Resident | None,
        sites: tuple[Site, ...],
        streams: Streams,
        results: Mapping[str, Result],
        failed: Mapping[str, str],
    ) -> None:
        """The one pass, or what is kept of it: streaming analyzers see batches, what others read is held.

        Args:
            resident: the model; None to read what is kept.
            sites: that somebody reads.
            streams: takes streaming analyzers in.
            results, failed: of analyzers that have run already.
        """
        start, moment = time.perf_counter(), streams.moment
        streaming = [item for item in moment.items.values() if item.analyzer.streaming]
        held = {s.key for item in moment.items.values() if item not in streaming for s in item.sites}
        for item in streaming:
            with suppress(PluginError):  # of what it needs; told when it is its turn
                streams.start(item, self._needed.of(item, moment.view.epoch, results, failed)[0])
        with (
            timed("load", "read kept activations", moment.view.epoch)
            if resident is None
            else timed("forward")
        ):
            if not streaming:
                moment.view.activations = self._all_of(resident, moment.view.epoch, sites)
            else:
                batches = streams.through(self._batches(resident, moment.view.epoch, sites), held)
                moment.view.activations = joined(batches, len(self._bench.probe), self._task.device)
        self._outcome.passes += resident is not None
        self._outcome.spent("load" if resident is None else "forward", start + streams.seconds)
        self._outcome.seconds["analyze"] += streams.seconds
        for item in streaming:
            self._outcome.took(item.id, streams.took(item.id))

    def _all_of(
        self, resident: Resident | None, epoch: int, sites: tuple[Site, ...]
    ) -> Mapping[str, torch.Tensor]:
        if resident is None:
            return self._kept.read(epoch, sites)
        tokens = tokens_of(self._bench.probe)
        return resident.capture(tokens, sites, self._task.trial or try_out(resident, tokens, sites))

    def _batches(self, resident: Resident | None, epoch: int, sites: tuple[Site, ...]) -> Iterator[Batch]:
        if resident is not None:
            tokens = tokens_of(self._bench.probe)
            return resident.batches(tokens, sites, self._task.trial or try_out(resident, tokens, sites))
        slices = evenly(len(self._bench.probe), self._task.batch or self._kept.batch(epoch, sites))
        return ((rows, self._kept.read(epoch, sites, rows)) for rows in slices)
