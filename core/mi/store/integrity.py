"""Is what lies in a variant's folder whole? Read-only, and without plugins: from files and records alone.

`mi verify` reads every chunk (``deep``); a quick look (not ``deep``) reads metadata, records and axes, and
looks whether chunks are there. What a plugin would compute now is no question here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from mi.errors import CheckpointError, MiError
from mi.store.checkpoints import check_content, list_checkpoints, list_states
from mi.store.files import partials
from mi.store.groups import open_group
from mi.store.keys import Folder, Keys, damage_of, hierarchy
from mi.store.layout import VariantPaths
from mi.store.losses import losses_leftovers
from mi.store.nodes import NODE, plain

if TYPE_CHECKING:
    import numpy as np

    from mi.store.arrays import Array

# `damaged` fails a check; `left` is harmless and takes room; `note` is worth saying.
DAMAGED, LEFT, NOTE = "damaged", "left", "note"


@frozen
class Finding:
    """One thing that is not as it ought to be.

    Attributes:
        state: ``damaged``, ``left`` (what a killed process left behind) or ``note``.
        where: a file or group, relative to the variant's folder.
        what: one sentence, without the place.
        mend: a verb of `mi` that mends it (``analyze``, ``clean``, ``train``); empty where none does.
        epochs: committed epochs that it costs, where it does not cost the whole group.
        file: the file, where it is a single one that could go.
    """

    state: str
    where: str
    what: str
    mend: str = ""
    epochs: tuple[int, ...] = ()
    file: Path | None = None


def mending(finding: Finding, variant: str) -> str:
    """What mends a finding of a variant: a command, or what to do by hand."""
    if finding.mend == "train":
        return "put the file back from a copy, or remove it: then its epoch is no checkpoint any more"
    if finding.mend == "clean":
        return f"mi clean {variant}"
    if finding.mend == "analyze" and finding.where.startswith("activations.zarr"):
        return f"mi clean {variant}, and keep it again: mi analyze {variant} --keep SITE"
    if finding.mend == "analyze":
        clean = f"mi clean {variant} && " if finding.state == DAMAGED else ""
        return f"{clean}mi analyze {variant}"
    return ""


@define
class Tally:
    """What was read.

    Attributes:
        seen: called with the place of each key read.
        chunks, bytes, checkpoints: how much.
    """

    seen: Callable[[Path], None] | None = None
    chunks: int = 0
    bytes: int = 0
    checkpoints: int = 0
    nonfinite: dict[int, int] = field(factory=dict)  # epoch -> cells of weights that are not finite

    def read(self, keys: Keys, key: str, *, chunk: bool = True) -> None:
        """Count a key."""
        self.chunks += chunk
        self.bytes += keys.size(key)
        if self.seen is not None:
            self.seen(keys.file(key))


def check_files(paths: VariantPaths, tally: Tally, *, deep: bool) -> Iterator[Finding]:
    """Checkpoints, training states, losses, the root of artifacts, leftovers; not groups: `groupcheck`.

    Args:
        paths: the variant's.
        tally: told what was read.
        deep: whether every byte is read.
    """
    yield from _weights(paths, tally, deep)
    yield from _losses(paths, tally)
    yield from check_root(paths)
    yield from check_root(paths.kept)
    for file in leftovers(paths):
        yield Finding(LEFT, said(paths, file), "left behind by a process that was killed", "clean")


def files_of(paths: VariantPaths) -> int:
    """How many files :func:`check_files` tells its tally of, at most: what a progress bar counts."""
    chunks = Folder(str(paths.losses)).below() if paths.losses.exists() else []
    return len(list_checkpoints(paths)) + sum(map(is_chunk, chunks))


def is_chunk(key: str) -> bool:
    """Whether a key of a zarr hierarchy is a chunk's, or a shard's, and no metadata's."""
    return "/c/" in key or key.endswith("/c")


def leftovers(paths: VariantPaths) -> list[Path]:
    """Files and folders that a killed process left behind, sorted: nobody reads them."""
    found = {paths.staging} if paths.staging.is_dir() and any(paths.staging.iterdir()) else set()
    if paths.artifacts.is_dir() and paths.packed.exists():  # killed while packing: the folder counts
        found.add(paths.packed)
    found.update(losses_leftovers(paths))
    found.update(file for file in partials(paths) if found.isdisjoint(file.parents))
    return sorted(found)


def said(paths: VariantPaths, file: Path) -> str:
    """A path relative to the variant's folder, for messages."""
    return str(file.relative_to(paths.root)) if file.is_relative_to(paths.root) else str(file)


def _weights(paths: VariantPaths, tally: Tally, deep: bool) -> Iterator[Finding]:
    shapes: dict[Path, tuple[Any, ...]] = {}
    files = {c.path: c.epoch for c in list_checkpoints(paths)}
    for file, epoch in files.items():
        where = said(paths, file)
        try:
            shapes[file], bad = _tensors(file, deep)
        except CheckpointError as error:
            yield Finding(DAMAGED, where, str(error).removeprefix(f"{file}: "), "train")
            continue
        tally.read(Folder(str(file.parent)), file.name, chunk=False)
        tally.checkpoints += 1
        if bad:
            tally.nonfinite[epoch] = bad
            yield Finding(NOTE, where, f"{bad:,} of its weights are NaN or infinite")
    usual = Counter(shapes.values()).most_common(1)
    for file, found in shapes.items():
        if found != usual[0][0]:
            yield Finding(DAMAGED, said(paths, file), _differs(found, usual[0][0]), "train")
    for file in list_states(paths).values():
        try:
            _tensors(file, deep)
        except CheckpointError as error:
            yield Finding(DAMAGED, said(paths, file), str(error).removeprefix(f"{file}: "), "train")


