"""A shard: one file that holds several chunks and an index of where they lie (zarr's ``sharding_indexed``).

The index has two little-endian uint64 a chunk, in C order (offset, length; both all ones where there is no
chunk) and a checksum, and stands at the file's end or start.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from mi.store.codecs import add_crc, check_crc
from mi.store.contents import Content

ABSENT = 2**64 - 1
SMALL = 64 * 2**10  # a file up to this size is read in one go


@frozen
class Shard:
    """How the chunks of a file are found.

    Attributes:
        count: chunks a file.
        at_end: whether the index stands at the end.
    """

    count: int
    at_end: bool = True

    @property
    def index_bytes(self) -> int:
        """Length of the index."""
        return 16 * self.count + 4

    def join(self, parts: Sequence[bytes | None]) -> bytes:
        """A whole file from its chunks' bytes; None for a chunk that is not there."""
        index, at = bytearray(), 0 if self.at_end else self.index_bytes
        for part in parts:
            index += struct.pack("<QQ", ABSENT, ABSENT) if part is None else struct.pack("<QQ", at, len(part))
            at += len(part or b"")
        body, head = [part for part in parts if part is not None], add_crc(bytes(index))
        return b"".join([*body, head] if self.at_end else [head, *body])

    def split(self, data: bytes) -> list[bytes | None]:
        """The chunks' bytes of a whole file.

        Raises:
            ValueError: the index is damaged.
        """
        index = self._index(data[-self.index_bytes :] if self.at_end else data[: self.index_bytes])
        return [None if at is None else _cut(data, *at) for at in self._places(index, range(self.count))]

    def pick(self, content: Content, wanted: Sequence[int]) -> Iterator[Any]:
        """The bytes of some chunks, None where there is none, reading no more than it takes.

        Raises:
            ValueError: the index is damaged.
        """
        size = content.size
        if size <= SMALL or 2 * len(wanted) > self.count:
            data = memoryview(content.read(0, size))
            index = self._index(data[-self.index_bytes :] if self.at_end else data[: self.index_bytes])
            for at in self._places(index, wanted):
                yield None if at is None else _cut(data, *at)
            return
        index = self._index(content.read(size - self.index_bytes if self.at_end else 0, self.index_bytes))
        for at in self._places(index, wanted):
            yield None if at is None else _cut(content.read(*at), 0, at[1])

    def _index(self, data: Any) -> Any:
        if len(data) != self.index_bytes:
            raise ValueError(f"the shard's index has {len(data)} bytes, expected {self.index_bytes}")
        return check_crc(data)

    def _places(self, index: Any, wanted: Sequence[int]) -> Iterator[tuple[int, int] | None]:
        for i in wanted:
            at, length = struct.unpack_from("<QQ", index, 16 * i)
            yield None if at == ABSENT and length == ABSENT else (at, length)


def _cut(data: Any, at: int, length: int) -> Any:
    part = data[at : at + length]
    if len(part) != length:
        raise ValueError("the shard is shorter than its index says")
    return part
