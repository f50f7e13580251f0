"""Metadata of groups and arrays of zarr v3, made to the byte as zarr would, many times as fast."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mi.store.codecs import codecs_for
from mi.store.schema import ArraySpec, Cut

NODE = "zarr.json"
INLINE = "consolidated_metadata"


def group_node(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """A group's metadata."""
    return {"attributes": dict(attrs), "zarr_format": 3, "node_type": "group"}


def array_node(spec: ArraySpec, shape: tuple[int, ...], pieces: Cut) -> dict[str, Any]:
    """An array's metadata."""
    dtype = np.dtype(spec.dtype)
    text = dtype.kind == "U"
    size = dtype.itemsize * int(np.prod(pieces.inner, dtype=np.int64))
    codecs = codecs_for(dtype, size)
    if pieces.inner != pieces.file:
        index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
        said = {
            "chunk_shape": list(pieces.inner),
            "codecs": codecs,
            "index_codecs": index,
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": said}]
    return {
        "shape": list(shape),
        "data_type": "string" if text else dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(pieces.file)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "" if text else _fill(dtype.type(spec.fill)),
        "codecs": codecs,
        "attributes": dict(spec.attrs),
        "dimension_names": list(spec.dims),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def consolidated(node: Mapping[str, Any], below: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A group's metadata with that of everything below it, by path.

    It is no part of the format's specification yet; xarray looks for it, and so do we, to open a group by
    reading one file.
    """
    metadata: dict[str, Any] = {}
    for path in sorted(below, key=lambda path: (path.count("/"), path)):
        one = dict(below[path])
        if one["node_type"] == "group":
            one = _with(one, {})
        metadata[path] = one
    return _with(dict(node), metadata)


def plain(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node's metadata without what it says of nodes below it."""
    return {key: value for key, value in node.items() if key != INLINE}


def dump(node: Mapping[str, Any]) -> bytes:
    """The content of ``zarr.json``: as zarr writes it, but without blanks where much is consolidated."""
    if INLINE in node:
        return json.dumps(node, separators=(",", ":")).encode()
    return json.dumps(node, indent=2).encode()


def _with(node: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    said = {"kind": "inline", "must_understand": False, "metadata": metadata}
    return {
        "attributes": node["attributes"],
        "zarr_format": 3,
        INLINE: said,
        "node_type": "group",
    }


def _fill(value: Any) -> Any:
    plain = value.item()
    if isinstance(plain, complex):
        return [_number(plain.real), _number(plain.imag)]
    return _number(plain) if isinstance(plain, float) else plain


def _number(value: float) -> float | str:
    """JSON has no words for these."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