def _tensors(file: Path, deep: bool) -> tuple[tuple[Any, ...], int]:
    """Names, shapes and dtypes of a safetensors file, sorted; and how many cells are not finite (``deep``).

    Raises:
        CheckpointError: the file is missing, truncated, no safetensors file, or (``deep``) changed.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    found, bad = [], 0
    try:
        with safe_open(file, framework="pt") as held:
            for name in sorted(held.keys()):
                view = held.get_slice(name)
                found.append((name, tuple(view.get_shape()), view.get_dtype()))
                if deep:
                    tensor = held.get_tensor(name)
                    if tensor.is_floating_point():
                        bad += int((~torch.isfinite(tensor)).sum())
        if deep:
            check_content(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{file}: damaged or no safetensors file ({error})") from None
    return tuple(found), bad


def _differs(found: tuple[Any, ...], usual: tuple[Any, ...]) -> str:
    name = min(set(found) ^ set(usual))[0]
    here, there = ({one[0]: one[1:] for one in side}.get(name) for side in (found, usual))
    if here is None or there is None:
        return f"{'lacks' if here is None else 'holds'} the tensor {name!r}, unlike the other checkpoints"
    return (
        f"tensor {name!r} is {here[1]} {tuple(here[0])}, expected {there[1]} {tuple(there[0])} "
        "as in the other checkpoints"
    )


def _losses(paths: VariantPaths, tally: Tally) -> Iterator[Finding]:
    if not paths.losses.exists():
        return
    keys, where = Folder(str(paths.losses)), said(paths, paths.losses)
    try:
        group = open_group(keys, own=True)
        length = len(group.epochs()) if "epoch" in group.arrays else None
    except MiError as error:
        yield Finding(DAMAGED, where, _without(error, paths), "train")
        return
    if length is None:
        yield Finding(DAMAGED, where, "has no axis 'epoch'", "train")
    for name, array in sorted(group.arrays.items()):
        place = paths.losses / name
        if array.shape != (length,) and length is not None:
            what = f"has shape {array.shape}, expected ({length},) as its axis 'epoch'"
            yield Finding(DAMAGED, said(paths, place), what, "train")
        there = []
        for key in map(array.key, array.files()):
            if keys.exists(key):
                there.append(key)
            else:
                yield Finding(DAMAGED, said(paths, keys.file(key)), "missing chunk", "train")
        if len(there) == len(list(array.files())):
            values, problem = values_of(array)
            if values is None:
                yield Finding(DAMAGED, said(paths, place), problem, "train")
                continue
        for key in there:
            tally.read(keys, key)


def check_root(paths: VariantPaths) -> Iterator[Finding]:
    """The consolidated metadata, which plain xarray reads, says of each node what the node itself says."""
    keys = hierarchy(paths)
    if why := damage_of(paths):
        yield Finding(DAMAGED, said(paths, paths.packed), why, "clean", file=paths.packed)
        return
    if not keys.file().exists():
        return
    where = said(paths, keys.file(NODE))
    try:
        told = json.loads(keys.read(NODE)).get("consolidated_metadata")
    except (OSError, ValueError, AttributeError) as error:
        yield Finding(DAMAGED, where, f"cannot be read ({error})", "clean")
        return
    if told is None:
        yield Finding(LEFT, where, "has no consolidated metadata, so plain xarray warns", "clean")
        return
    nodes = {key.removesuffix(f"/{NODE}") for key in keys.below() if key.endswith(f"/{NODE}")}
    wrong = sorted(nodes ^ set(told["metadata"]))
    for node in sorted(nodes & set(told["metadata"])):
        try:
            own, consolidated = json.loads(keys.read(f"{node}/{NODE}")), told["metadata"][node]
            if plain(own) != plain(consolidated):
                wrong.append(node)
        except (OSError, ValueError):  # the group's own check says it
            continue
    if wrong:
        what = f"its consolidated metadata is not that of {wrong[0]}, so plain xarray reads it wrongly"
        yield Finding(DAMAGED, where, what, "clean")


def values_of(array: Array, file: tuple[int, ...] | None = None) -> tuple[np.ndarray | None, str]:
    """What a file of an array holds, or all of the array; or None and what is wrong with the bytes."""
    try:
        return array.read() if file is None else array.chunk(file), ""
    except MiError as error:
        return None, f"cannot be read ({str(error).rpartition(': ')[2].partition(';')[0]})"
    except Exception as error:  # codecs raise RuntimeError, ValueError, KeyError, … on damaged bytes
        return None, f"cannot be read ({type(error).__name__}: {error})"


def _without(error: MiError, paths: VariantPaths) -> str:
    """An error's sentence without the place, which is said beside it."""
    text = str(error)
    return text.partition(": ")[2] if text.startswith(str(paths.root)) else text
