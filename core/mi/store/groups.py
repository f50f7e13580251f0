"""Groups of arrays: opened from their metadata, created at full length, their metadata consolidated.

A group's ``zarr.json`` says that of its arrays too, which never changes while the group lives. Plain xarray
looks for consolidated metadata in the root's ``zarr.json`` and warns when there is none, so the root has it
while the hierarchy stands still. It is removed before any change of structure and written again after: a
process killed in between leaves a store that reads rightly, with a warning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen

from mi.errors import StoreError
from mi.store.arrays import Array
from mi.store.cache import ChunkCache
from mi.store.files import as_store_error, fsync_files, store_errors, write_file
from mi.store.keys import Folder, Keys
from mi.store.nodes import INLINE, NODE, array_node, consolidated, dump, group_node, plain
from mi.store.schema import BLOCKS, ArraySpec, GroupSpec, cut


@frozen(eq=False)
class Group:
    """A group that is open for reading.

    Attributes:
        keys: where its keys live.
        attrs: what is recorded with it.
        arrays: its arrays by name.
    """

    keys: Keys
    attrs: Mapping[str, Any]
    arrays: Mapping[str, Array]
    _memo: dict[str, list[int]] = field(factory=dict)  # the axis, once it was read

    @property
    def path(self) -> Path:
        """Its place, for messages."""
        return self.keys.file()

    def epochs(self) -> list[int]:
        """The axis ``epoch``.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        if "epoch" not in self._memo:
            try:
                self._memo["epoch"] = self.arrays["epoch"].read().tolist()
            except Exception as error:
                raise as_store_error(self.keys.file("epoch"), "read", error) from error
        return list(self._memo["epoch"])


def open_group(keys: Keys, *, own: bool = False) -> Group:
    """An existing group.

    Args:
        keys: the group's.
        own: ask every array's own metadata, instead of what the group says of it.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    stamp = keys.stamp(NODE)
    seen = None if own else _SEEN.get(keys)
    if seen is None or seen[0] != stamp:
        try:
            seen = stamp, _parsed(keys, own)
        except Exception as error:
            raise as_store_error(keys.file(), "read", error) from error
        if not own:
            if len(_SEEN) > 1000:
                _SEEN.clear()
            _SEEN[keys] = seen
    cache, group = ChunkCache(), seen[1]
    return Group(
        keys, dict(group.attrs), {name: a.cached(cache) for name, a in group.arrays.items()}, group._memo
    )


# Metadata that was read before: it is written once, with its group, so the file's stamp says all.
_SEEN: dict[Keys, tuple[tuple[int, ...], Group]] = {}


def _parsed(keys: Keys, own: bool) -> Group:
    try:
        node = json.loads(keys.read(NODE))
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{keys.file()}: no artifacts here") from None
    if node["node_type"] != "group":
        raise ValueError(f"is a zarr {node['node_type']}, expected a group")
    nodes = _own(keys) if own or INLINE not in node else node[INLINE]["metadata"]
    arrays = {n: Array(keys, n, said) for n, said in nodes.items() if said["node_type"] == "array"}
    return Group(keys, dict(node["attributes"]), arrays)


def _own(keys: Keys) -> dict[str, Any]:
    """What each node directly below says of itself; folders without metadata are none."""
    found = {}
    for name in keys.children():
        try:
            found[name] = json.loads(keys.read(f"{name}/{NODE}"))
        except FileNotFoundError:
            continue
    return found


def write_group(
    path: Path, attrs: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> None:
    """A new group with its arrays at full length.

    Args:
        path: its folder.
        attrs: recorded with it (JSON).
        nodes: metadata of each array, by name.
        values: what some of the arrays hold; the others' chunks are yet to come.

    Raises:
        StoreError: the folder cannot be written.
    """
    with store_errors(path, "written"):
        for name, node in nodes.items():
            write_file(path / name / NODE, dump(node))
            if name in values:
                write_values(Array(Folder(str(path)), name, node), values[name])
        write_file(path / NODE, dump(consolidated(group_node(attrs), nodes)))


def node_of(
    spec: ArraySpec, shape: tuple[int, ...], *, epochal: bool, layout: str = BLOCKS
) -> dict[str, Any]:
    """The metadata of an array, cut by the rule of :func:`mi.store.schema.cut`."""
    size = np.dtype(spec.dtype).itemsize
    return array_node(spec, shape, cut(shape, size, epochal=epochal, layout=layout, batched=spec.batched))


def write_values(array: Array, values: np.ndarray) -> list[Path]:
    """Write all of an array; its files.

    Raises:
        OSError: they cannot be written.
    """
    values, files = np.asarray(values), []
    for file in array.files():
        spot = tuple(slice(i * c, (i + 1) * c) for i, c in zip(file, array.chunks, strict=True))
        files.append(array.keys.file(array.key(file)))
        write_file(files[-1], array.encode(values[spot]))
    return files


def create_group(path: Path, spec: GroupSpec, epochs: Sequence[int], layout: str = BLOCKS) -> None:
    """A group with all its arrays at full length and its coordinates written; nothing committed.

    Raises:
        StoreError: the folder cannot be written.
    """
    attrs: dict[str, Any] = {**spec.attrs, "identity": spec.identity, "layout": layout}
    # Said apart from the arrays, so that one that is lost is missed.
    attrs["arrays"] = {a.name: {"dims": list(a.dims), "dtype": a.dtype} for a in spec.arrays}
    nodes: dict[str, dict[str, Any]] = {}
    values: dict[str, np.ndarray] = dict(spec.axes)
    for name, axis in spec.axes.items():
        fill = {"i": 0, "f": float("nan")}.get(axis.dtype.kind, "")
        dtype = axis.dtype.str if axis.dtype.kind != "U" else "U1"
        nodes[name] = node_of(ArraySpec(name, (name,), dtype, fill), axis.shape, epochal=False)
    if spec.epochal:
        attrs["coordinates"] = "committed"  # tells xarray that it is no data variable
        about = {"units": "optimizer steps", "description": "weights after this many optimizer steps"}
        shape: tuple[int, ...] = (len(epochs),)
        nodes["epoch"] = node_of(ArraySpec("epoch", ("epoch",), "int64", 0, about), shape, epochal=False)
        nodes["committed"] = _flags_node(len(epochs), layout)
        values |= {"epoch": np.asarray(epochs, dtype=np.int64), "committed": np.zeros(shape, dtype=bool)}
    for array in spec.arrays:
        shape = spec.shape(array, len(epochs))
        nodes[array.name] = node_of(array, shape, epochal=spec.epochal, layout=layout)
    write_group(path, attrs, nodes, values)


def _flags_node(count: int, layout: str) -> dict[str, Any]:
    told = {"description": "whether all arrays of this epoch are complete"}
    flags = ArraySpec("committed", ("epoch",), "bool", False, told)
    return node_of(flags, (count,), epochal=True, layout=layout)


def lay_flags(keys: Keys, flags: np.ndarray) -> None:
    """Write the array ``committed`` of a group anew, with its metadata and what the group says of it.

    Raises:
        StoreError: the group is damaged, or cannot be written.
    """
    with store_errors(keys.file("committed"), "written"):
        attrs, nodes = json.loads(keys.read(NODE))["attributes"], _own(keys)
        nodes["committed"] = _flags_node(len(flags), attrs["layout"])
        write_file(keys.file(f"committed/{NODE}"), dump(nodes["committed"]))
        write_values(Array(keys, "committed", nodes["committed"]), flags)
        write_file(keys.file(NODE), dump(consolidated(group_node(attrs), nodes)))


def fsync_group(path: Path) -> None:
    """Flush a group's metadata, coordinates and flags to the disk: without them its chunks mean nothing."""
    with store_errors(path, "written"):
        arrays = open_group(Folder(str(path))).arrays
        axes = [a for a in arrays.values() if a.dims == (a.name,) or a.name == "committed"]
        chunks = [path / a.key(file) for a in axes for file in a.files()]
        fsync_files([path / NODE, *(path / name / NODE for name in arrays), *chunks])


