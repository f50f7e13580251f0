"""Bytes and files of our store against a compressed npz an analyzer and epoch; called by ``reading.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import frozen
from common import FAMILY, size, table, verdict

BYTES, FILES = 5, 20


def write_npz(variant: Any, folder: Path) -> None:
    """The naive layout: ``<analyzer>.<epoch>.npz``, and ``<analyzer>.npz`` for what spans the trajectory."""
    import plain

    from mi.store.artifacts import ArtifactReader
    from mi.store.layout import VariantPaths

    folder.mkdir()
    reader = ArtifactReader(VariantPaths(variant.folder))
    probe = variant.family.default_probe
    for id in reader.analyzers(probe):
        data = reader.dataset(probe, id).load()
        epochs = data["epoch"].values.tolist() if reader.committed(probe, id) else [None]
        for epoch in epochs:
            part = data if epoch is None else data.sel(epoch=epoch)
            plain.write(plain.npz(folder, id, epoch), {str(n): part[n].values for n in part.data_vars})


class Sizes:
    """Files below some folders: how many, their bytes, and the disk blocks that they fill."""

    def __init__(self, folders: Iterable[Path], files: Iterable[Path] = ()) -> None:
        self._of([*files, *(p for folder in folders for p in folder.rglob("*") if p.is_file())])

    def _of(self, files: list[Path]) -> None:
        stats = [p.stat() for p in files]
        self.files, self.count = files, len(stats)
        self.bytes = sum(s.st_size for s in stats)
        self.blocks = sum(512 * s.st_blocks for s in stats)

    def without(self, path: Path) -> Sizes:
        """The same but for one file."""
        rest = Sizes([])
        rest._of([p for p in self.files if p != path])
        return rest


@frozen
class Stored:
    """One array of the store: what it is, its bytes before compression and as stored, and how it lies."""

    name: str
    dims: str
    dtype: str
    raw: int
    stored: int
    files: int
    codec: str


def arrays_of(variant: Any) -> list[Stored]:
    """Every array that the family's analyzers store."""
    import numpy as np
    import plain

    from mi.store.groups import open_group
    from mi.store.keys import keys_of
    from mi.store.layout import VariantPaths

    groups: dict[str, Any] = {}
    bench = plain.bench_of(variant)
    paths, rows = VariantPaths(variant.folder), []
    epochs = len(bench.subject.epochs)
    for item in bench.items.values():
        spec = bench.group(item, bench.subject.epochs)
        for array in spec.arrays:
            raw = int(np.prod(spec.shape(array, epochs))) * np.dtype(array.dtype).itemsize
            held = groups.setdefault(item.id, open_group(keys_of(paths, bench.probe_name, item.id))).arrays
            place = paths.artifacts / bench.probe_name / item.id / array.name
            chunks = Sizes([place]).without(place / "zarr.json")
            rows.append(
                Stored(
                    f"{item.id}/{array.name}",
                    ", ".join(array.dims),
                    array.dtype,
                    raw,
                    chunks.bytes,
                    chunks.count,
                    codec_of(held[array.name]),
                )
            )
    return rows


def codec_of(array: Any) -> str:
    """How its chunks are made, and how many epochs each holds."""
    steps = dict(array.chain.steps)
    how = ", ".join(steps)
    if "blosc" in steps:
        what = {"shuffle": "bytes", "bitshuffle": "bits"}[steps["blosc"]["shuffle"]]
        how = f"{what} shuffled, {steps['blosc']['cname']}"
    if array.dims[:1] != ("epoch",):
        return how
    return f"{how}; an epoch a chunk" if array.by_row else f"{how}; {array.chunks[0]} epochs a chunk"


def why(dtype: str) -> str:
    if dtype.startswith("float32"):
        return "as torch computes it; half of float64, whose digits the forward pass does not have"
    if dtype.startswith("float64"):
        return "declared so: differences of nearly equal numbers, or a loss below float32's rounding"
    if dtype in ("int8", "bool"):
        return "a few categories"
    return "whole numbers in the smallest type that holds them all"


def sizes(given: Any, ours: Sizes, packed: Sizes, theirs: Sizes, arrays: list[Stored], codecs: str) -> str:
    fewer, less = theirs.count / packed.count, theirs.bytes / packed.bytes
    rows: list[list[object]] = [
        ["npz an analyzer and epoch", theirs.count, size(theirs.bytes), size(theirs.blocks)],
        ["our store, with commit records", ours.count, size(ours.bytes), size(ours.blocks)],
        _ratio("ratio", theirs, ours),
        ["packed (`mi pack`), with commit records", packed.count, size(packed.bytes), size(packed.blocks)],
        _ratio("ratio, packed", theirs, packed),
    ]
    by_dtype: dict[str, list[Stored]] = {}
    for array in arrays:
        by_dtype.setdefault(array.dtype, []).append(array)
    precisions: list[list[object]] = [
        [
            f"{dtype}: {why(dtype)}",
            len(held),
            size(sum(a.raw for a in held)),
            size(sum(a.stored for a in held)),
        ]
        for dtype, held in sorted(by_dtype.items(), key=lambda pair: -sum(a.raw for a in pair[1]))
    ]
    every: list[list[object]] = [
        [
            f"`{a.name}`",
            a.dims,
            a.dtype,
            size(a.raw),
            size(a.stored),
            f"{a.raw / max(a.stored, 1):.1f}",
            a.files,
            a.codec,
        ]
        for a in sorted(arrays, key=lambda a: -a.stored)
    ]
    data = sum(a.stored for a in arrays)
    analyzers = len({a.name.split("/")[0] for a in arrays})
    return f"""## Bytes and files

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints, {given.stride} optimizer steps apart;
{analyzers} analyzers.
The same results at the same precision on both sides; the npz files are `numpy.savez_compressed`'s.

{table(["layout", "files", "bytes", "on disk, in blocks"], rows)}

Targets, packed: 1/{BYTES} of the bytes: {verdict(less >= BYTES)} ({less:.2f} ×);
1/{FILES} of the files: {verdict(fewer >= FILES)} ({fewer:.1f} ×).
Of our bytes {size(data)} are arrays and {size(ours.bytes - data)} are metadata, coordinates and commit
records.
No array is a copy of the checkpoint.

{table(["precision, and why", "arrays", "uncompressed", "stored"], precisions)}

<details><summary>Every array</summary>

{table(["array", "dims", "precision", "uncompressed", "stored", "ratio", "files", "chunks"], every)}

</details>

The same one-epoch chunks in other ways, each with a checksum; processor time of one chunk, one run:

{codecs}"""


def _ratio(label: str, theirs: Sizes, ours: Sizes) -> list[object]:
    return [
        label,
        f"{theirs.count / ours.count:.1f}",
        f"{theirs.bytes / ours.bytes:.2f}",
        f"{theirs.blocks / ours.blocks:.2f}",
    ]
