"""Commit records against the files of the arrays that they vouch for, by names and JSON alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mi.doctor.finding import PROBLEM, WARNING
from mi.errors import MiError
from mi.store.checkpoints import list_checkpoints
from mi.store.commits import Commits
from mi.store.layout import VariantPaths

Found = Iterator[tuple[str, str, str]]


def look(paths: VariantPaths, analyze: str) -> Found:
    """(state, sentence, how to mend it) of everything that does not fit.

    Args:
        paths: the variant's.
        analyze: the command that computes its artifacts again.
    """
    count = len(list_checkpoints(paths))
    groups = {(f.parent.parent.name, f.parent.name) for f in paths.artifacts.glob("*/*/zarr.json")}
    recorded = {(f.parent.name, f.name) for f in paths.commits.glob("*/*") if f.is_dir()}
    for probe, analyzer in sorted(groups | recorded):
        commits, group = Commits.of(paths, probe, analyzer), paths.artifacts / probe / analyzer
        try:
            held, whole = commits.read(), commits.whole()
        except MiError as error:
            yield PROBLEM, str(error), analyze
            continue
        if not held and whole is None:
            sentence = f"{group}: nothing of it is committed, so nothing reads it"
            yield WARNING, sentence, analyze
            continue
        try:
            arrays = dict(_arrays(group))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            mend = f"rm -r {commits.folder} && {analyze}"
            yield PROBLEM, f"{group}: committed, and its metadata cannot be read ({said})", mend
            continue
        yield from _chunks(arrays, len(held), whole is not None, analyze)
        if whole is None and len(held) < count:
            sentence = f"{group}: {len(held)} of {count} checkpoints are analyzed"
            yield WARNING, sentence, analyze


def _arrays(group: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Folder -> metadata of every array of a group; those that the group says it has must be there."""
    attributes = json.loads((group / "zarr.json").read_bytes())["attributes"]
    declared = set(attributes.get("arrays", {}))
    present = {file.parent.name for file in group.glob("*/zarr.json")}
    for name in sorted(declared | present):
        yield group / name, json.loads((group / name / "zarr.json").read_bytes())


def _chunks(arrays: Mapping[Path, Mapping[str, Any]], held: int, whole: bool, analyze: str) -> Found:
    """Chunks that are missing or empty, where all must be there: what lies where is not read."""
    for folder, metadata in arrays.items():
        shape = metadata["shape"]
        epochal = metadata.get("dimension_names", [None])[:1] == ["epoch"]
        if 0 in shape or (epochal and not whole and held < shape[0]):
            continue
        for file in chunk_files(folder, metadata):
            try:
                wrong = "" if file.stat().st_size else "empty"
            except OSError:
                wrong = "missing"
            if wrong:
                mend = analyze if wrong == "missing" else f"rm {file} && {analyze}"
                yield PROBLEM, f"{file}: {wrong} chunk", mend


def chunk_files(folder: Path, metadata: Mapping[str, Any]) -> Iterator[Path]:
    """The files of all chunks of an array."""
    steps = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    counts = [range(-(-length // step)) for length, step in zip(metadata["shape"], steps, strict=True)]
    for place in itertools.product(*counts):
        yield folder.joinpath("c", *map(str, place))
