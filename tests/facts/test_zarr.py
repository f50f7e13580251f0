"""zarr 3: what gets lost without a word, and how the store avoids it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.api.asynchronous
from facts.conftest import Still
from zarr.storage import LocalStore

from mi.store.artifacts import ArtifactReader
from mi.store.blocks import GroupWriter
from mi.store.groups import node_of, open_group, write_group, write_values
from mi.store.keys import Folder, keys_of
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of, prepare, sweep, tidy
from mi.store.schema import BLOCK, ArraySpec, GroupSpec

PROBE, ANALYZER = "grid", "plug.one"


def both_halves(path: Path, *, chunks: tuple[int, ...], shards: tuple[int, ...] | None) -> list[int]:
    """Two writers, each of one half of eight cells, who both read before either of them writes."""
    zarr.create_array(path, shape=(8,), chunks=chunks, shards=shards, dtype="i4", fill_value=-1)

    async def race() -> None:
        met = asyncio.Event()
        readers: list[str] = []

        class Meeting(LocalStore):
            async def get(self, key: str, *args: Any, **settings: Any) -> Any:
                value = await super().get(key, *args, **settings)
                if key.startswith("c/"):
                    readers.append(key)
                    if len(readers) == 2:
                        met.set()
                    await met.wait()
                return value

        arrays = [
            await zarr.api.asynchronous.open_array(store=Meeting(path), mode="r+", zarr_format=3)
            for _ in range(2)
        ]
        halves = (slice(0, 4), slice(4, 8))
        await asyncio.gather(
            *(a.setitem(h, np.full(4, i, "i4")) for i, (a, h) in enumerate(zip(arrays, halves, strict=True)))
        )

    asyncio.run(asyncio.wait_for(race(), 20))
    return [int(n) for n in np.asarray(zarr.open_array(path, mode="r")[...])]


WHOLE = [0, 0, 0, 0, 1, 1, 1, 1]


def test_writers_of_whole_chunks_lose_nothing(tmp_path: Path, still: Still) -> None:
    still(
        both_halves(tmp_path / "a", chunks=(4,), shards=None) == WHOLE, "blocks of whole chunks do not help"
    )


def test_two_writers_of_one_chunk_lose_one_part(tmp_path: Path, still: Still) -> None:
    found = both_halves(tmp_path / "a", chunks=(8,), shards=None)
    still(found.count(-1) == 4, "a chunk may have several writers: a block need not be whole chunks")


def test_two_writers_of_one_shard_lose_one_part(tmp_path: Path, still: Still) -> None:
    found = both_halves(tmp_path / "a", chunks=(1,), shards=(8,))
    still(found.count(-1) == 4, "a shard may have several writers")


def test_two_that_append_overwrite_one_another(tmp_path: Path, still: Still) -> None:
    zarr.create_array(tmp_path / "a", shape=(0,), chunks=(8,), dtype="i4")
    one, other = (zarr.open_array(tmp_path / "a", mode="r+") for _ in range(2))
    one.append(np.arange(5, dtype="i4"))
    other.append(np.full(3, 9, dtype="i4"))
    still(zarr.open_array(tmp_path / "a", mode="r").shape == (3,), "arrays may grow while others write")


def test_attributes_of_two_writers_are_the_last_ones(tmp_path: Path, still: Still) -> None:
    zarr.create_group(tmp_path / "g")
    one, other = (zarr.open_group(tmp_path / "g", mode="r+") for _ in range(2))
    one.attrs["a"] = 1
    other.attrs["b"] = 2
    found = dict(zarr.open_group(tmp_path / "g", mode="r").attrs)
    still(found == {"b": 2}, "attributes may be edited while others write")


def consolidated(path: Path) -> None:
    """A group with one array, consolidated, and a second array that came later."""
    group = zarr.create_group(path)
    group.create_array("one", shape=(1,), dtype="i4")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(path)
    zarr.open_group(path, mode="r+", use_consolidated=False).create_array("two", shape=(1,), dtype="i4")


def test_consolidated_metadata_hides_what_came_later(tmp_path: Path, still: Still) -> None:
    consolidated(tmp_path / "g")
    found = sorted(zarr.open_group(tmp_path / "g", mode="r"))
    still(found == ["one"], "`unconsolidate` before a change of structure can go")


def test_the_planner_never_looks_at_consolidated_metadata(tmp_path: Path) -> None:
    """Readers look at what a group says of its own arrays, which is written once, with the group."""
    consolidated(tmp_path / "g")
    assert sorted(open_group(Folder(str(tmp_path / "g")), own=True).arrays) == ["one", "two"]


def test_a_chunk_that_equals_the_fill_value_is_not_stored(tmp_path: Path, still: Still) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(4,), chunks=(2,), dtype="f4", fill_value=0)
    array[:] = 0
    still(array.nchunks_initialized == 0, "chunks may be stored without saying `write_empty_chunks`")


def test_that_empty_chunks_are_written_is_forgotten_at_the_next_opening(tmp_path: Path, still: Still) -> None:
    config: Any = {"write_empty_chunks": True}
    array = zarr.create_array(
        tmp_path / "a", shape=(4,), chunks=(2,), dtype="f4", fill_value=0, config=config
    )
    array[:] = 0
    assert array.nchunks_initialized == 2
    again = zarr.open_array(tmp_path / "a", mode="r+")
    still(not again.config.write_empty_chunks, "zarr may write chunks for us after reopening")
    again[:] = 0
    assert again.nchunks_initialized == 0  # what was stored is deleted


def test_ours_store_such_chunks_all_the_same(tmp_path: Path) -> None:
    node = node_of(ArraySpec("x", ("epoch",), "float32", 0.0), (4,), epochal=True)
    write_group(tmp_path / "g", {}, {"x": node}, {})
    array = open_group(Folder(str(tmp_path / "g"))).arrays["x"]
    write_values(array, np.zeros(4, np.float32))
    assert all(array.keys.exists(array.key(file)) for file in array.files())


def test_there_is_no_bfloat16(tmp_path: Path, still: Still) -> None:
    try:
        zarr.create_array(tmp_path / "a", shape=(1,), dtype="bfloat16")
        there = True
    except (TypeError, ValueError):
        there = False
    still(not there, "bfloat16 results may be stored as they are")


WRITE = """
import os, signal, sys
import numpy as np, zarr
from pathlib import Path
array = zarr.open_array(sys.argv[1], mode="r+")
moves = [Path.replace, os.replace]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
Path.replace = os.replace = die
array[:] = np.arange(8, dtype="i4")
"""


def test_a_killed_writer_leaves_the_old_chunk_and_an_orphan(tmp_path: Path, still: Still) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(8,), chunks=(8,), dtype="i4", fill_value=-1)
    array[:] = 7
    done = subprocess.run([sys.executable, "-c", WRITE, str(tmp_path / "a")], check=False)
    assert done.returncode == -9
    assert np.asarray(zarr.open_array(tmp_path / "a", mode="r")[...]).tolist() == [7] * 8
    orphans = list((tmp_path / "a").rglob("*.partial"))
    still(len(orphans) == 1, "`sweep` need not look for *.partial files of this name")


def test_the_sweep_takes_orphans_of_killed_writers(tmp_path: Path) -> None:
    paths, _ = written(tmp_path / "v", [0])
    orphan = place_of(paths, PROBE, ANALYZER) / "x" / "c" / "0.0123.partial"
    orphan.write_bytes(b"half")
    sweep(paths)
    assert not orphan.exists()
    assert ArtifactReader(paths).dataset(PROBE, ANALYZER)["x"].values[:, 0].tolist() == [0.0]


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is flushed to the disk, in order, as it happens."""
    found: list[Path] = []
    real = os.fsync

    def noted(handle: Any) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        found.append(Path(f"/proc/self/fd/{number}").readlink())
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_zarr_itself_flushes_nothing_to_the_disk(tmp_path: Path, flushed: list[Path], still: Still) -> None:
    zarr.create_array(tmp_path / "a", shape=(8,), chunks=(8,), dtype="i4")[:] = 1
    still(flushed == [], "`fsync_files` before a commit record can go")


