"""Writing one block of epochs: whole chunks held in memory, then the arrays, then the commit record.

The block's one owner may flush early; it then rewrites whole chunks with what it holds by now. Rows that are
committed keep their bits, so a reader of committed epochs never notices.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from mi.store.commits import Commits
from mi.store.finite import WEIGHTS, Counts, count
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of
from mi.store.schema import BLOCK, GroupSpec
from mi.store.zarrio import chunk_files, epochs_of, fsync_files, open_arrays, store_errors
from mi.timing import timed


class GroupWriter:
    """One analyzer's arrays within one block.

    Args:
        paths: the variant's.
        spec: the group, prepared.
        planned: epochs that are to be written, all of one block and none of them committed.
        fingerprints: epoch -> fingerprint of each.
        provenance: recorded with the commit.
    """

    def __init__(
        self,
        paths: VariantPaths,
        spec: GroupSpec,
        planned: Collection[int],
        fingerprints: Mapping[int, str],
        provenance: Mapping[str, Any],
    ) -> None:
        self.spec, self.path = spec, place_of(paths, spec.probe, spec.analyzer)
        self.commits = Commits.of(paths, spec.probe, spec.analyzer)
        self.arrays: dict[str, Any] = open_arrays(self.path, "r+")
        self.positions = {e: i for i, e in enumerate(epochs_of(self.path, self.arrays))}
        self.block = min((self.positions[e] for e in planned), default=0) // BLOCK
        self.fingerprints, self.provenance = fingerprints, provenance
        committed = self.commits.read()
        self.done = {self.positions[e] for e in committed if e in self.positions}  # positions with results
        self.left = {self.positions[e] for e in planned}  # positions still to come
        self.buffers: dict[tuple[str, int], np.ndarray] = {}
        self.dirty: set[tuple[str, int]] = set()
        self.pending: list[int] = []  # epochs put and not yet committed
        self.written: list[int] = []  # epochs committed
        self.nonfinite: dict[int, Counts] = {}  # epoch -> cells that are not finite, of pending epochs

    def put(self, epoch: int, values: Mapping[str, np.ndarray], bad_weights: int = 0) -> None:
        """Take one epoch's results; a chunk that this completes is written at once.

        Args:
            epoch: planned.
            values: output -> array, without the epoch axis.
            bad_weights: how many of the checkpoint's weights are not finite: said with the results.

        Raises:
            StoreError: the store cannot be written.
        """
        at = self.positions[epoch]
        self.left.discard(at)
        for array in self.spec.arrays:
            stored = self.arrays[array.name]
            chunk = at // stored.chunks[0]
            low = chunk * stored.chunks[0]
            key = (array.name, chunk)
            if key not in self.buffers:
                self.buffers[key] = self._load(array.name, low)
            self.buffers[key][at - low] = values[array.name]
            self.dirty.add(key)
            if not any(low <= other < low + stored.chunks[0] for other in self.left):
                self._write(key)
                del self.buffers[key]
        self.done.add(at)
        self.pending.append(epoch)
        if bad := count(self.spec.arrays, values) | ({WEIGHTS: bad_weights} if bad_weights else {}):
            self.nonfinite[epoch] = bad

    def flush(self) -> None:
        """Write what is held, flush it to the disk, commit it.

        Raises:
            StoreError: the store cannot be written.
        """
        if not self.pending:
            return
        for key in sorted(self.dirty):
            self._write(key)
        with timed("fsync", analyzer=self.spec.analyzer), store_errors(self.path, "written"):
            at = [self.positions[e] for e in self.pending]
            # Flushed by position: a chunk that was complete before has been written by `put`.
            fsync_files(
                {
                    file
                    for array in self.spec.arrays
                    for one in at
                    for file in chunk_files(self.path / array.name, self.arrays[array.name], one, one + 1)
                }
            )
        self._flag()
        fingerprints = {e: self.fingerprints[e] for e in self.pending}
        with timed("commit", analyzer=self.spec.analyzer):
            self.commits.add(self.block, fingerprints, self.provenance, self.nonfinite)
        self.written += self.pending
        self.pending.clear()
        self.nonfinite = {}

    def _flag(self) -> None:
        """Say it to plain readers; before the commit, since a process killed after it would never say it."""
        with (
            timed("commit", "flags", analyzer=self.spec.analyzer),
            store_errors(self.path / "committed", "written"),
        ):
            flags = self.arrays["committed"]
            length = flags.chunks[0]
            low = self.block * BLOCK // length * length
            part = np.zeros(min(length, flags.shape[0] - low), dtype=bool)
            part[[one - low for one in self.done if low <= one < low + length]] = True
            flags[low : low + length] = part
            files = chunk_files(self.path / "committed", self.arrays["committed"], low, low + 1)
            fsync_files(files)

    def _load(self, name: str, low: int) -> np.ndarray:
        """A chunk's rows: what is committed of them read back, the rest missing."""
        stored = self.arrays[name]
        spec = next(a for a in self.spec.arrays if a.name == name)
        high = min(low + stored.chunks[0], stored.shape[0])
        if any(low <= at < high for at in self.done):
            with store_errors(self.path / name, "read"):
                return np.asarray(stored[low:high])
        return np.full((high - low, *stored.shape[1:]), spec.fill, dtype=spec.dtype)

    def _write(self, key: tuple[str, int]) -> None:
        name, chunk = key
        stored = self.arrays[name]
        low = chunk * stored.chunks[0]
        with timed("encode", analyzer=self.spec.analyzer), store_errors(self.path / name, "written"):
            stored[low : low + stored.chunks[0]] = self.buffers[key]
        self.dirty.discard(key)
