"""An outer index cut by chunks: which cells of which chunk go where."""

from __future__ import annotations

from typing import Any

import numpy as np

# (chunk along an axis, what of it, where that goes)
Part = tuple[int, "slice | np.ndarray", "slice | np.ndarray"]


def parts_of(one: Any, length: int, step: int) -> tuple[list[Part], int]:
    """An axis' index cut by chunks, and how many positions it takes."""
    if isinstance(one, int | np.integer):
        at = int(one) + (length if one < 0 else 0)
        if not 0 <= at < length:
            raise IndexError(f"position {one} is outside an axis of {length}")
        return [(at // step, slice(at % step, at % step + 1), slice(0, 1))], 1
    if isinstance(one, slice):
        start, stop, by = one.indices(length)
        if by == 1:
            stop = max(stop, start)
            chunks = range(start // step, -(-stop // step)) if stop > start else range(0)
            return [
                (
                    i,
                    slice(max(start - i * step, 0), min(stop - i * step, step)),
                    slice(max(i * step - start, 0), min((i + 1) * step, stop) - start),
                )
                for i in chunks
            ], stop - start
        one = np.arange(start, stop, by)
    places = np.asarray(one)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    places = np.where(places < 0, places + length, places).astype(np.int64)
    if places.size and not (places.min() >= 0 and places.max() < length):
        raise IndexError(f"a position is outside an axis of {length}")
    chunk = places // step
    there = [(int(i), np.flatnonzero(chunk == i)) for i in np.unique(chunk)]
    return [(i, places[at] - i * step, at) for i, at in there], len(places)


def is_full(one: Any, length: int) -> bool:
    """Whether an axis' index takes all of it, in order."""
    return isinstance(one, slice) and one.indices(length) == (0, length, 1)


def is_all(part: slice | np.ndarray, length: int) -> bool:
    """Whether what is taken of a chunk along an axis is all of it."""
    return isinstance(part, slice) and part.start == 0 and part.stop == length


def place(parts: tuple[Part, ...], cells: np.ndarray, out: np.ndarray) -> None:
    """What was asked for of a decoded chunk, to where it goes."""
    if sum(isinstance(part[1], np.ndarray) for part in parts) > 1:
        both = [(_positions(part[1]), _positions(part[2])) for part in parts]
        out[np.ix_(*[b for _, b in both])] = cells[np.ix_(*[a for a, _ in both])]
    else:
        out[tuple(part[2] for part in parts)] = cells[tuple(part[1] for part in parts)]


def _positions(part: slice | np.ndarray) -> np.ndarray:
    return np.arange(part.start, part.stop) if isinstance(part, slice) else part