def written(root: Path, epochs: list[int], axis: list[int] | None = None) -> tuple[VariantPaths, GroupSpec]:
    """Epochs of one analyzer, put, flushed and committed."""
    paths, spec = VariantPaths(root), make_spec()
    prepare(paths, spec, axis or epochs, [])
    writer = GroupWriter(paths, spec, epochs, {e: f"f{e}" for e in epochs}, {})
    for epoch in epochs:
        writer.put(epoch, {"x": np.full(3, epoch, "float32")})
    writer.flush()
    return paths, spec


def make_spec() -> GroupSpec:
    arrays = (ArraySpec("x", ("epoch", "neuron"), "float32", float("nan")),)
    return GroupSpec(PROBE, ANALYZER, {"neuron": np.arange(3)}, arrays, "i1")


def test_chunks_reach_the_disk_before_the_record_that_vouches_for_them(
    tmp_path: Path, flushed: list[Path]
) -> None:
    written(tmp_path / "v", [0, 1, 2])
    names = [str(path.relative_to(tmp_path / "v")) for path in flushed]
    chunk = max(i for i, name in enumerate(names) if "/x/c/" in name)
    record = min(i for i, name in enumerate(names) if name.startswith("commits/"))
    assert chunk < record, names


def test_a_foreign_folder_inside_makes_every_listing_warn(tmp_path: Path, still: Still) -> None:
    group = tmp_path / "g"
    zarr.create_group(group)
    (group / "commits").mkdir()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        list(zarr.open_group(group, mode="r", use_consolidated=False))
    still(any("not recognized" in str(w.message) for w in told), "commit records may lie inside the store")


