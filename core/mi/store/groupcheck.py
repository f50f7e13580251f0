"""Is one analyzer's group whole? Metadata, axes, commit records and chunks, judged without its plugin."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from zarr.errors import ZarrUserWarning

from mi.errors import MiError
from mi.store.commits import Commits
from mi.store.integrity import DAMAGED, LEFT, Finding, Tally, said, values_of
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of
from mi.store.zarrio import open_arrays, open_group


def groups_of(paths: VariantPaths) -> list[tuple[str, str]]:
    """(probe, analyzer) of everything that has a group, or a commit record, or both; sorted."""
    found = {(p.parent.parent.name, p.parent.name) for p in paths.artifacts.glob("*/*/zarr.json")}
    # A folder without its zarr.json is a damaged group, unless it is one of zarr's own.
    found |= {(p.parent.name, p.name) for p in paths.artifacts.glob("*/*") if p.is_dir()}
    found |= {(p.parent.parent.name, p.parent.name) for p in paths.commits.glob("*/*/[0-9w]*.json")}
    return sorted(found)


def chunks_of(paths: VariantPaths, probe: str, analyzer: str) -> int:
    """How many chunk files a group has: what a progress bar counts."""
    return sum(1 for f in place_of(paths, probe, analyzer).glob("*/c/**/*") if f.is_file()) + sum(
        1 for _ in place_of(paths, probe, analyzer).glob("*/c") if _.is_file()
    )


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
    path, commits = place_of(paths, probe, analyzer), Commits.of(paths, probe, analyzer)
    name = f"{probe}/{analyzer}"
    try:
        held, whole = commits.read(), commits.whole()
    except MiError as error:
        file, _, what = str(error).partition(": ")
        yield Finding(DAMAGED, said(paths, Path(file)), what.partition(";")[0], "analyze")
        return
    some = bool(held) or whole is not None
    try:
        with warnings.catch_warnings():
            # A folder that has lost its zarr.json: missed below, by name.
            warnings.filterwarnings("ignore", message="Object at", category=ZarrUserWarning)
            attrs, arrays = dict(open_group(path).attrs), open_arrays(path)
    except MiError as error:
        if some:
            what = "commit records without arrays" if not path.exists() else _plain(error, path)
            yield Finding(DAMAGED, name, what, "analyze")
        else:
            yield Finding(LEFT, name, "no group of artifacts, and nothing is committed", "clean")
        return
    if not some:
        yield Finding(LEFT, name, "nothing of it is committed", "clean")
    problems = list(_declared(attrs, arrays)) + list(_axes(arrays))
    for array, what in problems:
        yield Finding(DAMAGED, f"{name}/{array}" if array else name, what, "analyze")
    if problems:
        return
    axis: list[int] = []
    if "committed" in arrays:
        values, what = values_of(path / "epoch", arrays["epoch"])
        flags, more = values_of(path / "committed", arrays["committed"])
        if values is None or flags is None:
            place = f"{name}/{'epoch' if values is None else 'committed'}"
            yield Finding(DAMAGED, place, what or more, "analyze" if values is None else "clean")
            return
        axis = [int(e) for e in values]
        yield from _committed(name, axis, flags, held)
    elif held:
        yield Finding(DAMAGED, name, "has commit records of epochs, but no axis of checkpoints", "analyze")
        return
    for key, array in sorted(arrays.items()):
        epochal = "committed" in arrays and array.metadata.dimension_names[:1] == ("epoch",)
        by_row = {i: e for i, e in enumerate(axis) if e in held} if epochal else None
        if key == "committed":
            by_row = {}
        yield from _chunks(paths, path / key, array, by_row, some, tally, deep)


def _declared(attrs: Mapping[str, Any], arrays: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the group's attributes say of its arrays, against the arrays."""
    for name, told in attrs.get("arrays", {}).items():
        if name not in arrays:
            yield name, "the array is missing or its metadata is damaged"
            continue
        dims, dtype = list(arrays[name].metadata.dimension_names or ()), str(arrays[name].dtype)
        if dims != told["dims"]:
            yield (
                name,
                f"has the dimensions ({', '.join(map(str, dims))}), expected ({', '.join(told['dims'])})",
            )
        if np.dtype(arrays[name].dtype) != np.dtype(told["dtype"]):
            yield name, f"has dtype {dtype}, expected {told['dtype']}"


def _axes(arrays: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every dimension has coordinates of its length."""
    if "committed" in arrays and "epoch" not in arrays:
        yield "epoch", "the axis is missing or its metadata is damaged"
        return
    for name, array in sorted(arrays.items()):
        dims = array.metadata.dimension_names or ()
        if len(dims) != len(array.shape) or None in dims:
            yield name, f"has {len(array.shape)} dimensions, of which {len(dims)} are named"
            continue
        for dim, length in zip(dims, array.shape, strict=True):
            if dim not in arrays:
                yield name, f"has the dimension {dim!r}, whose coordinates are missing"
            elif arrays[dim].shape != (length,):
                yield name, f"is {length} long along {dim!r}, which has {arrays[dim].shape[0]} coordinates"


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
    place: Path,
    array: Any,
    by_row: Mapping[int, int] | None,
    some: bool,
    tally: Tally,
    deep: bool,
) -> Iterator[Finding]:
    """Chunks of one array; ``by_row``: position -> committed epoch, None where there is no axis of epochs."""
    grid = [-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True)]
    known: set[Path] = set()
    for block in np.ndindex(*grid):
        low = block[0] * array.chunks[0] if block else 0
        file = place.joinpath("c", *map(str, block))
        known.add(file)
        epochs = [] if by_row is None else [
            by_row[i] for i in range(low, low + array.chunks[0]) if i in by_row
        ]  # fmt: skip
        vital = some if by_row is None else bool(epochs)
        at = f" (epoch {some_of(epochs)})" if epochs else ""
        if not file.exists():
            if vital:
                what = f"missing chunk{at}"
                yield Finding(DAMAGED, said(paths, file), what, "analyze", tuple(epochs), file)
            continue
        tally.read(file)
        if not deep:
            continue
        values, problem = values_of(place, array, block)
        if values is None and vital:
            what = f"damaged chunk{at}, {problem}"
            yield Finding(DAMAGED, said(paths, file), what, "analyze", tuple(epochs), file)
        elif values is None:
            what = f"damaged chunk without results, {problem}"
            yield Finding(LEFT, said(paths, file), what, "clean", file=file)
    if deep:
        for file in sorted(place.glob("c/**/*")):
            if file.is_file() and file not in known and file.suffix != ".partial":
                yield Finding(LEFT, said(paths, file), "a chunk outside the array", "clean", file=file)


def some_of(epochs: list[int]) -> str:
    """A few epochs, for a sentence."""
    shown = ", ".join(f"{e:,}" for e in epochs[:4])
    return shown + (f" and {len(epochs) - 4} more" if len(epochs) > 4 else "")


def _plain(error: MiError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
