"""Is one analyzer's group whole? Metadata, axes, commit records and chunks, judged without its plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mi.errors import MiError
from mi.store.arrays import Array
from mi.store.commits import Commits
from mi.store.groups import open_group
from mi.store.integrity import DAMAGED, LEFT, Finding, Tally, is_chunk, said, values_of
from mi.store.keys import Keys, damage_of, hierarchy, keys_of
from mi.store.layout import VariantPaths
from mi.store.nodes import INLINE, NODE, plain


def groups_of(paths: VariantPaths) -> list[tuple[str, str]]:
    """(probe, analyzer) of everything that has a group, or a commit record, or both; sorted."""
    # A folder without its zarr.json is a damaged group, unless it is one of zarr's own.
    root, found = hierarchy(paths), set()
    if not damage_of(paths):
        found = {(probe, analyzer) for probe in root.children() for analyzer in root.children(probe)}
    found |= {(p.parent.parent.name, p.parent.name) for p in paths.commits.glob("*/*/[0-9w]*.json")}
    return sorted(found)


def chunks_of(paths: VariantPaths, probe: str, analyzer: str) -> int:
    """How many chunk files a group has: what a progress bar counts."""
    if damage_of(paths):
        return 0
    return sum(map(is_chunk, keys_of(paths, probe, analyzer).below()))


def check_group(
    paths: VariantPaths, probe: str, analyzer: str, tally: Tally, *, deep: bool
) -> Iterator[Finding]:
    """Everything that is wrong with one group; nothing when it is whole.

    Args:
        paths: the variant's.
        probe, analyzer: the group's place.
        tally: told what was read.
        deep: whether every chunk is read and decoded, which finds a flipped bit (chunks carry a checksum).
    """
    keys, commits = keys_of(paths, probe, analyzer), Commits.of(paths, probe, analyzer)
    path = keys.file()
    name = f"{paths.prefix}{probe}/{analyzer}"
    try:
        held, whole = commits.read(), commits.whole()
    except MiError as error:
        file, _, what = str(error).partition(": ")
        yield Finding(DAMAGED, said(paths, Path(file)), what.partition(";")[0], "analyze")
        return
    some = bool(held) or whole is not None
    if some and damage_of(paths):
        yield Finding(DAMAGED, name, f"{paths.packed.name} cannot be read", "analyze")
        return
    try:
        group = open_group(keys, own=True)
    except MiError as error:
        if some:
            gone = not keys.exists(NODE) and not keys.children()
            what = "commit records without arrays" if gone else _plain(error, path)
            yield Finding(DAMAGED, name, what, "analyze")
        else:
            yield Finding(LEFT, name, "no group of artifacts, and nothing is committed", "clean")
        return
    if not some:
        yield Finding(LEFT, name, "nothing of it is committed", "clean")
    arrays = group.arrays
    problems = [*_declared(group.attrs, arrays), *_axes(arrays), *_told(keys)]
    for array, what in problems:
        yield Finding(DAMAGED, f"{name}/{array}" if array else name, what, "analyze")
    if problems:
        return
    axis: list[int] = []
    if "committed" in arrays:
        values, what = values_of(arrays["epoch"])
        flags, more = values_of(arrays["committed"])
        if values is None or flags is None:
            place = f"{name}/{'epoch' if values is None else 'committed'}"
            yield Finding(DAMAGED, place, what or more, "analyze" if values is None else "clean")
            return
        axis = [int(e) for e in values]
        yield from _committed(name, axis, flags, held)
    elif held:
        yield Finding(DAMAGED, name, "has commit records of epochs, but no axis of checkpoints", "analyze")
        return
    for key, one in sorted(arrays.items()):
        epochal = "committed" in arrays and one.dims[:1] == ("epoch",)
        by_row = {i: e for i, e in enumerate(axis) if e in held} if epochal else None
        if key == "committed":
            by_row = {}
        yield from _chunks(paths, one, by_row, some, tally, deep)


def _declared(attrs: Mapping[str, Any], arrays: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """What the group's attributes say of its arrays, against the arrays."""
    for name, told in attrs.get("arrays", {}).items():
        if name not in arrays:
            yield name, "the array is missing or its metadata is damaged"
            continue
        dims, dtype = list(arrays[name].dims), str(arrays[name].dtype)
        if dims != told["dims"]:
            yield (
                name,
                f"has the dimensions ({', '.join(map(str, dims))}), expected ({', '.join(told['dims'])})",
            )
        if np.dtype(arrays[name].dtype) != np.dtype(told["dtype"]):
            yield name, f"has dtype {dtype}, expected {told['dtype']}"