def test_commit_records_lie_beside_the_store_which_lists_in_silence(tmp_path: Path) -> None:
    paths, _ = written(tmp_path / "v", [0])
    assert not paths.commits.is_relative_to(paths.artifacts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [
            n
            for n, _ in zarr.open_group(paths.artifacts, mode="r", use_consolidated=False).members(
                max_depth=None, use_consolidated_for_children=False
            )
        ]
    assert f"{PROBE}/{ANALYZER}/x" in found


def test_the_store_grows_without_appending_resizing_or_editing_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is done anew and switched by a rename: what zarr does in place, two writers can spoil."""

    def forbidden(name: str) -> Callable[..., Any]:
        def function(*_: Any, **__: Any) -> Any:
            raise AssertionError(f"the store calls {name}")

        return function

    for cls in (zarr.Array, zarr.AsyncArray):
        for name in ("append", "resize", "update_attributes"):
            monkeypatch.setattr(cls, name, forbidden(f"{cls.__name__}.{name}"))
    for other in (zarr.Group, zarr.AsyncGroup):
        monkeypatch.setattr(other, "update_attributes", forbidden(f"{other.__name__}.update_attributes"))
    monkeypatch.setattr(zarr.core.attributes.Attributes, "put", forbidden("attrs.put"))
    monkeypatch.setattr(zarr.core.attributes.Attributes, "__setitem__", forbidden("attrs[…]"))
    paths, spec = written(tmp_path / "v", [0, 10])
    prepare(paths, spec, [0, 5, 10, 15], [0, 10])  # inserted and later ones
    writer = GroupWriter(paths, spec, [5, 15], {5: "f5", 15: "f15"}, {})
    for epoch in (5, 15):
        writer.put(epoch, {"x": np.full(3, epoch, "float32")})
    writer.flush()
    tidy(paths, [spec])
    data = ArtifactReader(paths).dataset(PROBE, ANALYZER)
    assert data["x"].values[:, 0].tolist() == [0.0, 5.0, 10.0, 15.0]


@pytest.mark.parametrize("count", [3, 64, 65, 200])
def test_no_two_blocks_share_a_chunk(tmp_path: Path, count: int) -> None:
    """While blocks have owners: as laid by the planner, before short results are gathered in one chunk."""
    paths, spec = VariantPaths(tmp_path / "v"), make_spec()
    prepare(paths, spec, range(count), [])
    for name, array in open_group(keys_of(paths, PROBE, ANALYZER)).arrays.items():
        if name in ("epoch", "neuron"):
            continue
        blocks = [set(array.files(low, min(low + BLOCK, count))) for low in range(0, count, BLOCK)]
        assert sum(len(files) for files in blocks) == len(set().union(*blocks)), name


def test_each_checksum_is_verified(tmp_path: Path, still: Still) -> None:
    """A flipped bit is an error and not a wrong number, as plain readers of our store count on."""
    values = np.random.default_rng(0).integers(0, 9, 64).astype("int32")
    node = node_of(ArraySpec("x", ("epoch",), "int32", 0), (64,), epochal=True)
    write_group(tmp_path / "g", {}, {"x": node}, {"x": values})
    array: Any = zarr.open_group(tmp_path / "g", mode="r")["x"]
    file = tmp_path / "g" / "x" / "c" / "0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(Exception) as told:
        array[:]
    still("zstd" in str(told.value).lower() or "checksum" in str(told.value).lower(), "zstd checks nothing")
    assert json.loads((tmp_path / "g" / "x" / "zarr.json").read_bytes())["zarr_format"] == 3
