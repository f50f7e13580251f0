"""Bytes of chunks to arrays and back, for exactly the codecs that artifacts are written with.

What takes zarr hundreds of microseconds a chunk takes tens here: no event loop, no thread, no copies.
The bytes are those of zarr's own codecs (``bytes``, ``vlen-utf8``, ``zstd``, ``blosc``, ``crc32c``), so
either side reads the other's. :func:`chain_of` says None to anything else, which is then zarr's to read.

Which codecs, by a chunk's size and dtype (`benchmarks/reading.py` measures them beside others): numbers are
shuffled and go through Blosc, with a checksum behind. From 8 kB on bits are shuffled and Zstandard
compresses, which leaves the fewest bytes (of random digits 0.85 where plain Zstandard leaves 0.92) and is
read in half of plain Zstandard's time. Smaller chunks go through LZ4: a third of the time for somewhat more
bytes; they are many and hold little. There the bytes of floating-point numbers are shuffled, the bits of
whole ones.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import google_crc32c
import numcodecs.blosc
import numpy as np
from attrs import frozen
from numcodecs import zstd
from numcodecs.vlen import VLenUTF8

# Blosc's threads finish in any order and store blocks in the order of finishing: other bytes every time.
numcodecs.blosc.use_threads = False

_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
_TEXT = VLenUTF8()
LARGE = 8 * 2**10  # bytes of a chunk from which on compressing well is worth its time


def codecs_for(dtype: np.dtype[Any], chunk_bytes: int) -> list[dict[str, Any]]:
    """The codecs of a new array, as its metadata says them.

    Args:
        dtype: of the cells; strings as ``U``.
        chunk_bytes: bytes of a chunk before compression.
    """
    if dtype.kind == "U":
        return [{"name": "vlen-utf8", "configuration": {}}, _ZSTD]
    plain: dict[str, Any] = {"name": "bytes"}
    if dtype.itemsize > 1:
        plain["configuration"] = {"endian": "little"}
    large = chunk_bytes >= LARGE
    blosc = {
        "typesize": dtype.itemsize // (2 if dtype.kind == "c" else 1),
        "cname": "zstd" if large else "lz4",
        "clevel": 5,
        "shuffle": "shuffle" if dtype.kind in "fc" and not large else "bitshuffle",
        "blocksize": 0,
    }
    return [plain, {"name": "blosc", "configuration": blosc}, {"name": "crc32c"}]


_ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": True}}


@frozen
class Chain:
    """Codecs of a chunk that is decoded as a whole.

    Attributes:
        dtype: of the cells; ``object`` for strings.
        steps: codecs after the first, in the order of encoding: name and configuration.
    """

    dtype: np.dtype[Any]
    steps: tuple[tuple[str, Mapping[str, Any]], ...]

    def encode(self, values: np.ndarray) -> bytes:
        """A chunk's bytes; ``values`` has the chunk's full shape."""
        if self.dtype.kind == "O":
            data = _TEXT.encode(np.ascontiguousarray(values, dtype=object))
        else:
            data = np.ascontiguousarray(values, dtype=self.dtype)
        for name, said in self.steps:
            data = _ENCODE[name](data, said)
        return data if isinstance(data, bytes) else bytes(memoryview(data).cast("B"))

    def decode(self, data: bytes, shape: tuple[int, ...], out: np.ndarray | None = None) -> np.ndarray:
        """A chunk's cells, read-only unless they are ``out``.

        Args:
            data: its bytes.
            shape: the chunk's.
            out: filled where given: contiguous, of the chunk's shape and dtype.

        Raises:
            ValueError, RuntimeError: the bytes are damaged.
        """
        count = math.prod(shape)
        size = count * self.dtype.itemsize
        view: Any = data
        last = len(self.steps) - 1
        for i in range(last, -1, -1):
            name, said = self.steps[i]
            if name == "blosc" and i == 0 and out is not None:
                if _blosc_size(view) != size:
                    raise ValueError(f"holds {_blosc_size(view)} bytes, expected {size}")
                numcodecs.blosc.decompress(view, out)
                return out
            view = _DECODE[name](view, said)
        if self.dtype.kind == "O":
            cells = _TEXT.decode(view)
            if cells.size != count:
                raise ValueError(f"holds {cells.size} strings, expected {count}")
            cells = cells.reshape(shape)
        else:
            if len(view) != size:
                raise ValueError(f"holds {len(view)} bytes, expected {size}")
            cells = np.frombuffer(view, self.dtype).reshape(shape)
        if out is None:
            found: np.ndarray = cells
            return found
        out[...] = cells
        return out


def chain_of(codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any]) -> Chain | None:
    """The chain that metadata says; None where it is not one of ours."""
    key = (dtype, str(codecs))
    if key not in _CHAINS:
        if len(_CHAINS) > 1000:  # whatever somebody else's metadata says
            _CHAINS.clear()
        _CHAINS[key] = _chain(codecs, dtype)
    return _CHAINS[key]


_CHAINS: dict[Any, Chain | None] = {}  # a store has many arrays, and few kinds of them


def _chain(codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any]) -> Chain | None:
    if not codecs:
        return None
    first, *rest = [(c.get("name"), c.get("configuration") or {}) for c in codecs]
    if dtype.kind == "O":
        fits = first[0] == "vlen-utf8"
    else:
        fits = first[0] == "bytes" and first[1].get("endian", "little") == "little"
    if not fits or any(name not in _DECODE for name, _ in rest):
        return None
    if any(name == "blosc" and said.get("shuffle") not in _SHUFFLES for name, said in rest):
        return None
    return Chain(dtype, tuple((str(name), said) for name, said in rest))


def add_crc(data: Any) -> bytes:
    """Bytes with their checksum behind them."""
    plain = data if isinstance(data, bytes) else bytes(memoryview(data).cast("B"))
    return plain + struct.pack("<I", google_crc32c.value(plain))


def check_crc(data: Any) -> Any:
    """Bytes without the checksum behind them.

    Raises:
        ValueError: it is another one.
    """
    if len(data) < 4:
        raise ValueError(f"holds {len(data)} bytes, expected a checksum of 4")
    plain = np.frombuffer(data, np.uint8)[:-4]  # google_crc32c takes no memoryview
    if struct.unpack_from("<I", data, len(plain))[0] != google_crc32c.value(plain):
        raise ValueError("the checksum is not that of the bytes")
    return plain


def _blosc_size(data: Any) -> int:
    """Bytes before compression, from Blosc's header, whose length says the bytes after it."""
    if len(data) < 16 or struct.unpack_from("<I", data, 12)[0] != len(data):
        raise ValueError("the bytes are no whole Blosc buffer")
    return int(struct.unpack_from("<I", data, 4)[0])


def _blosc_encode(data: Any, said: Mapping[str, Any]) -> bytes:
    shuffle, name = _SHUFFLES[said["shuffle"]], said["cname"].encode()
    return bytes(
        numcodecs.blosc.compress(data, name, said["clevel"], shuffle, said["blocksize"], said["typesize"])
    )


def _blosc_decode(data: Any, said: Mapping[str, Any]) -> bytes:
    _blosc_size(data)
    return bytes(numcodecs.blosc.decompress(data))


_ENCODE: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "zstd": lambda data, said: zstd.compress(data, said["level"], said["checksum"]),
    "blosc": _blosc_encode,
    "crc32c": lambda data, _: add_crc(data),
}
_DECODE: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "zstd": lambda data, _: zstd.decompress(data),
    "blosc": _blosc_decode,
    "crc32c": lambda data, _: check_crc(data),
}
