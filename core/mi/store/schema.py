"""What a stored group looks like: arrays, axes and the rule that cuts arrays into chunks.

A group holds one analyzer's artifacts over one probe. Its arrays exist at full length before any work starts.
A *block* is 64 positions along ``epoch`` and has one owner; a chunk never spans two blocks during work,
so nobody ever reads, edits and rewrites a chunk that somebody else writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen

BLOCK = 64  # epochs a block; a power of two, so that every chunk length divides it
# Rows (one epoch of an array) of so many bytes are chunks of their own, so that showing an epoch decodes no
# other; many lie in one file, a shard, so that files stay few. Smaller rows share a chunk.
ROW_BYTES = 2**10
CHUNK_BYTES = 2**18  # of a chunk of several rows
SHARD_BYTES = 2**23  # of a shard, which is held in memory until its block is written
WHOLE_BYTES = 2**20  # arrays up to this size end as a single file
INNER_BYTES = 16 * 2**20  # one epoch is split along its other dimensions only above this
# Kept activations are read a range of the probe's rows at a time: an epoch is one file of chunks of so many
# bytes, and of several files only above the second.
BATCH_BYTES, FILE_BYTES = 2**20, 2**28
BLOCKS, WHOLE = "blocks", "whole"
RESERVED = ("epoch", "committed")


@frozen
class ArraySpec:
    """One array of a group.

    Attributes:
        name: its name.
        dims: all its dimensions, ``epoch`` first where there is one.
        dtype: numpy name.
        fill: what stands for "missing".
        attrs: units, description.
        gaps: whether NaN is an ordinary value of it.
        batched: whether a large epoch is read a range of the second dimension at a time.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    fill: Any
    attrs: Mapping[str, Any] = field(factory=dict)
    gaps: bool = False
    batched: bool = False


@frozen(eq=False)
class GroupSpec:
    """One group ``<probe>/<analyzer>``.

    Attributes:
        probe, analyzer: its place.
        axes: dimension -> coordinates, (n,), all but ``epoch``.
        arrays: its arrays.
        identity: digest of everything that makes two epochs of the group comparable; a group of another
            identity is created anew.
        attrs: what else is recorded with the group (JSON).
        epochal: whether there is an ``epoch`` axis of checkpoints with a commit each; a group without is
            committed as a whole.
    """

    probe: str
    analyzer: str
    axes: Mapping[str, np.ndarray]
    arrays: tuple[ArraySpec, ...]
    identity: str
    attrs: Mapping[str, Any] = field(factory=dict)
    epochal: bool = True

    def shape(self, array: ArraySpec, epochs: int) -> tuple[int, ...]:
        """The array's full shape with ``epochs`` positions along ``epoch``."""
        return tuple(epochs if d == "epoch" and d not in self.axes else len(self.axes[d]) for d in array.dims)

    def epoch_bytes(self, epochs: int = 1) -> int:
        """Bytes of all arrays for ``epochs`` epochs, before compression."""
        return sum(
            int(np.prod(self.shape(a, epochs), dtype=np.int64)) * np.dtype(a.dtype).itemsize
            for a in self.arrays
        )


def coordinates(values: Any) -> np.ndarray:
    """Coordinates as stored: int64, float64, or str; (n,).

    Raises:
        TypeError: values of another kind, or not one-dimensional.
    """
    if isinstance(values, range):
        return np.arange(values.start, values.stop, values.step, dtype=np.int64)
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values))
    if array.ndim != 1:
        raise TypeError(f"coordinates have {array.ndim} dimensions, expected 1")
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind == "U" or array.size == 0:
        return array.astype(str)
    raise TypeError(f"coordinates have dtype {array.dtype}, expected whole numbers, numbers or strings")


@frozen
class Cut:
    """How an array is cut.

    Attributes:
        file: shape of what a file holds.
        inner: shape of what is decoded at once: the same, or one row of the shard that a file is then.
    """

    file: tuple[int, ...]
    inner: tuple[int, ...]


def cut(shape: tuple[int, ...], itemsize: int, *, epochal: bool, layout: str, batched: bool = False) -> Cut:
    """How an array is cut.

    Args:
        shape: full shape; the first axis is ``epoch`` where ``epochal``.
        itemsize: bytes a cell.
        epochal: whether the first axis is cut by blocks of epochs.
        layout: ``blocks`` while work goes on; ``whole`` gives a small array a single file.
        batched: see :class:`ArraySpec`.
    """
    if not shape or not epochal:
        parts = _split(tuple(max(n, 1) for n in shape), itemsize)
        return Cut(parts, parts)
    length, inner = max(shape[0], 1), tuple(max(n, 1) for n in shape[1:])
    row = itemsize * int(np.prod(inner, dtype=np.int64))
    sharded = row >= ROW_BYTES
    if layout == WHOLE and row * length <= (WHOLE_BYTES if sharded else CHUNK_BYTES):
        epochs = length
    else:
        fitting = max((SHARD_BYTES if sharded else CHUNK_BYTES) // row, 1)
        epochs = min(BLOCK, 1 << (fitting.bit_length() - 1), *([length] if length <= BLOCK else []))
    if epochs == 1 and batched:
        part, most = _split(inner, itemsize, BATCH_BYTES), _split(inner, itemsize, FILE_BYTES)
        # A file holds whole chunks: as many as there are, or as fit.
        file = [p * (-(-m // p) if m == n else m // p) for p, m, n in zip(part, most, inner, strict=True)]
        return Cut((1, *file), (1, *part))
    if epochs == 1:
        parts = (1, *_split(inner, itemsize))
        return Cut(parts, parts)
    return Cut((epochs, *inner), (1, *inner) if sharded else (epochs, *inner))


def _split(shape: tuple[int, ...], itemsize: int, most: int = INNER_BYTES) -> tuple[int, ...]:
    """``shape`` cut along its leading axes until a chunk holds at most ``most`` bytes."""
    parts = list(shape)
    for axis in range(len(parts)):
        rest = itemsize * int(np.prod(parts[axis + 1 :], dtype=np.int64))
        if parts[axis] * rest <= most:
            break
        parts[axis] = max(most // rest, 1)
    return tuple(parts)


def digest_of(value: Any) -> str:
    """Hash of a JSON-like value with arrays in it (32 hex digits); the same on every machine and run."""
    total = hashlib.blake2b(digest_size=16)

    def add(item: Any) -> None:
        if type(item) is str:  # most of what is hashed, by far
            total.update(json.dumps(item).encode() + b";")
        elif isinstance(item, Mapping):
            total.update(b"{")
            for key in sorted(item, key=str):
                total.update(json.dumps(str(key)).encode())
                add(item[key])
            total.update(b"}")
        elif isinstance(item, list | tuple | range):
            total.update(b"[")
            for one in item:
                add(one)
            total.update(b"]")
        elif isinstance(item, np.ndarray):
            plain = np.ascontiguousarray(item)
            if plain.dtype.kind in "OT":
                plain = np.array(plain.tolist(), dtype=str)
            total.update(f"<{plain.dtype.str}{plain.shape}>".encode())
            total.update(plain.tobytes())
        elif isinstance(item, np.generic):
            add(item.item())
        elif item is None or isinstance(item, bool | int | float | str):
            total.update(json.dumps(item).encode() + b";")
        else:
            raise TypeError(f"cannot hash a {type(item).__name__}")

    add(value)
    return total.hexdigest()
