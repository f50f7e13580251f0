"""Artifacts in one file: read in place, by us and by zarr; unpacked to be written; whole at every instant."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from mi.errors import StoreError
from mi.store.artifacts import ArtifactReader
from mi.store.groups import open_group
from mi.store.keys import Folder, hierarchy
from mi.store.layout import VariantPaths
from mi.store.pack import pack, unpack
from mi.store.packed import Packed
from mi.store.prepare import prepare, sweep, write_whole
from mi.store.schema import ArraySpec, GroupSpec

RNG = np.random.default_rng(0)
VALUES = {"x": RNG.normal(size=(3, 4, 5)).astype("float32"), "n": np.arange(3, dtype="int16")}


def spec(analyzer: str = "plug.one", **settings: Any) -> GroupSpec:
    arrays = (
        ArraySpec("x", ("t", "a", "b"), "float32", float("nan")),
        ArraySpec("n", ("t",), "int16", -1),
    )
    axes = {"t": np.arange(3), "a": np.arange(4), "b": np.asarray(list("abcde"))}
    return GroupSpec("full", analyzer, axes, arrays, identity="1", epochal=False, **settings)


@pytest.fixture
def paths(tmp_path: Path) -> VariantPaths:
    paths = VariantPaths(tmp_path / "variant")
    for id in ("plug.one", "plug.two"):
        write_whole(paths, spec(id), VALUES, "print", {})
    return paths


def tree(paths: VariantPaths) -> dict[str, bytes]:
    return {f.relative_to(paths.artifacts).as_posix(): f.read_bytes() for f in walk(paths.artifacts)}


def walk(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file())


def values(paths: VariantPaths) -> dict[str, xr.Dataset]:
    reader = ArtifactReader(paths)
    return {f"{p}/{a}": reader.dataset(p, a).load() for p in reader.probes() for a in reader.analyzers(p)}


def test_one_file_holds_the_same_and_comes_back_to_the_byte(paths: VariantPaths) -> None:
    before, read = tree(paths), values(paths)
    sizes = pack(paths)
    assert sizes is not None
    assert (sizes[0].files, sizes[0].bytes) == (len(before), sum(map(len, before.values())))
    assert (sizes[1].files, sizes[1].bytes) == (1, paths.packed.stat().st_size)
    assert not paths.artifacts.exists() and not paths.staging.exists()
    again = values(paths)
    assert read.keys() == again.keys() == {"full/plug.one", "full/plug.two"}
    for place, dataset in read.items():
        assert dataset.identical(again[place])
    assert pack(paths) is None
    assert unpack(paths)
    assert tree(paths) == before and not paths.packed.exists()
    assert not unpack(paths)


def test_the_same_artifacts_are_the_same_archive(paths: VariantPaths) -> None:
    pack(paths)
    first = paths.packed.read_bytes()
    unpack(paths)
    for file in walk(paths.artifacts):
        os.utime(file, (1e9, 1e9))
    pack(paths)
    assert paths.packed.read_bytes() == first


def test_plain_xarray_reads_the_archive(paths: VariantPaths) -> None:
    from zarr.storage import ZipStore

    expected = xr.open_datatree(paths.artifacts, engine="zarr").load()
    pack(paths)
    found = xr.open_datatree(ZipStore(paths.packed, mode="r"), engine="zarr").load()
    assert found.identical(expected)
    assert np.array_equal(found["full/plug.two"]["x"].values, VALUES["x"])


def test_what_we_never_write_is_read_through_zarr(paths: VariantPaths) -> None:
    import zarr
    from zarr.codecs import GzipCodec

    group = zarr.open_group(paths.artifacts / "full" / "plug.one", mode="r+")
    rows = np.arange(3.0)
    foreign = group.create_array(
        "foreign", shape=(3,), chunks=(2,), dtype="float64", compressors=[GzipCodec()], dimension_names=("t",)
    )
    foreign[...] = rows
    keys = Folder(str(paths.artifacts))
    assert np.array_equal(open_group(keys.under("full/plug.one"), own=True).arrays["foreign"].read(), rows)
    pack(paths)
    packed = hierarchy(paths).under("full/plug.one")
    assert isinstance(packed, Packed)
    assert np.array_equal(open_group(packed, own=True).arrays["foreign"].read(), rows)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.lists(st.sampled_from(["a", "b", "c.d", "zarr.json", "0"]), min_size=1, max_size=4).map("/".join),
        st.binary(max_size=40),
        min_size=1,
        max_size=8,
    ),
    st.data(),
)
def test_both_places_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes], data: st.DataObject
) -> None:
    content = {
        k: v
        for k, v in content.items()
        if k[:9] != "zarr.json" and not any(o.startswith(f"{k}/") for o in content)
    }
    paths = VariantPaths(tmp_path_factory.mktemp("keys"))
    for key, held in {"zarr.json": b'{"consolidated_metadata"}', **content}.items():
        (paths.artifacts / key).parent.mkdir(parents=True, exist_ok=True)
        (paths.artifacts / key).write_bytes(held)
    kept = paths.root / "kept"
    shutil.copytree(paths.artifacts, kept)
    pack(paths)
    folder, packed = Folder(str(kept)), hierarchy(paths)
    prefixes = ["", "a", "b", "a/b", "c.d", "nowhere"]
    for prefix in prefixes:
        assert folder.children(prefix) == packed.children(prefix)
        assert list(folder.below(prefix)) == list(packed.below(prefix))
        one, other = folder.under(prefix) if prefix else folder, packed.under(prefix)
        assert list(one.below()) == list(other.below())
        for key in one.below():
            assert one.read(key) == other.read(key)
            assert one.size(key) == other.size(key) and other.exists(key)
            start, length = data.draw(st.integers(0, 50)), data.draw(st.integers(0, 50))
            mine, theirs = one.open(key), other.open(key)
            assert mine.size == theirs.size
            assert mine.read(start, length) == theirs.read(start, length)
            mine.close(), theirs.close()
        for missing in ("none", "a/none"):
            assert not one.exists(missing) and not other.exists(missing)
            with pytest.raises(FileNotFoundError):
                other.read(missing)
            with pytest.raises(FileNotFoundError):
                other.size(missing)


def test_a_held_dataset_notices_that_its_archive_went(paths: VariantPaths) -> None:
    pack(paths)
    held = ArtifactReader(paths).dataset("full", "plug.one")
    unpack(paths)
    with pytest.raises(StoreError, match="open it again"):
        held["x"].load()
    assert np.array_equal(ArtifactReader(paths).dataset("full", "plug.one")["x"].values, VALUES["x"])


def test_writing_unpacks_first_and_loses_nothing(paths: VariantPaths) -> None:
    pack(paths)
    write_whole(paths, spec("plug.three"), VALUES, "print", {})
    assert not paths.packed.exists()
    assert {k: np.array_equal(d["x"].values, VALUES["x"]) for k, d in values(paths).items()} == {
        f"full/plug.{name}": True for name in ("one", "two", "three")
    }
    pack(paths)
    epochal = GroupSpec(
        "full", "plug.four", {}, (ArraySpec("y", ("epoch",), "float32", float("nan")),), identity="1"
    )
    prepare(paths, epochal, (0, 10), ())
    assert not paths.packed.exists() and len(values(paths)) == 3


@pytest.mark.parametrize("how", ["cut", "header", "compressed", "text"])
def test_a_damaged_archive_is_named(paths: VariantPaths, how: str) -> None:
    pack(paths)
    data = paths.packed.read_bytes()
    if how == "cut":
        paths.packed.write_bytes(data[: len(data) // 2])
    elif how == "text":
        paths.packed.write_text("no archive")
    elif how == "header":
        with zipfile.ZipFile(paths.packed) as archive:
            at = archive.getinfo("full/plug.one/zarr.json").header_offset
        paths.packed.write_bytes(data[:at] + b"junk" + data[at + 4 :])
    else:
        with zipfile.ZipFile(paths.packed) as old, zipfile.ZipFile(paths.root / "new", "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
        (paths.root / "new").replace(paths.packed)
    with pytest.raises(StoreError, match=r"artifacts\.zarr\.zip"):
        ArtifactReader(paths).dataset("full", "plug.one")
    with pytest.raises(StoreError, match=r"artifacts\.zarr\.zip"):
        unpack(paths)
    assert paths.packed.exists() and not paths.artifacts.exists()


KILLER = """
import os, sys
from pathlib import Path
from mi.store.layout import VariantPaths
from mi.store.pack import pack, unpack
import zipfile, shutil

