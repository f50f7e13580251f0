"""What ways of storing the same chunks would take, in bytes and in time; called by ``reading.py``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common import size, table


def ways(dtype: Any) -> dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]]:
    """Name -> making a chunk's bytes, and reading them back; each with a checksum."""
    import numcodecs.blosc
    from numcodecs import Blosc, Shuffle, Zstd

    from mi.store.codecs import add_crc, check_crc

    zstd, shuffle = Zstd(0, checksum=True), Shuffle(dtype.itemsize)
    numcodecs.blosc.use_threads = False

    def blosc(name: str, kind: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        one = Blosc(name, clevel=5, shuffle=kind)
        return (lambda a: add_crc(one.encode(a))), (lambda b: one.decode(check_crc(b)))

    return {
        "as they are": (lambda a: add_crc(a.tobytes()), check_crc),
        "zstd": (zstd.encode, zstd.decode),
        "bytes shuffled, zstd": (
            lambda a: zstd.encode(shuffle.encode(a)),
            lambda b: shuffle.decode(zstd.decode(b)),
        ),
        "bits shuffled, zstd": blosc("zstd", 2),
        "bytes shuffled, lz4": blosc("lz4", 1),
        "bits shuffled, lz4": blosc("lz4", 2),
    }


def compared(variant: Any) -> str:
    """A table: the chunks that hold one epoch, by kind and size, stored in each way."""
    import numpy as np

    from mi.store.codecs import LARGE
    from mi.store.groupcheck import groups_of
    from mi.store.groups import open_group
    from mi.store.keys import keys_of
    from mi.store.layout import VariantPaths

    paths, sums = VariantPaths(variant.folder), dict[tuple[str, str], list[float]]()
    for probe, analyzer in groups_of(paths):
        for array in open_group(keys_of(paths, probe, analyzer)).arrays.values():
            if not array.by_row:
                continue
            rows = [np.ascontiguousarray(row) for row in array.read()]
            large = "large" if rows[0].nbytes >= LARGE else "small"
            kind = f"{'floating-point' if array.dtype.kind in 'fc' else 'whole numbers'}, {large}"
            for way, (encode, decode) in ways(array.dtype).items():
                start = time.process_time()
                stored = [encode(row) for row in rows]
                middle = time.process_time()
                for row, data in zip(rows, stored, strict=True):
                    assert bytes(memoryview(decode(data)).cast("B")) == row.tobytes()
                end = time.process_time()
                total = sums.setdefault((kind, way), [0.0] * 5)
                found = (sum(r.nbytes for r in rows), sum(map(len, stored)), middle - start, end - middle)
                for i, value in enumerate((*found, len(rows))):
                    total[i] += value
    body: list[list[object]] = [
        [
            kind,
            way,
            size(int(raw)),
            size(int(stored)),
            f"{stored / raw:.2f}",
            f"{1e6 * writing / count:.0f} µs",
            f"{1e6 * reading / count:.0f} µs",
        ]
        for (kind, way), (raw, stored, writing, reading, count) in sorted(sums.items())
    ]
    return table(["chunks", "way", "uncompressed", "stored", "ratio", "writing one", "reading one"], body)