def ensure_root(root: Path, probe: str) -> None:
    """The hierarchy's root and the probe's group.

    Raises:
        StoreError: the folder cannot be written.
    """
    for path in (root, root / probe):
        if not (path / NODE).exists():
            with store_errors(path, "written"):
                write_file(path / NODE, dump(group_node({})))


def unconsolidate(root: Path) -> None:
    """Remove consolidated metadata, before the structure changes."""
    file = root / NODE
    if file.exists():
        with store_errors(file, "read"):
            node: Mapping[str, Any] = json.loads(file.read_bytes())
        if INLINE in node:
            with store_errors(file, "written"):
                write_file(file, dump(plain(node)))


def consolidate(root: Path) -> None:
    """Write consolidated metadata, after the structure changed."""
    file = root / NODE
    if not file.exists():
        return
    with store_errors(root, "written"):
        nodes: dict[str, Any] = {}
        keys = Folder(str(root))
        _gather(keys, "", nodes)
        write_file(file, dump(consolidated(json.loads(keys.read(NODE)), nodes)))


def _gather(keys: Keys, prefix: str, nodes: dict[str, Any]) -> None:
    for name in keys.children(prefix):
        path = f"{prefix}/{name}" if prefix else name
        try:
            nodes[path] = plain(json.loads(keys.read(f"{path}/{NODE}")))
        except FileNotFoundError:
            continue
        if nodes[path]["node_type"] == "group":
            _gather(keys, path, nodes)


def is_consolidated(keys: Keys) -> bool:
    """Whether the root holds consolidated metadata (or there is none)."""
    try:
        return f'"{INLINE}"'.encode() in keys.read(NODE)
    except FileNotFoundError:
        return True
