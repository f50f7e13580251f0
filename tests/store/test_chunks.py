"""Chunks and metadata against zarr's own: ours writes and zarr reads, zarr writes and ours reads."""

from __future__ import annotations

import itertools
import json
import math
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec

from mi.errors import StoreError
from mi.store.arrays import Array
from mi.store.cache import ChunkCache
from mi.store.groups import consolidate, open_group, write_group
from mi.store.keys import Folder
from mi.store.nodes import NODE, array_node, dump
from mi.store.schema import ArraySpec, Cut

DTYPES = ["bool", "int8", "int16", "int32", "uint64", "float16", "float32", "float64", "complex64"]
FILLS: dict[str, list[Any]] = {
    "b": [False, True],
    "i": [0, -1, 7],
    "u": [0, 3],
    "f": [math.nan, math.inf, -math.inf, 0.5],
    "c": [complex(math.nan, 1.0), complex(0.0, -math.inf)],
}


@st.composite
def layouts(draw: st.DrawFn) -> tuple[ArraySpec, np.ndarray, Cut]:
    """An array with its cells, and how it is cut: with chunks that do not fit the shape, and shards."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 7), max_size=3)))
    inner = tuple(draw(st.integers(1, n + 1)) for n in shape)
    times = (
        tuple(draw(st.integers(1, 3)) for _ in shape) if shape and draw(st.booleans()) else (1,) * len(shape)
    )
    file = tuple(i * t for i, t in zip(inner, times, strict=True))
    values = draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, allow_subnormal=False)))
    fill = draw(st.sampled_from(FILLS[dtype.kind]))
    dims = tuple("abc"[: len(shape)])
    return ArraySpec("x", dims, dtype.name, fill, {"units": "é"}), values, Cut(file, inner)


def indices(shape: tuple[int, ...], draw: Any) -> tuple[Any, ...]:
    """An outer index: for each axis a position, a slice, or positions in any order."""

    def one(n: int) -> Any:
        start = st.integers(-n, n)
        step = st.one_of(st.none(), st.integers(1, 3))
        cut = st.builds(slice, st.one_of(st.none(), start), st.one_of(st.none(), start), step)
        some = st.lists(st.integers(-n, n - 1), max_size=5).map(lambda at: np.asarray(at, dtype=np.int64))
        return draw(st.one_of(st.integers(-n, n - 1), cut, some))

    return tuple(one(n) for n in shape)


def outer(values: np.ndarray, index: tuple[Any, ...]) -> np.ndarray:
    """What numpy says an outer index takes, an axis at a time."""
    for axis in reversed(range(len(index))):
        values = values[(slice(None),) * axis + (index[axis],)]
    return values


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


def laid(folder: str, spec: ArraySpec, values: np.ndarray, pieces: Cut) -> Array:
    """The array written by us."""
    node = array_node(spec, values.shape, pieces)
    write_group(Path(folder), {}, {"x": node}, {"x": values})
    return Array(Folder(folder), "x", node).cached(ChunkCache())


@settings(deadline=None, max_examples=30)
@given(layout=layouts(), data=st.data())
def test_what_we_write_we_read_and_zarr_reads(layout: Any, data: st.DataObject) -> None:
    spec, values, pieces = layout
    with tempfile.TemporaryDirectory() as folder:
        array = laid(folder, spec, values, pieces)
        stored: Any = zarr.open_group(folder, mode="r")["x"]
        same(np.asarray(stored[...]), values)
        same(array.read(), values)
        for _ in range(3):
            index = indices(values.shape, data.draw)
            same(array.read(index), outer(values, index))
        for at in range(values.shape[0] if values.shape else 0):
            same(array.row(at), np.asarray(values[at]))
        for file in array.files():
            spot = tuple(slice(i * c, (i + 1) * c) for i, c in zip(file, array.chunks, strict=True))
            same(array.chunk(file), values[spot])


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_large_chunks_go_both_ways(tmp_path: Path, dtype: str) -> None:
    values = (np.random.default_rng(0).normal(size=(5, 90, 100)) * 9).astype(dtype)
    spec, pieces = ArraySpec("x", ("a", "b", "c"), dtype, 0), Cut((4, 90, 100), (1, 90, 100))
    array = laid(str(tmp_path), spec, values, pieces)
    assert [name for name, _ in array.chain.steps] == ["blosc", "crc32c"]
    assert array.chain.steps[0][1]["cname"] == "zstd"
    stored: Any = zarr.open_group(tmp_path, mode="r")["x"]
    same(np.asarray(stored[...]), values)
    same(array.read(), values)
    same(array.read((slice(1, 5, 2),)), values[1:5:2])
    same(array.read((np.array([4, 0, 4]), slice(None), 3)), values[[4, 0, 4]][:, :, 3])
    again = laid(str(tmp_path / "again"), spec, values, pieces)
    for file in array.files():  # the same values, the same bytes
        assert again.keys.read(again.key(file)) == array.keys.read(array.key(file))


CHAINS: list[list[Any]] = [
    [ZstdCodec(level=0, checksum=True)],
    [ZstdCodec(level=5, checksum=False), Crc32cCodec()],
    [BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()],
    [BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"), Crc32cCodec()],
    [BloscCodec(cname="zstd", clevel=1, shuffle="noshuffle")],
    [Crc32cCodec()],
    [],
]


@settings(deadline=None, max_examples=30)
@given(layout=layouts(), chain=st.sampled_from(CHAINS), start=st.booleans(), data=st.data())
def test_what_zarr_writes_we_read(layout: Any, chain: list[Any], start: bool, data: st.DataObject) -> None:
    spec, values, pieces = layout
    sharded = pieces.file != pieces.inner
    serializer: Any = BytesCodec()
    if sharded:
        place = "start" if start else "end"
        serializer = ShardingCodec(
            chunk_shape=pieces.inner, codecs=[serializer, *chain], index_location=place
        )
    with tempfile.TemporaryDirectory() as folder:
        made: Any = zarr.create_array(
            f"{folder}/x",
            shape=values.shape,
            dtype=values.dtype,
            chunks=pieces.file,
            fill_value=spec.fill,
            config={"write_empty_chunks": True},
            serializer=serializer,
            compressors=None if sharded else chain or None,
        )
        made[...] = values
        node = json.loads((Path(folder) / "x" / NODE).read_bytes())
        array = Array(Folder(folder), "x", node)
        assert array._chain is not None  # ours, not read through zarr
        same(array.read(), values)
        index = indices(values.shape, data.draw)
        same(array.read(index), outer(values, index))


def test_other_codecs_are_read_through_zarr(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
    made: Any = zarr.create_array(
        str(tmp_path / "x"),
        shape=values.shape,
        dtype=">f4",
        chunks=(2, 4, 3),
        compressors=[zarr.codecs.GzipCodec()],
    )
    made[...] = values
    node = json.loads((tmp_path / "x" / NODE).read_bytes())
    array = Array(Folder(str(tmp_path)), "x", node)
    assert array._chain is None
    np.testing.assert_array_equal(array.read(), values)
    np.testing.assert_array_equal(array.read((np.array([4, 0]), slice(1, 3))), values[[4, 0], 1:3])
    np.testing.assert_array_equal(array.row(3), values[3])
    np.testing.assert_array_equal(array.chunk((2, 0, 0)), values[4:])
    with pytest.raises(StoreError, match="stored in a way that `mi` only reads"):
        array.encode(values[:2])


def test_strings_go_both_ways(tmp_path: Path) -> None:
    words = np.array(["left", "right é", ""])
    spec = ArraySpec("x", ("a",), "U1", "")
    node = array_node(spec, (3,), Cut((2,), (2,)))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_group(ours, {}, {"x": node}, {"x": words})
    stored: Any = zarr.open_group(ours, mode="r")["x"]
    assert np.asarray(stored[...]).tolist() == words.tolist()
    some = open_group(Folder(str(ours))).arrays["x"].read((slice(1, 3),))
    assert some.tolist() == ["right é", ""]
    config: Any = {"write_empty_chunks": True}
    made: Any = zarr.create_array(str(theirs / "x"), shape=(3,), chunks=(2,), dtype=str, config=config)
    made[...] = words.astype(object)
    array = Array(Folder(str(theirs)), "x", json.loads((theirs / "x" / NODE).read_bytes()))
    assert array.read().tolist() == words.tolist()


@pytest.mark.parametrize("dtype", [*DTYPES, "U1"])
@pytest.mark.parametrize("sharded", [False, True])
def test_metadata_is_to_the_byte_what_zarr_writes(tmp_path: Path, dtype: str, sharded: bool) -> None:
    kind = np.dtype(dtype).kind
    for i, fill in enumerate(FILLS.get(kind, [""])):
        spec = ArraySpec("x", ("epoch", "a"), dtype, fill, {"units": "nats é"})
        pieces = Cut((4, 3), (1, 3) if sharded else (4, 3))
        node = array_node(spec, (9, 3), pieces)
        said = node["codecs"][0]["configuration"]["codecs"] if sharded else node["codecs"]
        codecs = {"zstd": ZstdCodec, "blosc": BloscCodec, "crc32c": Crc32cCodec}
        zarr.create_array(
            str(tmp_path / str(i)),
            shape=(9, 3),
            dtype=str if kind == "U" else dtype,
            chunks=pieces.inner,
            shards=pieces.file if sharded else None,
            fill_value=fill,
            dimension_names=spec.dims,
            attributes=dict(spec.attrs),
            compressors=[codecs[c["name"]](**c.get("configuration", {})) for c in said[1:]],
        )
        assert dump(node) == (tmp_path / str(i) / NODE).read_bytes()


def test_consolidated_metadata_is_what_zarr_writes(tmp_path: Path) -> None:
    spec = ArraySpec("x", ("a",), "float32", math.nan)
    node = array_node(spec, (3,), Cut((3,), (3,)))
    for probe, analyzer in itertools.product("pq", ["z.one", "a.two"]):
        write_group(tmp_path / probe / analyzer, {"v": 1}, {"x": node, "b": node}, {})
    for folder in (tmp_path, tmp_path / "p", tmp_path / "q"):
        zarr.create_group(folder, zarr_format=3)
    assert (tmp_path / NODE).read_bytes() == dump({"attributes": {}, "zarr_format": 3, "node_type": "group"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for folder in (tmp_path / "p" / "z.one", tmp_path):
            if folder == tmp_path:
                consolidate(tmp_path)
            ours = json.loads((folder / NODE).read_bytes())
            zarr.consolidate_metadata(folder)
            theirs = json.loads((folder / NODE).read_bytes())
            assert ours == theirs
            assert list(ours["consolidated_metadata"]["metadata"]) == list(
                theirs["consolidated_metadata"]["metadata"]
            )


@settings(deadline=None, max_examples=40)
@given(layout=layouts(), data=st.data())
def test_no_flipped_bit_and_no_cut_goes_unnoticed(layout: Any, data: st.DataObject) -> None:
    spec, values, pieces = layout
    with tempfile.TemporaryDirectory() as folder:
        array = laid(folder, spec, values, pieces)
        file = data.draw(st.sampled_from(list(array.files())))
        place = Path(folder, array.key(file))
        content = bytearray(place.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del content[at:]
        place.write_bytes(content)
        try:
            found = array.read()
        except Exception:
            return
        same(found, values)  # the flip was in a part that nobody reads: a chunk beyond the array's end


def test_a_missing_chunk_is_an_error(tmp_path: Path) -> None:
    spec, values = ArraySpec("x", ("epoch", "a"), "float32", math.nan), np.ones((4, 5), np.float32)
    plain = laid(str(tmp_path / "plain"), spec, values, Cut((2, 5), (2, 5)))
    sharded = laid(str(tmp_path / "sharded"), spec, values, Cut((2, 5), (1, 5)))
    for array in (plain, sharded):
        array.keys.file(array.key((1, 0))).unlink()
        for ask in (array.read, lambda a=array: a.row(2), lambda a=array: a.chunk((1, 0))):
            with pytest.raises(StoreError, match="x/c/1/0: missing chunk; `mi analyze` computes it again"):
                ask()
        same(array.read((slice(0, 2),)), values[:2])
    rows = sharded.split_rows((0, 0))
    sharded.keys.file(sharded.key((0, 0))).write_bytes(sharded.join_rows([None, rows[1]]))
    same(sharded.row(1), values[1])
    with pytest.raises(StoreError, match="x/c/0/0: missing chunk"):
        sharded.row(0)
    assert np.isnan(sharded.chunk((0, 0))[0]).all()


def test_the_cache_keeps_the_chunks_asked_for_last(tmp_path: Path) -> None:
    cache, made = ChunkCache(limit=100), []

    def chunk(key: int, size: int = 40) -> np.ndarray:
        def make() -> np.ndarray:
            made.append(key)
            return np.zeros(size, np.uint8)

        return cache.get(key, make)

    for key in (1, 2, 1, 3, 1, 2):
        chunk(key)
    assert made == [1, 2, 3, 2]
    assert cache.held == 80
    for _ in range(2):
        chunk(9, 101)
    assert made[-2:] == [9, 9]
    assert cache.held == 80
