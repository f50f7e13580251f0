"""The one place that opens zarr stores, creates groups and keeps their consolidated metadata right.

Plain xarray looks for consolidated metadata in the root's ``zarr.json`` and warns when there is none, so the
root has it while the hierarchy stands still. It is removed before any change of structure and written again
after: a process killed in between leaves a store that reads rightly, with a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.errors import ZarrUserWarning

from mi.errors import StoreError
from mi.store.schema import BLOCKS, ArraySpec, GroupSpec, chunk_shape


@contextmanager
def store_errors(path: Path, doing: str) -> Iterator[None]:
    """Say whatever the file system or zarr raises as one sentence that names the place.

    Raises:
        StoreError: as above.
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be {doing} ({error.strerror or error})") from error
    except Exception as error:  # codecs raise RuntimeError, ValueError, KeyError, … on damaged bytes
        raise StoreError(f"{path}: damaged, cannot be {doing} ({type(error).__name__}: {error})") from error


def open_group(path: Path, mode: Literal["r", "r+"] = "r") -> zarr.Group:
    """An existing group, from its own metadata, never consolidated; ``r+`` to write to its arrays.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    if not (path / "zarr.json").is_file():
        raise StoreError(f"{path}: no artifacts here")
    with store_errors(path, "read"):
        return zarr.open_group(path, mode=mode, use_consolidated=False)


def open_arrays(path: Path, mode: Literal["r", "r+"] = "r") -> dict[str, Any]:
    """The arrays of a group by name.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    group = open_group(path, mode)
    with store_errors(path, "read"):
        # Not stored with the array, so it is said again at every opening: see `create_array`.
        return {n: a.with_config({"write_empty_chunks": True}) for n, a in group.arrays()}


def create_array(group: zarr.Group, spec: ArraySpec, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Any:
    """An array at full length, every cell missing.

    ``write_empty_chunks``: a result that equals the fill value is a result all the same, and must be stored.
    The checksum makes a flipped bit an error instead of a wrong number.
    """
    text = np.dtype(spec.dtype).kind == "U"
    return group.create_array(
        spec.name,
        shape=shape,
        chunks=chunks,
        dtype=str if text else spec.dtype,
        fill_value="" if text else spec.fill,
        dimension_names=spec.dims,
        attributes=dict(spec.attrs),
        compressors=[ZstdCodec(level=0, checksum=True)],
        config={"write_empty_chunks": True},
    )


def create_group(path: Path, spec: GroupSpec, epochs: Sequence[int], layout: str = BLOCKS) -> zarr.Group:
    """A group with all its arrays at full length and its coordinates written; nothing committed.

    Raises:
        StoreError: the folder cannot be written.
    """
    with store_errors(path, "written"):
        attrs: dict[str, Any] = {**spec.attrs, "identity": spec.identity, "layout": layout}
        # Said apart from the arrays, so that one that is lost is missed.
        attrs["arrays"] = {a.name: {"dims": list(a.dims), "dtype": a.dtype} for a in spec.arrays}
        if spec.epochal:
            attrs["coordinates"] = "committed"  # tells xarray that it is no data variable
        group = zarr.create_group(path, zarr_format=3, attributes=attrs)
        for name, values in spec.axes.items():
            fill = {"i": 0, "f": float("nan")}.get(values.dtype.kind, "")
            axis = ArraySpec(name, (name,), values.dtype.str if values.dtype.kind != "U" else "U1", fill)
            one = create_array(group, axis, values.shape, (max(len(values), 1),))
            one[...] = values.astype(object) if values.dtype.kind == "U" else values
        if spec.epochal:
            count = len(epochs)
            one_chunk = (max(count, 1),)
            about = {"units": "optimizer steps", "description": "weights after this many optimizer steps"}
            axis = ArraySpec("epoch", ("epoch",), "int64", 0, about)
            create_array(group, axis, (count,), one_chunk)[...] = np.asarray(epochs, dtype=np.int64)
            told = {"description": "whether all arrays of this epoch are complete"}
            flags = ArraySpec("committed", ("epoch",), "bool", False, told)
            chunks = chunk_shape((count,), 1, epochal=True, layout=layout)
            create_array(group, flags, (count,), chunks)[...] = np.zeros(count, dtype=bool)
        for array in spec.arrays:
            shape = spec.shape(array, len(epochs))
            size = np.dtype(array.dtype).itemsize
            create_array(group, array, shape, chunk_shape(shape, size, epochal=spec.epochal, layout=layout))
        return group


def epochs_of(path: Path, arrays: Mapping[str, Any]) -> list[int]:
    """The group's ``epoch`` axis.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    with store_errors(path / "epoch", "read"):
        return [int(e) for e in arrays["epoch"][...]]


def chunk_files(path: Path, array: Any, low: int, high: int) -> Iterator[Path]:
    """The files of the chunks that hold positions ``low:high`` of an array's first axis."""
    if not array.shape:
        yield path / "c"
        return
    chunks = array.chunks
    if 0 in array.shape:
        return
    counts = [-(-n // c) for n, c in zip(array.shape, chunks, strict=True)]
    for first in range(low // chunks[0], -(-high // chunks[0])):
        for rest in np.ndindex(*counts[1:]):
            yield path.joinpath("c", str(first), *map(str, rest))


def fsync_files(files: Iterable[Path]) -> None:
    """Flush files to the disk: zarr itself never does, and a commit record must not outlive its data."""
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def ensure_root(root: Path, probe: str) -> None:
    """The hierarchy's root and the probe's group.

    Raises:
        StoreError: the folder cannot be written.
    """
    for path in (root, root / probe):
        if not (path / "zarr.json").exists():
            with store_errors(path, "written"):
                zarr.create_group(path, zarr_format=3)


def unconsolidate(root: Path) -> None:
    """Remove consolidated metadata, before the structure changes."""
    import json

    from mi.domain.jsonfile import write_json

    file = root / "zarr.json"
    if file.exists():
        with store_errors(file, "read"):
            data: Mapping[str, Any] = json.loads(file.read_bytes())
        if "consolidated_metadata" in data:
            write_json(file, {k: v for k, v in data.items() if k != "consolidated_metadata"})


def consolidate(root: Path) -> None:
    """Write consolidated metadata, after the structure changed."""
    if not (root / "zarr.json").exists():
        return
    with store_errors(root, "written"), warnings.catch_warnings():
        # It is no part of the format's specification yet; we write it for xarray, and read without it.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=ZarrUserWarning)
        zarr.consolidate_metadata(root)


def is_consolidated(root: Path) -> bool:
    """Whether the root holds consolidated metadata (or nothing at all)."""
    try:
        return b'"consolidated_metadata"' in (root / "zarr.json").read_bytes()
    except FileNotFoundError:
        return True
