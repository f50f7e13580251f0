"""Writing from a thread while the next pass runs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping

import numpy as np

from mi.engine.failure import Failure
from mi.engine.results import Result
from mi.engine.staging import Parcel, Staging
from mi.errors import PluginError
from mi.store.blocks import GroupWriter
from mi.timing import timed

FLUSH_SECONDS = 10.0  # what a kill can cost at most, when blocks take longer than this
DEPTH = 2  # checkpoints whose results may wait


class BlockWriter:
    """The one owner of a block: takes each checkpoint's results, writes them in the background.

    It alone waits for the device, so it also finds what nobody could tell before: whole numbers that do not
    fit their dtype.

    Attributes:
        failures: results that were given up, with those made from them; complete when it is closed.
        flagged: (analyzer, epoch) of results that are not finite or made from such; what is read back, too.
        seconds: time spent writing, apart from the passes that it overlaps.
    """

    def __init__(
        self, variant: str, groups: Mapping[str, GroupWriter], device: str, flagged: set[tuple[str, int]]
    ) -> None:
        self.variant, self.groups, self.flagged = variant, groups, flagged
        self.failures: list[Failure] = []
        self.seconds = 0.0
        self._staging = Staging(device)
        self._lost: set[tuple[str, int]] = set()
        self._error: BaseException | None = None
        self._queue: queue.Queue[tuple[Parcel, int] | None] = queue.Queue(DEPTH)
        self._thread = threading.Thread(target=self._work, name="mi-write", daemon=True)
        self._thread.start()

    def put(self, epoch: int, results: Mapping[str, Result], bad_weights: int = 0) -> None:
        """Hand over one checkpoint's results, and how many of its weights are not finite.

        Args:
            epoch: the checkpoint's.
            results: analyzer -> result, in an order in which needs come first.
            bad_weights: said with the results.

        Raises:
            StoreError: an earlier checkpoint's results could not be written.
        """
        self._raise()
        self._queue.put((self._staging.send(epoch, results), bad_weights))

    def close(self) -> None:
        """Write and commit everything that was handed over; also after Ctrl-C.

        Raises:
            StoreError: it could not be written.
        """
        self._queue.put(None)
        interrupted = False
        while self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt:  # what was handed over is written all the same
                interrupted = True
        self._raise()
        if interrupted:
            raise KeyboardInterrupt

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        last = time.monotonic()
        while True:
            job = self._queue.get()
            start = time.monotonic()
            try:
                if job is not None and self._error is None:
                    self._take(*job)
                if self._error is None and (job is None or time.monotonic() - last > FLUSH_SECONDS):
                    for group in self.groups.values():
                        group.flush()
                    last = time.monotonic()
            except BaseException as error:  # told to the other side by `_raise`
                self._error = error
            finally:
                if job is not None:  # also after an error, or the other side would wait for ever
                    job[0].done()
            self.seconds += time.monotonic() - start
            if job is None:
                return

    def _take(self, parcel: Parcel, bad_weights: int) -> None:
        epoch = parcel.epoch
        with timed("wait for the device", epoch=epoch):
            parcel.wait()
        for id, result in parcel.results.items():
            try:
                arrays = self._settled(id, epoch, result)
            except PluginError as error:
                self._lost.add((id, epoch))
                self.failures.append(Failure(self.variant, str(error), id, epoch))
                continue
            size = sum(array.nbytes for array in arrays.values())
            with timed("take results", epoch=epoch, analyzer=id, bytes=size):
                if self.groups[id].put(epoch, arrays, bad_weights, len(self.flagged & set(result.used))):
                    self.flagged.add((id, epoch))

    def _settled(self, id: str, epoch: int, result: Result) -> dict[str, np.ndarray]:
        for need, there in result.used:
            if (need, there) in self._lost:
                raise PluginError(skipped(id, epoch, need, there))
        return result.settled()


def skipped(id: str, epoch: int, need: str, there: int) -> str:
    """Says that an analyzer has no result at ``epoch`` because one that it needs failed at ``there``."""
    where = "there" if there == epoch else f"at the reference checkpoint, epoch {there}"
    return f"analyzer {id} at epoch {epoch}: skipped, because {need} failed {where}"
