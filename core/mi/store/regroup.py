"""From one generation of a group to the next: files that stay are linked, rows that move are copied.

Rows of shards move without being decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mi.store.arrays import Array
from mi.store.files import fsync_files, link, write_file


def move(
    source: Array, target: Array, old: Sequence[int], new: Sequence[int], kept: Mapping[int, int]
) -> None:
    """Bring an array's committed rows to their places in the next generation, on the disk.

    Args:
        source: the array as it is.
        target: the array of the next generation; without chunks yet.
        old: the epochs along the source's axis.
        new: along the target's.
        kept: epoch -> its position in the source.

    Raises:
        OSError: the folder cannot be written.
        Exception: a source's chunk is damaged.
    """
    written = []
    alike = _cut(source) == _cut(target)
    step = target.chunks[0]
    for low in range(0, len(new), step):
        rows = range(low, min(low + step, len(new)))
        if not any(new[i] in kept for i in rows):
            continue
        for file in target.files(low, rows[-1] + 1):
            place = target.keys.file(target.key(file))
            if alike and old[low : low + step] == new[low : low + step] and _has(source, file):
                link(source.keys.file(source.key(file)), place)
                continue
            write_file(
                place, _content(source, target, file, {i: kept[new[i]] for i in rows if new[i] in kept})
            )
            written.append(place)
    fsync_files(written)


def _cut(array: Array) -> tuple[object, ...]:
    return (array.chunks, array.inner, array.shape[1:], array.dtype, array.chain, array.shard)


def _has(array: Array, file: tuple[int, ...]) -> bool:
    return array.keys.exists(array.key(file))


def _content(source: Array, target: Array, file: tuple[int, ...], rows: Mapping[int, int]) -> bytes:
    """A file's bytes; ``rows``: position in the target -> position in the source."""
    low = file[0] * target.chunks[0]
    if target.by_row and source.by_row and source.inner == target.inner and source.chain == target.chain:
        shards: dict[int, list[bytes | None]] = {}
        parts: list[bytes | None] = [None] * target.chunks[0]
        for here, there in rows.items():
            first, i = divmod(there, source.chunks[0])
            if first not in shards:
                shards[first] = source.split_rows((first, *file[1:]))
            parts[here - low] = shards[first][i]
        return target.join_rows(parts)
    ends = zip(file[1:], target.chunks[1:], target.shape[1:], strict=True)
    rest = [slice(i * c, min((i + 1) * c, n)) for i, c, n in ends]
    height = min(target.chunks[0], target.shape[0] - low)
    cells = np.full((height, *[r.stop - r.start for r in rest]), target.fill, target.dtype)
    cells[[i - low for i in rows]] = source.read((np.asarray(list(rows.values())), *rest))
    return target.encode(cells)
