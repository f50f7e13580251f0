"""An array of the store: reading cells out of chunks, and making the bytes of chunks.

Chunks are decoded by :mod:`mi.store.codecs`; an array whose metadata says anything that we never write is
read through zarr. A chunk that is not there is an error, never "missing": all chunks of what is committed are
stored, also those in which nothing could be measured.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mi.errors import StoreError
from mi.store.cache import ChunkCache
from mi.store.cells import Part, is_all, is_full, parts_of, place
from mi.store.codecs import Chain, chain_of
from mi.store.keys import Keys
from mi.store.shards import Shard

Index = Sequence[Any]  # for each axis, leading ones first: a position, a slice, or positions
_INDEX_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]


class Array:
    """An array as its metadata says it.

    Args:
        keys: of its group.
        name: its name in the group.
        node: its metadata.

    Attributes:
        shape, dims, attrs: as usual; ``dims`` is empty where dimensions have no names.
        dtype: of the cells; ``object`` for strings.
        chunks: shape of what a file holds.
        inner: shape of what is decoded at once: the same, or a part of a shard.
        by_row: whether files are shards of whole rows (positions along the first axis).
        cache: where decoded chunks are kept that hold more than was asked for, if anywhere.

    Raises:
        KeyError, TypeError, ValueError: this is no metadata of an array.
    """

    def __init__(self, keys: Keys, name: str, node: Mapping[str, Any]) -> None:
        self.keys, self.name = keys, name
        self.cache: ChunkCache | None = None
        self.shape: tuple[int, ...] = tuple(map(int, node["shape"]))
        names = node.get("dimension_names")
        self.dims: tuple[str, ...] = tuple(names) if names else ()
        self.attrs: dict[str, Any] = dict(node.get("attributes", {}))
        kind = node["data_type"]
        self.dtype = np.dtype(object if kind == "string" else kind)
        self._fill = node["fill_value"]
        self.chunks: tuple[int, ...] = tuple(map(int, node["chunk_grid"]["configuration"]["chunk_shape"]))
        self.inner, self.shard = self.chunks, None
        codecs = node["codecs"]
        if len(codecs) == 1 and codecs[0]["name"] == "sharding_indexed":
            said = codecs[0]["configuration"]
            self.inner, codecs = tuple(map(int, said["chunk_shape"])), said["codecs"]
            if said["index_codecs"] == _INDEX_CODECS:
                count = math.prod(c // i for c, i in zip(self.chunks, self.inner, strict=True))
                self.shard = Shard(count, said.get("index_location", "end") == "end")
            else:
                codecs = []
        usual = (
            node["chunk_grid"]["name"] == "regular"
            and node["chunk_key_encoding"] == _KEYS
            and not node.get("storage_transformers")
        )
        self._chain: Chain | None = chain_of(codecs, self.dtype) if usual else None
        self.by_row = (
            self.shard is not None
            and self.inner[:1] == (1,)
            and self.inner[1:] == self.chunks[1:] == tuple(max(n, 1) for n in self.shape[1:])
        )
        if len(self.chunks) != len(self.shape) or 0 in self.chunks:
            raise ValueError(f"chunks {self.chunks} do not fit the shape {self.shape}")

    @property
    def fill(self) -> Any:
        """What stands for "missing"."""
        return np.array(_fill(self._fill, self.dtype), self.dtype)[()]

    def cached(self, cache: ChunkCache) -> Array:
        """The same array, keeping decoded chunks there."""
        other = object.__new__(Array)
        other.__dict__ = {**self.__dict__, "cache": cache}
        return other

    @property
    def path(self) -> Path:
        """Its place, for messages."""
        return self.keys.file(self.name)

    @cached_property
    def grid(self) -> tuple[int, ...]:
        """Files along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    @property
    def chain(self) -> Chain:
        """The codecs of a chunk.

        Raises:
            StoreError: the array is none of ours.
        """
        if self._chain is None:
            raise StoreError(f"{self.path}: is stored in a way that `mi` only reads")
        return self._chain

    # Files.

    def key(self, file: Sequence[int]) -> str:
        """The key of a file, relative to the group."""
        return f"{self.name}/c/{'/'.join(map(str, file))}" if file else f"{self.name}/c"

    def files(self, low: int = 0, high: int | None = None) -> Iterator[tuple[int, ...]]:
        """The files that hold positions ``low:high`` of the first axis; all of them by default."""
        if not self.shape:
            yield ()
            return
        if 0 in self.shape:
            return
        step, end = self.chunks[0], self.shape[0] if high is None else high
        rest = [range(n) for n in self.grid[1:]]
        yield from itertools.product(range(low // step, -(-end // step)), *rest)

    def missing(self, file: Sequence[int]) -> StoreError:
        """What to raise where a file, or a part of it, is not there."""
        place = self.keys.file(self.key(file))
        return StoreError(f"{place}: missing chunk; `mi analyze` computes it again")

    # Reading.

    def read(self, index: Index = ()) -> np.ndarray:
        """The cells at an outer index: each axis is indexed by itself.

        Raises:
            StoreError: a chunk is missing.
            IndexError: a position outside the array.
            Exception: whatever a codec raises on damaged bytes; say it with ``store_errors``.
        """
        if not index and self._chain is not None and self.shard is None and self.chunks == self.shape:
            return self._decode(self._bytes((0,) * len(self.shape)), np.empty(self.shape, self.dtype))
        index = (*index, *[slice(None)] * (len(self.shape) - len(index)))
        if self._chain is None:
            return self._foreign(index)
        if self.by_row and all(is_full(one, n) for one, n in zip(index[1:], self.shape[1:], strict=True)):
            if isinstance(index[0], int | np.integer) and index[0] >= 0:
                return self.row(int(index[0]))
            if isinstance(index[0], slice):
                return self._rows(range(*index[0].indices(self.shape[0])))
        axes = [parts_of(one, n, c) for one, n, c in zip(index, self.shape, self.inner, strict=True)]
        out = np.empty([length for _, length in axes], self.dtype)
        wanted: dict[tuple[int, ...], list[tuple[Part, ...]]] = {}
        each = [c // i for c, i in zip(self.chunks, self.inner, strict=True)]
        for parts in itertools.product(*[parts for parts, _ in axes]):
            file = tuple(part[0] // n for part, n in zip(parts, each, strict=True))
            wanted.setdefault(file, []).append(parts)
        for file, taken in wanted.items():
            self._take(file, each, taken, out)
        gone = tuple(i for i, one in enumerate(index) if isinstance(one, int | np.integer))
        return out.squeeze(gone) if gone else out

    def row(self, at: int) -> np.ndarray:
        """One position of the first axis: same as ``read((at,))``, in less time."""
        if self._chain is None or self.inner[1:] != self.shape[1:] or not 0 <= at < self.shape[0]:
            return self.read((at,))
        file, i = divmod(at, self.chunks[0])
        where = (file, *[0] * (len(self.shape) - 1))
        if not self.by_row:
            return np.array(self._whole(where)[i]) if self.shard is None else self.read((at,))
        part = next(self._picked(where, [i]))
        if part is None:
            raise self.missing(where)
        row: np.ndarray = self._chain.decode(part, self.inner, np.empty(self.inner, self.dtype))[0]
        return row

    def _rows(self, places: Sequence[int]) -> np.ndarray:
        """Rows of shards of whole rows, each decoded to its place."""
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        step, rest, done = self.chunks[0], (0,) * (len(self.shape) - 1), 0
        for first, here in itertools.groupby(places, lambda at: at // step):
            for data in self._picked((first, *rest), [at - first * step for at in here]):
                if data is None:
                    raise self.missing((first, *rest))
                self._decode(data, out[done : done + 1])
                done += 1
        return out

    def chunk(self, file: Sequence[int]) -> np.ndarray:
        """All cells of a file, decoded: what a shard does not hold is missing.

        Raises:
            StoreError: there is no such file.
            Exception: whatever a codec raises on damaged bytes.
        """
        if self._chain is None:
            places = zip(file, self.chunks, self.shape, strict=True)
            return self._foreign([slice(i * c, min((i + 1) * c, n)) for i, c, n in places])
        if self.shard is None:
            cells = self._whole(tuple(file), keep=False)
        else:
            cells = np.full(self.chunks, self.fill, self.dtype)
            each = [c // i for c, i in zip(self.chunks, self.inner, strict=True)]
            found = self._picked(tuple(file), range(self.shard.count))
            for place, part in zip(np.ndindex(*each), found, strict=True):
                if part is not None:
                    spot = tuple(slice(p * i, (p + 1) * i) for p, i in zip(place, self.inner, strict=True))
                    cells[spot] = self._chain.decode(part, self.inner)
        ends = zip(file, self.chunks, self.shape, strict=True)
        return cells[tuple(slice(0, min(c, n - i * c)) for i, c, n in ends)]

    def _take(
        self, file: tuple[int, ...], each: Sequence[int], taken: Sequence[tuple[Part, ...]], out: np.ndarray
    ) -> None:
        """Cells of one file into ``out``."""
        if self.shard is None:
            whole = all(is_all(part[1], c) for part, c in zip(taken[0], self.inner, strict=True))
            target = out[(*[part[2] for part in taken[0]], ...)] if whole else None
            if target is not None and target.flags.c_contiguous and target.shape == self.inner:
                self._decode(self._bytes(file), target)
            else:
                place(taken[0], self._whole(file), out)
            return
        flat = [
            int(np.ravel_multi_index([p[0] % n for p, n in zip(parts, each, strict=True)], each))
            for parts in taken
        ] if each else [0]  # fmt: skip
        for parts, data in zip(taken, self._picked(file, flat), strict=True):
            if data is None:
                raise self.missing(file)
            whole = all(is_all(part[1], c) for part, c in zip(parts, self.inner, strict=True))
            target = out[(*[part[2] for part in parts], ...)] if whole else None
            if target is not None and target.flags.c_contiguous and target.shape == self.inner:
                self._decode(data, target)
            else:
                place(parts, self._decode(data), out)

    def _decode(self, data: Any, out: np.ndarray | None = None) -> np.ndarray:
        assert self._chain is not None
        return self._chain.decode(data, self.inner, out)

    def _bytes(self, file: tuple[int, ...]) -> bytes:
        try:
            return self.keys.read(self.key(file))
        except FileNotFoundError:
            raise self.missing(file) from None

    def _whole(self, file: tuple[int, ...], keep: bool = True) -> np.ndarray:
        """A chunk that is a file of its own, decoded; read-only."""
        if self.cache is None or not keep:
            return self._decode(self._bytes(file))
        return self.cache.get((self.name, file), lambda: self._decode(self._bytes(file)))

    def _picked(self, file: tuple[int, ...], wanted: Sequence[int]) -> Iterator[Any]:
        assert self.shard is not None
        try:
            content = self.keys.open(self.key(file))
        except FileNotFoundError:
            raise self.missing(file) from None
        with content:
            yield from self.shard.pick(content, wanted)

    def _foreign(self, index: Index) -> np.ndarray:
        import zarr

        array: Any = zarr.open_array(self.keys.store(), path=self.name, mode="r", zarr_format=3)
        return np.asarray(array.oindex[tuple(index)] if index else array[...])

    # Making the bytes of files.

    def encode(self, values: np.ndarray) -> bytes:
        """A file's bytes; ``values`` may end where the array does, and is filled up to a whole chunk."""
        if values.shape != self.chunks:
            full = np.full(self.chunks, self.fill, self.dtype)
            full[tuple(slice(0, n) for n in values.shape)] = values
            values = full
        if self.shard is None:
            return self.chain.encode(values)
        each = [c // i for c, i in zip(self.chunks, self.inner, strict=True)]
        parts: list[bytes | None] = []
        for at in np.ndindex(*each):
            spot = tuple(slice(p * i, (p + 1) * i) for p, i in zip(at, self.inner, strict=True))
            parts.append(self.chain.encode(values[spot]))
        return self.shard.join(parts)

    def encode_row(self, values: np.ndarray) -> bytes:
        """The bytes of one row of a shard of whole rows."""
        return self.chain.encode(np.asarray(values, self.dtype).reshape(self.inner))

    def join_rows(self, rows: Sequence[bytes | None]) -> bytes:
        """A shard of whole rows, from the bytes of each; None for a row that is not there (yet)."""
        assert self.shard is not None
        return self.shard.join(rows)

    def split_rows(self, file: Sequence[int]) -> list[bytes | None]:
        """The bytes of each row of a shard of whole rows, not decoded.

        Raises:
            StoreError: there is no such file.
            ValueError: its index is damaged.
        """
        assert self.shard is not None
        return self.shard.split(self._bytes(tuple(file)))


_KEYS = {"name": "default", "configuration": {"separator": "/"}}


def _fill(value: Any, dtype: np.dtype[Any]) -> Any:
    """A fill value out of metadata; numbers that JSON lacks are strings there."""
    if dtype.kind == "c":
        return complex(*(float(part) for part in value))
    return float(value) if dtype.kind == "f" else value