def _axes(arrays: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """Every dimension has coordinates of its length."""
    if "committed" in arrays and "epoch" not in arrays:
        yield "epoch", "the axis is missing or its metadata is damaged"
        return
    for name, array in sorted(arrays.items()):
        dims = array.dims
        if len(dims) != len(array.shape) or None in dims:
            yield name, f"has {len(array.shape)} dimensions, of which {len(dims)} are named"
            continue
        for dim, length in zip(dims, array.shape, strict=True):
            if dim not in arrays:
                yield name, f"has the dimension {dim!r}, whose coordinates are missing"
            elif arrays[dim].shape != (length,):
                yield name, f"is {length} long along {dim!r}, which has {arrays[dim].shape[0]} coordinates"


def _told(keys: Keys) -> Iterator[tuple[str, str]]:
    """What the group's metadata says of its arrays is what each array's says."""
    node = json.loads(keys.read(NODE))
    if INLINE not in node:
        return
    told = node[INLINE]["metadata"]
    own = {name for name in keys.children() if keys.exists(f"{name}/{NODE}")}
    for name in sorted(own | told.keys()):
        if name not in own:
            yield name, "the array is missing or its metadata is damaged"
        elif name not in told or plain(json.loads(keys.read(f"{name}/{NODE}"))) != plain(told[name]):
            yield name, "its metadata is not what the group's says of it"


def _committed(name: str, axis: list[int], flags: np.ndarray, held: Mapping[int, str]) -> Iterator[Finding]:
    if len(set(axis)) < len(axis):
        yield Finding(DAMAGED, f"{name}/epoch", "an epoch stands twice on the axis", "analyze")
        return
    if stray := sorted(held.keys() - set(axis)):
        what = f"committed epochs that its axis does not hold: {some_of(stray)}"
        yield Finding(DAMAGED, name, what, "analyze")
    flagged = {e for e, flag in zip(axis, flags.tolist(), strict=True) if flag}
    if wrong := sorted(flagged ^ (held.keys() & set(axis))):
        what = f"the coordinate 'committed' differs from the commit records at epoch {some_of(wrong)}"
        yield Finding(DAMAGED, f"{name}/committed", what, "clean")


def _chunks(
    paths: VariantPaths,
    array: Array,
    by_row: Mapping[int, int] | None,
    some: bool,
    tally: Tally,
    deep: bool,
) -> Iterator[Finding]:
    """Chunks of one array; ``by_row``: position -> committed epoch, None where there is no axis of epochs."""
    keys, known = array.keys, set()
    for block in array.files():
        key = array.key(block)
        known.add(key)
        low = block[0] * array.chunks[0] if block else 0
        rows = [] if by_row is None else [
            i for i in range(low, low + array.chunks[0]) if i in by_row
        ]  # fmt: skip
        epochs = [by_row[i] for i in rows] if by_row is not None else []
        vital = some if by_row is None else bool(epochs)
        file = keys.file(key)
        if not keys.exists(key):
            if vital:
                what = f"missing chunk{_at(epochs)}"
                yield Finding(DAMAGED, said(paths, file), what, "analyze", tuple(epochs), file)
            continue
        tally.read(keys, key)
        if not deep:
            continue
        problem, lost = _damage(array, block)
        if problem and vital:
            what = f"damaged chunk{_at(epochs)}, {problem}"
            yield Finding(DAMAGED, said(paths, file), what, "analyze", tuple(epochs), file)
        elif problem:
            what = f"damaged chunk without results, {problem}"
            yield Finding(LEFT, said(paths, file), what, "clean", file=file)
        for problem, here in _by_problem({i: lost[i - low] for i in rows if i - low in lost}).items():
            gone = [by_row[i] for i in here] if by_row is not None else []
            what = f"damaged chunk{_at(gone)}, {problem}"
            yield Finding(DAMAGED, said(paths, file), what, "analyze", tuple(gone), file)
    if deep:
        for key in keys.below(array.name):
            if "/c/" in key and key not in known and not key.endswith(".partial"):
                what, file = "a chunk outside the array", keys.file(key)
                yield Finding(LEFT, said(paths, file), what, "clean", file=file)


def _damage(array: Array, block: tuple[int, ...]) -> tuple[str, dict[int, str]]:
    """What is wrong with a whole file, or with single rows of one that holds them apart."""
    if not array.by_row:
        return values_of(array, block)[1], {}
    lost = {}
    try:
        rows = array.split_rows(block)
    except Exception as error:  # an index that is damaged, or shorter than it says
        return f"cannot be read ({type(error).__name__}: {error})", {}
    for i, row in enumerate(rows):
        try:
            if row is None:
                lost[i] = "it is not there"
            else:
                array.chain.decode(row, array.inner)
        except Exception as error:  # codecs raise RuntimeError, ValueError, KeyError, … on damaged bytes
            lost[i] = f"cannot be read ({type(error).__name__}: {error})"
    return "", lost


def _by_problem(lost: Mapping[int, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, problem in lost.items():
        found.setdefault(problem, []).append(row)
    return found


def _at(epochs: list[int]) -> str:
    return f" (epoch {some_of(epochs)})" if epochs else ""


def some_of(epochs: list[int]) -> str:
    """A few epochs, for a sentence."""
    shown = ", ".join(f"{e:,}" for e in epochs[:4])
    return shown + (f" and {len(epochs) - 4} more" if len(epochs) > 4 else "")


def _plain(error: MiError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
