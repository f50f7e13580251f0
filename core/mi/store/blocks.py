"""Writing one block of epochs: whole chunks held in memory, then the arrays, then the commit record.

The block's one owner may flush early; it then rewrites whole chunks with what it holds by now. Rows that are
committed keep their bits, so a reader of committed epochs never notices.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from mi.store.commits import Commits
from mi.store.files import fsync_files, store_errors, write_file
from mi.store.finite import INPUTS, WEIGHTS, Counts, count
from mi.store.groups import fsync_group, open_group
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of
from mi.store.schema import BLOCK, GroupSpec
from mi.timing import timed

# A chunk in the making: its cells, or the bytes of each row where a file holds rows apart (a shard).
_Held = np.ndarray | list[bytes | None]


class GroupWriter:
    """One analyzer's arrays within one block.

    Args:
        paths: the variant's.
        spec: the group, prepared.
        planned: epochs that are to be written, all of one block and none of them committed.
        fingerprints: epoch -> fingerprint of each.
        provenance: recorded with the commit.
        called: what time spent here counts to; the group's own name when empty.
    """

    def __init__(
        self,
        paths: VariantPaths,
        spec: GroupSpec,
        planned: Collection[int],
        fingerprints: Mapping[int, str],
        provenance: Mapping[str, Any],
        called: str = "",
    ) -> None:
        self.called = called or spec.analyzer
        self.spec, self.path = spec, place_of(paths, spec.probe, spec.analyzer)
        self.commits = Commits.of(paths, spec.probe, spec.analyzer)
        group = open_group(keys_of(paths, spec.probe, spec.analyzer), own=True)
        self.arrays = group.arrays
        self.positions = {e: i for i, e in enumerate(group.epochs())}
        self.block = min((self.positions[e] for e in planned), default=0) // BLOCK
        self.fingerprints, self.provenance = fingerprints, provenance
        committed = self.commits.read()
        self.done = {self.positions[e] for e in committed if e in self.positions}  # positions with results
        self.left = {self.positions[e] for e in planned}  # positions still to come
        self.buffers: dict[tuple[str, int], _Held] = {}
        self.dirty: set[tuple[str, int]] = set()
        self.vouched = False  # whether the group's metadata is known to be on the disk
        self.pending: list[int] = []  # epochs put and not yet committed
        self.written: list[int] = []  # epochs committed
        self.nonfinite: dict[int, Counts] = {}  # epoch -> cells that are not finite, of pending epochs

    def put(
        self, epoch: int, values: Mapping[str, np.ndarray], bad_weights: int = 0, bad_inputs: int = 0
    ) -> bool:
        """Take one epoch's results; a chunk that this completes is written at once.

        Args:
            epoch: planned.
            values: output -> array, without the epoch axis.
            bad_weights: how many of the checkpoint's weights are not finite: said with the results.
            bad_inputs: how many of the results that it was made from are flagged: said too.

        Returns:
            Whether it is flagged: not finite, or made from what is not.

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
            held = self.buffers[key]
            if isinstance(held, list):
                held[at - low] = stored.encode_row(values[array.name])
            else:
                held[at - low] = values[array.name]
            self.dirty.add(key)
            if not any(low <= other < low + stored.chunks[0] for other in self.left):
                self._write(key)
                del self.buffers[key]
        self.done.add(at)
        self.pending.append(epoch)
        known = {WEIGHTS: bad_weights, INPUTS: bad_inputs}
        bad = count(self.spec.arrays, values) | {what: cells for what, cells in known.items() if cells}
        if bad:
            self.nonfinite[epoch] = bad
        return bool(bad)

    def flush(self) -> None:
        """Write what is held, flush it to the disk, commit it.

        Raises:
            StoreError: the store cannot be written.
        """
        if not self.pending:
            return
        for key in sorted(self.dirty):
            self._write(key)
        with timed("fsync", analyzer=self.called), store_errors(self.path, "written"):
            at = [self.positions[e] for e in self.pending]
            # Flushed by position: a chunk that was complete before has been written by `put`.
            fsync_files(
                {
                    self.path / stored.key(file)
                    for stored in (self.arrays[array.name] for array in self.spec.arrays)
                    for one in at
                    for file in stored.files(one, one + 1)
                }
            )
            if not self.vouched:
                fsync_group(self.path)
                self.vouched = True
        self._flag()
        fingerprints = {e: self.fingerprints[e] for e in self.pending}
        with timed("commit", analyzer=self.called):
            self.commits.add(self.block, fingerprints, self.provenance, self.nonfinite)
        self.written += self.pending
        self.pending.clear()
        self.nonfinite = {}

    def _flag(self) -> None:
        """Say it to plain readers; before the commit, since a process killed after it would never say it."""
        with (
            timed("commit", "flags", analyzer=self.called),
            store_errors(self.path / "committed", "written"),
        ):
            flags = self.arrays["committed"]
            length = flags.chunks[0]
            low = self.block * BLOCK // length * length
            part = np.zeros(min(length, flags.shape[0] - low), dtype=bool)
            part[[one - low for one in self.done if low <= one < low + length]] = True
            write_file(self.path / flags.key((low // length,)), flags.encode(part))

    def _load(self, name: str, low: int) -> _Held:
        """A chunk's rows: what is committed of them read back, the rest missing."""
        stored = self.arrays[name]
        high = min(low + stored.chunks[0], stored.shape[0])
        done = [at for at in range(low, high) if at in self.done]
        if stored.by_row:
            rows: list[bytes | None] = [None] * stored.chunks[0]
            if done:
                with store_errors(self.path / name, "read"):
                    held = stored.split_rows(next(stored.files(low, high)))
                for at in done:
                    rows[at - low] = held[at - low]
            return rows
        cells = np.full((high - low, *stored.shape[1:]), stored.fill, stored.dtype)
        if done:
            with store_errors(self.path / name, "read"):
                cells[[at - low for at in done]] = stored.read((np.asarray(done),))
        return cells

    def _write(self, key: tuple[str, int]) -> None:
        name, chunk = key
        stored, held = self.arrays[name], self.buffers[key]
        low = chunk * stored.chunks[0]
        with timed("encode", analyzer=self.called), store_errors(self.path / name, "written"):
            for file in stored.files(low, min(low + stored.chunks[0], stored.shape[0])):
                ends = zip(file[1:], stored.chunks[1:], strict=True)
                rest = [slice(i * c, (i + 1) * c) for i, c in ends]
                data = stored.join_rows(held) if isinstance(held, list) else stored.encode(held[:, *rest])
                write_file(self.path / stored.key(file), data)
        self.dirty.discard(key)
