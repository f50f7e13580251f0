"""The artifact store: what is committed is read, exactly; what is not stays invisible; damage is named."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mi.errors import StoreError, UnknownNameError
from mi.store.artifacts import ArtifactReader
from mi.store.blocks import GroupWriter
from mi.store.commits import Commits
from mi.store.groups import is_consolidated, open_group, unconsolidate
from mi.store.keys import hierarchy, keys_of
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of, prepare, stored, sweep, tidy, write_whole
from mi.store.schema import ArraySpec, GroupSpec
from mi.store.switch import exchange, staged, step_aside, switch

PROBE, ANALYZER = "grid", "plug.one"


def make_spec(identity: str = "i1", neurons: int = 3, analyzer: str = ANALYZER) -> GroupSpec:
    return GroupSpec(
        probe=PROBE,
        analyzer=analyzer,
        axes={"neuron": np.arange(neurons), "part": np.array(["left", "right é"])},
        arrays=(
            ArraySpec("x", ("epoch", "neuron", "part"), "float32", math.nan, {"units": "nats"}),
            ArraySpec("count", ("epoch",), "int16", -1, {}),
        ),
        identity=identity,
        attrs={"version": 1},
    )


def values(epoch: int, neurons: int = 3) -> dict[str, Any]:
    return {
        "x": np.arange(neurons * 2, dtype=np.float32).reshape(neurons, 2) + epoch,
        "count": np.int16(epoch % 7),
    }


def axis_of(paths: VariantPaths, spec: GroupSpec) -> list[int]:
    return open_group(keys_of(paths, PROBE, spec.analyzer)).epochs()


def write(paths: VariantPaths, spec: GroupSpec, epochs: Sequence[int], tag: str = "f") -> None:
    """Write epochs block by block, as the engine does."""
    axis = {e: i for i, e in enumerate(axis_of(paths, spec))}
    for block in sorted({axis[e] // 64 for e in epochs}):
        mine = [e for e in epochs if axis[e] // 64 == block]
        writer = GroupWriter(paths, spec, mine, {e: f"{tag}{e}" for e in mine}, {"device": "cpu"})
        for epoch in mine:
            writer.put(epoch, values(epoch, len(spec.axes["neuron"])))
        writer.flush()


def check(paths: VariantPaths, epochs: Sequence[int]) -> None:
    data = ArtifactReader(paths).dataset(PROBE, ANALYZER).load()
    assert data["epoch"].values.tolist() == sorted(epochs)
    for epoch in epochs:
        one = data.sel(epoch=epoch)
        np.testing.assert_array_equal(one["x"].values, values(epoch)["x"])
        assert one["count"].item() == values(epoch)["count"]


@pytest.fixture
def paths(tmp_path: Path) -> VariantPaths:
    return VariantPaths(tmp_path / "v")


def files(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file()]


def test_what_is_committed_is_read_sorted_and_exact(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 50, 100], [])
    write(paths, spec, [100, 0])
    check(paths, [0, 100])
    reader = ArtifactReader(paths)
    assert reader.probes() == [PROBE]
    assert reader.analyzers(PROBE) == [ANALYZER]
    assert reader.committed(PROBE, ANALYZER) == {0: "f0", 100: "f100"}
    assert stored(paths, spec) == ({0: "f0", 100: "f100"}, None)
    data = reader.dataset(PROBE, ANALYZER)
    assert data["part"].values.tolist() == ["left", "right é"]
    assert data["x"].attrs["units"] == "nats"
    assert data.attrs["version"] == 1
    np.testing.assert_array_equal(reader.at(PROBE, ANALYZER, 0)["x"], values(0)["x"])


def test_what_is_read_lazily_can_be_aligned_and_copied(paths: VariantPaths) -> None:
    """``where(…, drop=True)`` makes xarray copy what it has not read yet."""
    spec = make_spec()
    prepare(paths, spec, [0, 5], ())
    write(paths, spec, [0, 5])
    data = ArtifactReader(paths).dataset(PROBE, ANALYZER)
    kept = data["count"].where(data["count"] > 4, drop=True)
    assert kept["epoch"].values.tolist() == [5]
    assert data.copy(deep=True).load().identical(data.load())


def test_the_token_follows_the_committed_content(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 50], [])
    tokens = [ArtifactReader(paths).token(PROBE, ANALYZER)]
    write(paths, spec, [0])
    tokens.append(ArtifactReader(paths).token(PROBE, ANALYZER))
    write(paths, spec, [50])
    tokens.append(ArtifactReader(paths).token(PROBE, ANALYZER))
    assert len(set(tokens)) == 3
    tidy(paths, [spec])
    assert ArtifactReader(paths).token(PROBE, ANALYZER) == tokens[-1]


@pytest.mark.filterwarnings("error")
def test_plain_xarray_opens_it_without_a_warning_and_finds_coordinates(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 50, 100], [])
    write(paths, spec, [0, 100])
    tidy(paths, [spec])
    tree = xr.open_datatree(paths.artifacts, engine="zarr")
    group = xr.open_zarr(paths.artifacts, group=f"{PROBE}/{ANALYZER}")
    for data in (tree[f"{PROBE}/{ANALYZER}"].to_dataset(), group):
        assert {"epoch", "neuron", "part", "committed"} == set(data.coords)
        assert data["x"].dims == ("epoch", "neuron", "part")
        assert data["epoch"].values.tolist() == [0, 50, 100]
        assert data["committed"].values.tolist() == [True, False, True]
        np.testing.assert_array_equal(data["x"].sel(epoch=100).values, values(100)["x"])
        assert np.isnan(data["x"].sel(epoch=50).values).all()
        assert data["count"].sel(epoch=50).values == -1


def test_a_result_equal_to_the_fill_value_is_stored_and_committed(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0], [])
    writer = GroupWriter(paths, spec, [0], {0: "f0"}, {})
    writer.put(0, {"x": np.full((3, 2), np.nan, np.float32), "count": np.int16(-1)})
    writer.flush()
    assert (place_of(paths, PROBE, ANALYZER) / "x" / "c").is_dir()
    assert stored(paths, spec)[0] == {0: "f0"}
    assert ArtifactReader(paths).dataset(PROBE, ANALYZER)["count"].values.tolist() == [-1]


def test_an_early_flush_shows_whole_epochs_and_later_ones_join_them(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 50, 100], [])
    writer = GroupWriter(paths, spec, [0, 50, 100], {e: f"f{e}" for e in (0, 50, 100)}, {})
    writer.put(50, values(50))
    check(paths, [])
    writer.flush()
    check(paths, [50])
    lazy = ArtifactReader(paths).dataset(PROBE, ANALYZER)
    writer.put(0, values(0))
    writer.put(100, values(100))
    writer.flush()
    check(paths, [0, 50, 100])
    np.testing.assert_array_equal(lazy["x"].values, [values(50)["x"]])  # an open dataset lives on


def test_redoing_part_of_a_block_keeps_the_rest_bit_for_bit(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 50, 100], [])
    write(paths, spec, [0, 50, 100])
    prepare(paths, spec, [0, 50, 100], keep=[0, 100])
    check(paths, [0, 100])
    assert xr.open_zarr(paths.artifacts, group=f"{PROBE}/{ANALYZER}", consolidated=False)[
        "committed"
    ].values.tolist() == [True, False, True]
    write(paths, spec, [50], tag="g")
    check(paths, [0, 50, 100])
    assert ArtifactReader(paths).committed(PROBE, ANALYZER)[50] == "g50"


def test_a_dataset_refuses_to_mix_generations(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 50], [])
    write(paths, spec, [0, 50])
    lazy, before = (ArtifactReader(paths).dataset(PROBE, ANALYZER) for _ in range(2))
    prepare(paths, spec, [0, 50], keep=[0])
    write(paths, spec, [50], tag="g")
    with pytest.raises(StoreError, match="computed anew while it was being read"):
        lazy["x"].load()
    prepare(paths, spec, [0, 25, 50], keep=[0, 50])
    with pytest.raises(StoreError, match="computed anew"):
        before["x"].load()
    check(paths, [0, 50])


def test_another_identity_starts_anew(paths: VariantPaths) -> None:
    prepare(paths, make_spec(), [0], [])
    write(paths, make_spec(), [0])
    other = make_spec("i2", neurons=5)
    assert stored(paths, other) == ({}, None)
    prepare(paths, other, [0], keep=stored(paths, other)[0])
    assert ArtifactReader(paths).committed(PROBE, ANALYZER) == {}
    write(paths, other, [0])
    assert ArtifactReader(paths).dataset(PROBE, ANALYZER)["x"].shape == (1, 5, 2)


def test_inserted_epochs_keep_the_axis_sorted_and_old_results(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 100], [])
    write(paths, spec, [0, 100])
    prepare(paths, spec, [0, 50, 100, 150], keep=[0, 100])
    check(paths, [0, 100])
    write(paths, spec, [150, 50])
    check(paths, [0, 50, 100, 150])
    plain = xr.open_zarr(paths.artifacts, group=f"{PROBE}/{ANALYZER}", consolidated=False)
    assert plain["epoch"].values.tolist() == [0, 50, 100, 150]


def test_many_blocks_end_as_few_files_and_can_be_redone(paths: VariantPaths) -> None:
    spec, epochs = make_spec(), list(range(0, 2000, 10))
    prepare(paths, spec, epochs, [])
    write(paths, spec, epochs)
    before = len(files(paths.root))
    tidy(paths, [spec])
    check(paths, epochs)
    after = files(paths.root)
    assert len(after) < before
    assert len([p for p in after if p.parent.name == ANALYZER and p.suffix == ".json"]) == 2
    assert not paths.staging.exists()
    keep = [e for e in epochs if e != 700]
    prepare(paths, spec, epochs, keep)
    check(paths, keep)
    write(paths, spec, [700], tag="g")
    tidy(paths, [spec])
    check(paths, epochs)


def test_large_epochs_lie_in_chunks_of_their_own_and_are_written_at_once(paths: VariantPaths) -> None:
    spec = make_spec(neurons=1_000_000)  # 8 MB an epoch
    prepare(paths, spec, [0, 1, 2], [])
    writer = GroupWriter(paths, spec, [0, 1, 2], dict.fromkeys(range(3), "f"), {})
    writer.put(1, values(1, 1_000_000))
    assert not [key for key in writer.buffers if key[0] == "x"]
    chunk = place_of(paths, PROBE, ANALYZER) / "x" / "c"
    assert [p.name for p in sorted(chunk.iterdir())] == ["1"]
    assert ArtifactReader(paths).committed(PROBE, ANALYZER) == {}
    writer.flush()
    np.testing.assert_array_equal(
        ArtifactReader(paths).dataset(PROBE, ANALYZER)["x"].values[0], values(1, 1_000_000)["x"]
    )


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_a_damaged_chunk_is_named(paths: VariantPaths, damage: str) -> None:
    spec = make_spec()
    prepare(paths, spec, [0], [])
    write(paths, spec, [0])
    chunk = place_of(paths, PROBE, ANALYZER) / "x" / "c" / "0" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes({"flip": data, "truncate": data[:-5], "empty": b""}[damage])
    lazy = ArtifactReader(paths).dataset(PROBE, ANALYZER)
    assert lazy["count"].values.tolist() == [0]
    with pytest.raises(StoreError, match=r"plug\.one/x: damaged"):
        lazy["x"].load()


def test_a_missing_chunk_is_named_and_counts_as_not_committed(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0], [])
    write(paths, spec, [0])
    shutil.rmtree(place_of(paths, PROBE, ANALYZER) / "count" / "c")
    with pytest.raises(StoreError, match="count/c/0: missing chunk"):
        ArtifactReader(paths).dataset(PROBE, ANALYZER)
    assert stored(paths, spec) == ({}, None)


@pytest.mark.parametrize("text", ["{", '{"schema": 9}', '{"schema": 1, "epochs": [1]}'])
def test_a_damaged_record_is_named_and_counts_as_not_committed(paths: VariantPaths, text: str) -> None:
    spec = make_spec()
    prepare(paths, spec, [0], [])
    write(paths, spec, [0])
    (paths.commits / PROBE / ANALYZER / "0000.json").write_text(text)
    with pytest.raises(StoreError, match=r"0000\.json: damaged commit record"):
        ArtifactReader(paths).dataset(PROBE, ANALYZER)
    assert stored(paths, spec) == ({}, None)
    prepare(paths, spec, [0], [])
    write(paths, spec, [0])
    check(paths, [0])


def test_unknown_artifacts_are_said_with_the_nearest(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0], [])
    write(paths, spec, [0])
    with pytest.raises(UnknownNameError, match=r"did you mean grid/plug\.one"):
        ArtifactReader(paths).dataset(PROBE, "plug.ome")
    with pytest.raises(UnknownNameError, match=r"unknown epoch of grid/plug\.one '7'"):
        ArtifactReader(paths).at(PROBE, ANALYZER, 7)


def whole_spec() -> GroupSpec:
    return GroupSpec(
        probe=PROBE,
        analyzer="plug.path",
        axes={"epoch": np.array([0, 50]), "side": np.array([1.5, 2.5])},
        arrays=(
            ArraySpec("turn", (), "int64", -1, {}),
            ArraySpec("speed", ("epoch", "side"), "float32", math.nan, {}),
        ),
        identity="w",
        epochal=False,
    )


@pytest.mark.filterwarnings("error")
def test_artifacts_without_commits_an_epoch_are_replaced_whole(paths: VariantPaths) -> None:
    spec, reader = whole_spec(), ArtifactReader(paths)
    speed = np.arange(4, dtype=np.float32).reshape(2, 2)
    write_whole(paths, spec, {"turn": np.int64(7), "speed": speed}, "w1", {"device": "cpu"})
    first = reader.dataset(PROBE, "plug.path")
    assert first["turn"].item() == 7
    token = reader.token(PROBE, "plug.path")
    assert stored(paths, spec) == ({}, "w1")
    write_whole(paths, spec, {"turn": np.int64(8), "speed": speed + 1}, "w2", {"device": "cpu"})
    again = reader.dataset(PROBE, "plug.path")
    assert again["turn"].item() == 8
    np.testing.assert_array_equal(again["speed"].sel(epoch=50).values, speed[1] + 1)
    assert reader.whole(PROBE, "plug.path") == "w2"
    assert reader.token(PROBE, "plug.path") != token
    plain = xr.open_datatree(paths.artifacts, engine="zarr")[f"{PROBE}/plug.path"]
    assert plain["speed"].dims == ("epoch", "side")
    Commits.of(paths, PROBE, "plug.path").drop()
    with pytest.raises(UnknownNameError):
        reader.dataset(PROBE, "plug.path")


def test_an_artifact_that_is_missing_everywhere_is_a_result_all_the_same(paths: VariantPaths) -> None:
    spec, reader = whole_spec(), ArtifactReader(paths)
    nowhere = {"turn": np.int64(-1), "speed": np.full((2, 2), np.nan, np.float32)}
    write_whole(paths, spec, nowhere, "w1", {"device": "cpu"})
    found = reader.dataset(PROBE, "plug.path").load()
    assert found["turn"].item() == -1 and bool(found["speed"].isnull().all())
    assert stored(paths, spec) == ({}, "w1")


def test_epochs_at_which_nothing_could_be_measured_survive_tidying(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0, 10], [])
    writer = GroupWriter(paths, spec, [0, 10], {0: "f0", 10: "f10"}, {"device": "cpu"})
    for epoch in (0, 10):
        writer.put(epoch, {"x": np.full((3, 2), np.nan, np.float32), "count": np.int16(-1)})
    writer.flush()
    prepare(paths, spec, [0, 5, 10], [0, 10])  # an axis that is laid anew
    tidy(paths, [spec])
    found = ArtifactReader(paths).dataset(PROBE, ANALYZER).load()
    assert found["epoch"].values.tolist() == [0, 10]
    assert bool(found["x"].isnull().all()) and found["count"].values.tolist() == [-1, -1]


def test_the_sweep_clears_what_a_killed_process_left(paths: VariantPaths) -> None:
    spec = make_spec()
    prepare(paths, spec, [0], [])
    write(paths, spec, [0])
    orphan = place_of(paths, PROBE, ANALYZER) / "x" / "c" / "0.abc.partial"
    orphan.write_bytes(b"half")
    staged(paths.staging).mkdir()
    unconsolidate(paths.artifacts)
    assert not is_consolidated(hierarchy(paths))
    sweep(paths)
    assert not orphan.exists()
    assert not paths.staging.exists()
    assert is_consolidated(hierarchy(paths))
    check(paths, [0])


def test_a_switch_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    paths = VariantPaths(tmp_path)
    place, new = tmp_path / "place", staged(paths.staging)
    for folder, text in ((place, "old"), (new, "new")):
        folder.mkdir()
        (folder / "file").write_text(text)
    # What `step_aside` has done when it dies between its two renames.
    journal = {"new": new.name, "old": f"{new.name}.old", "place": "../place"}
    (paths.staging / "switch.json").write_text(json.dumps(journal))
    place.rename(paths.staging / f"{new.name}.old")
    sweep(paths)
    assert (place / "file").read_text() == "new"
    assert not paths.staging.exists()


def test_both_ways_of_switching_give_the_same(tmp_path: Path) -> None:
    staging = tmp_path / ".staging"
    for way in (switch, step_aside):
        place, new = tmp_path / way.__name__, staged(staging)
        for folder, text in ((place, "old"), (new, "new")):
            folder.mkdir()
            (folder / "file").write_text(text)
        way(new, place, staging)
        assert (place / "file").read_text() == "new"
        assert list(staging.iterdir()) == []


def test_an_exchange_swaps_two_folders(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system has no exchange")
    assert (tmp_path / "a" / "b").exists()
    assert (tmp_path / "b" / "a").exists()
    with pytest.raises(OSError):
        exchange(tmp_path / "a", tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_said(paths: VariantPaths) -> None:
    paths.root.mkdir()
    paths.artifacts.write_text("a file where the store should be")
    with pytest.raises(StoreError, match=r"artifacts\.zarr.*cannot be written"):
        prepare(paths, make_spec(), [0], [])