left = int(sys.argv[3])

def counted(holder, name):
    plain = getattr(holder, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return plain(*args, **kwargs)
    setattr(holder, name, call)

for holder, name in ((os, "rename"), (os, "replace"), (os, "unlink"), (os, "fsync"), (os, "rmdir"),
                     (zipfile.ZipFile, "writestr"), (Path, "write_bytes"), (Path, "rename"),
                     (Path, "replace"), (Path, "unlink")):
    counted(holder, name)
{"pack": pack, "unpack": unpack}[sys.argv[1]](VariantPaths(Path(sys.argv[2])))
"""


@pytest.mark.parametrize("doing", ["pack", "unpack"])
def test_killed_at_any_step_everything_is_there(paths: VariantPaths, tmp_path: Path, doing: str) -> None:
    before = tree(paths)
    if doing == "unpack":
        pack(paths)
    last = len(before)  # pack: the steps after the last member; unpack: among the last files
    steps = [0, 7, *range(last, last + 7, 1 if doing == "pack" else 3), 2 * last, 2 * last + 2, 500]
    codes = set()
    for step in sorted(steps):
        copy = VariantPaths(tmp_path / f"{doing}{step}")
        shutil.copytree(paths.root, copy.root)
        done = subprocess.run([sys.executable, "-c", KILLER, doing, str(copy.root), str(step)], check=False)
        codes.add(done.returncode)
        assert values(copy).keys() == {"full/plug.one", "full/plug.two"}
        for dataset in values(copy).values():
            assert np.array_equal(dataset["x"].values, VALUES["x"])
        sweep(copy)
        assert copy.artifacts.exists() != copy.packed.exists() and not copy.staging.exists()
        unpack(copy)
        assert tree(copy) == before
    assert codes == {0, -signal.SIGKILL}
