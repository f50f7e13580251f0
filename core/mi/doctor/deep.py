"""Every chunk of every array, read: the checksum of a chunk turns a flipped bit into an error."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mi.doctor.context import Context
from mi.doctor.finding import PROBLEM
from mi.store.commits import Commits
from mi.store.layout import VariantPaths

Found = Iterator[tuple[str, str, str]]


def read(paths: VariantPaths, analyze: str, variant: str, context: Context) -> Found:
    """(state, sentence, how to mend it) of every chunk that is there and cannot be read; memory: a chunk.

    Args:
        paths: the variant's.
        analyze: the command that computes its artifacts again.
        variant: for the progress.
        context: its progress is told of each array.
    """
    groups = [file.parent for file in sorted(paths.artifacts.glob("*/*/zarr.json"))]
    arrays = [file.parent for group in [*groups, paths.losses] for file in sorted(group.glob("*/zarr.json"))]
    for folder in context.progress(f"{variant}: arrays", arrays):
        for file, problem in _unreadable(folder):
            yield PROBLEM, f"{file}: damaged chunk ({problem})", _mend(paths, folder, file, analyze)


def _unreadable(folder: Path) -> Iterator[tuple[Path, str]]:
    import zarr

    try:
        array: Any = zarr.open_array(folder, mode="r")
    except Exception as error:  # whatever damaged metadata make zarr raise
        yield folder / "zarr.json", f"{type(error).__name__}: {error}"
        return
    steps = array.chunks
    for place in itertools.product(*(range(-(-n // s)) for n, s in zip(array.shape, steps, strict=True))):
        file = folder.joinpath("c", *map(str, place))
        if not file.exists():
            continue  # no epoch of it is computed yet, or the cheap look has said so
        try:
            array[tuple(slice(i * s, (i + 1) * s) for i, s in zip(place, steps, strict=True))]
        except Exception as error:  # codecs raise RuntimeError, ValueError, … on damaged bytes
            yield file, f"{type(error).__name__}: {error}"


def _mend(paths: VariantPaths, folder: Path, file: Path, analyze: str) -> str:
    if folder.parent == paths.losses:
        return "restore it from a copy; only training again measures these losses again"
    analyzer, probe = folder.parent.name, folder.parent.parent.name
    coordinate = folder.name not in _results(folder.parent)
    if coordinate or file.name == "zarr.json":
        # Coordinates are written when a group is made; without commit records it is made anew.
        return f"rm -r {shlex.quote(str(Commits.of(paths, probe, analyzer).folder))} && {analyze}"
    return f"rm {shlex.quote(str(file))} && {analyze}"


def _results(group: Path) -> set[str]:
    """Names of a group's arrays that are no coordinates."""
    import json

    try:
        return set(json.loads((group / "zarr.json").read_bytes())["attributes"]["arrays"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()
