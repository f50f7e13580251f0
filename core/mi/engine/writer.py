"""Writing from a thread while the next pass runs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping

import numpy as np

from mi.store.blocks import GroupWriter
from mi.store.checkpoints import nonfinite_weights
from mi.store.layout import VariantPaths
from mi.timing import timed

FLUSH_SECONDS = 10.0  # what a kill can cost at most, when blocks take longer than this
DEPTH = 2  # checkpoints whose results may wait

_Results = Mapping[str, Mapping[str, np.ndarray]]


class BlockWriter:
    """The one owner of a block: takes each checkpoint's results, writes them in the background.

    Weights that are not finite are counted here too: on the device, the passes would have to wait for it.

    Attributes:
        seconds: time spent writing, apart from the passes that it overlaps.
    """

    def __init__(self, paths: VariantPaths, groups: Mapping[str, GroupWriter]) -> None:
        self.paths, self.groups = paths, groups
        self.seconds = 0.0
        self._error: BaseException | None = None
        self._queue: queue.Queue[tuple[int, _Results] | None] = queue.Queue(DEPTH)
        self._thread = threading.Thread(target=self._work, name="mi-write", daemon=True)
        self._thread.start()

    def put(self, epoch: int, results: _Results) -> None:
        """Hand over one checkpoint's results, by analyzer.

        Raises:
            StoreError: an earlier checkpoint's results could not be written.
        """
        self._raise()
        self._queue.put((epoch, results))

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
            if self._error is not None:  # keep taking, or the other side would wait for ever
                if job is None:
                    return
                continue
            start = time.monotonic()
            try:
                if job is not None:
                    epoch, results = job
                    with timed("look for weights that are not finite", epoch=epoch):
                        bad = nonfinite_weights(self.paths.checkpoint(epoch)) if results else 0
                    for id, arrays in results.items():
                        size = sum(array.nbytes for array in arrays.values())
                        with timed("take results", epoch=epoch, analyzer=id, bytes=size):
                            self.groups[id].put(epoch, arrays, bad)
                if job is None or time.monotonic() - last > FLUSH_SECONDS:
                    for group in self.groups.values():
                        group.flush()
                    last = time.monotonic()
            except BaseException as error:  # told to the other side by `_raise`
                self._error = error
            self.seconds += time.monotonic() - start
            if job is None:
                return
