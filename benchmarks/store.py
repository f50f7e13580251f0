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

    def __init__(self, folders: Iterable[Path]) -> None:
        self._of([p for folder in folders for p in folder.rglob("*") if p.is_file()])

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
    """One array of the store: what it is, its bytes before compression and as stored, and its chunks."""

    name: str
    dims: str
    dtype: str
    raw: int
    stored: int
    chunks: int


def arrays_of(variant: Any) -> list[Stored]:
    """Every array that the family's analyzers store."""
    import numpy as np
    import plain

    from mi.store.layout import VariantPaths

    bench = plain.bench_of(variant)
    root, rows = VariantPaths(variant.folder).artifacts / bench.probe_name, []
    epochs = len(bench.subject.epochs)
    for item in bench.items.values():
        spec = bench.group(item, bench.subject.epochs)
        for array in spec.arrays:
            raw = int(np.prod(spec.shape(array, epochs))) * np.dtype(array.dtype).itemsize
            place = root / item.id / array.name
            chunks = Sizes([place]).without(place / "zarr.json")
            rows.append(
                Stored(
                    f"{item.id}/{array.name}",
                    ", ".join(array.dims),
                    array.dtype,
                    raw,
                    chunks.bytes,
                    chunks.count,
                )
            )
    return rows


def why(dtype: str) -> str:
    if dtype.startswith("float32"):
        return "as torch computes it; half of float64, whose digits the forward pass does not have"
    if dtype.startswith("float64"):
        return "declared so: differences of nearly equal numbers, or a loss below float32's rounding"
    if dtype in ("int8", "bool"):
        return "a few categories"
    return "whole numbers in the smallest type that holds them all"


def sizes(given: Any, ours: Sizes, theirs: Sizes, arrays: list[Stored]) -> str:
    fewer, less = theirs.count / ours.count, theirs.bytes / ours.bytes
    rows: list[list[object]] = [
        ["npz an analyzer and epoch", theirs.count, size(theirs.bytes), size(theirs.blocks)],
        ["our store, with commit records", ours.count, size(ours.bytes), size(ours.blocks)],
        ["ratio", f"{fewer:.1f}", f"{less:.2f}", f"{theirs.blocks / ours.blocks:.2f}"],
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
            a.chunks,
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

Targets: 1/{BYTES} of the bytes: {verdict(less >= BYTES)} ({less:.2f} ×);
1/{FILES} of the files: {verdict(fewer >= FILES)} ({fewer:.1f} ×).
Of our bytes {size(data)} are arrays and {size(ours.bytes - data)} are metadata, coordinates and commit
records.
No array is a copy of the checkpoint.

{table(["precision, and why", "arrays", "uncompressed", "stored"], precisions)}

<details><summary>Every array</summary>

{table(["array", "dims", "precision", "uncompressed", "stored", "ratio", "chunks"], every)}

</details>"""
