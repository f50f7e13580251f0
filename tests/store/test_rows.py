"""Epochs that are chunks of their own within shared files: kept, moved, lost and mended one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from mi.errors import StoreError
from mi.store.artifacts import ArtifactReader
from mi.store.blocks import GroupWriter
from mi.store.groupcheck import check_group
from mi.store.groups import open_group
from mi.store.integrity import DAMAGED, Finding, Tally
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of, prepare, stored, tidy
from mi.store.remove import only_of, retract
from mi.store.schema import ArraySpec, GroupSpec

PROBE, ANALYZER = "grid", "plug.one"
SPEC = GroupSpec(
    probe=PROBE,
    analyzer=ANALYZER,
    axes={"neuron": np.arange(300)},
    arrays=(
        ArraySpec("x", ("epoch", "neuron"), "float32", math.nan, {}),  # 1.2 kB an epoch: apart
        ArraySpec("flag", ("epoch", "neuron"), "int8", -1, {}),  # 300 bytes: together
    ),
    identity="i",
)


def values(epoch: int) -> dict[str, Any]:
    dice = np.random.default_rng(epoch)
    return {"x": dice.normal(size=300).astype(np.float32), "flag": dice.integers(0, 5, 300).astype(np.int8)}


def write(paths: VariantPaths, epochs: Sequence[int], flush_every: int = 1000) -> None:
    """Write epochs block by block, as the engine does."""
    axis = {e: i for i, e in enumerate(open_group(keys_of(paths, PROBE, ANALYZER)).epochs())}
    for block in sorted({axis[e] // 64 for e in epochs}):
        mine = [e for e in epochs if axis[e] // 64 == block]
        writer = GroupWriter(paths, SPEC, mine, {e: f"f{e}" for e in mine}, {})
        for n, epoch in enumerate(mine, 1):
            writer.put(epoch, values(epoch))
            if n % flush_every == 0:
                writer.flush()
        writer.flush()


def check(paths: VariantPaths, epochs: Sequence[int]) -> None:
    """These epochs, and no others, bit for bit; the same through plain xarray; nothing to find fault with."""
    reader = ArtifactReader(paths)
    data = reader.dataset(PROBE, ANALYZER).load()
    assert data["epoch"].values.tolist() == sorted(epochs)
    plain = xr.open_zarr(paths.artifacts, group=f"{PROBE}/{ANALYZER}", consolidated=False)
    seen = plain.sel(epoch=sorted(epochs)).load()
    held = reader.open(PROBE, ANALYZER)
    for i, epoch in enumerate(sorted(epochs)):
        one = held.at(epoch)
        for name, expected in values(epoch).items():
            assert one[name].flags.writeable
            for found in (one[name], data[name].values[i], seen[name].values[i]):
                assert found.tobytes() == expected.tobytes()
    assert findings(paths) == []


def findings(paths: VariantPaths) -> list[Finding]:
    return list(check_group(paths, PROBE, ANALYZER, Tally(), deep=True))


def shard(paths: VariantPaths, block: int = 0) -> Path:
    return place_of(paths, PROBE, ANALYZER) / "x" / "c" / str(block) / "0"


@pytest.fixture
def paths(tmp_path: Path) -> VariantPaths:
    return VariantPaths(tmp_path / "v")


def spoil(paths: VariantPaths, position: int) -> None:
    """Flip a bit of one epoch's chunk within its file."""
    array = open_group(keys_of(paths, PROBE, ANALYZER)).arrays["x"]
    rows = array.split_rows((position // array.chunks[0], 0))
    row = bytearray(rows[position % array.chunks[0]] or b"")
    row[len(row) // 2] ^= 4
    rows[position % array.chunks[0]] = bytes(row)
    shard(paths, position // array.chunks[0]).write_bytes(array.join_rows(rows))


def test_a_block_is_one_file_an_array_and_flushing_early_keeps_every_bit(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(10), [])
    write(paths, range(10), flush_every=3)
    check(paths, range(10))
    assert [p.name for p in shard(paths).parent.parent.iterdir()] == ["0"]


def test_a_file_that_no_block_has_touched_is_the_same_file_after_the_axis_grows(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(130), [])
    write(paths, range(130))
    before = [shard(paths, i).stat().st_ino for i in range(3)]
    prepare(paths, SPEC, range(140), range(130))
    after = [shard(paths, i).stat().st_ino for i in range(3)]
    assert after[:2] == before[:2]  # linked, not written again
    assert after[2] != before[2]  # its block grew
    check(paths, range(130))
    write(paths, range(130, 140))
    check(paths, range(140))
    assert [shard(paths, i).stat().st_nlink for i in range(3)] == [1, 1, 1]  # the old generation is gone


def test_what_is_redone_never_shows_in_a_linked_file(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(130), [])
    write(paths, range(130))
    held = ArtifactReader(paths).open(PROBE, ANALYZER)
    prepare(paths, SPEC, range(131), [e for e in range(130) if e != 7])
    with pytest.raises(StoreError, match="computed anew"):
        held.at(7)
    check(paths, [e for e in range(130) if e != 7])
    write(paths, [7, 130])
    check(paths, range(131))


@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_any_change_of_the_axis_keeps_what_is_to_be_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    paths = VariantPaths(tmp_path_factory.mktemp("rows") / "v")
    step = data.draw(st.sampled_from([2, 10]))
    first = range(0, step * data.draw(st.integers(1, 90)), step)
    prepare(paths, SPEC, first, [])
    write(paths, first, flush_every=data.draw(st.sampled_from([5, 1000])))
    if data.draw(st.booleans()):
        tidy(paths, [SPEC])
    keep = [e for e in first if e % 14 or data.draw(st.booleans())]
    more = data.draw(st.sampled_from([[], [1], [1, 3, 5], list(range(1001, 1090))]))
    prepare(paths, SPEC, [*first, *more], keep)
    assert sorted(stored(paths, SPEC)[0]) == keep
    if keep:
        check(paths, keep)
    write(paths, sorted({*first, *more} - set(keep)))
    tidy(paths, [SPEC])
    check(paths, sorted({*first, *more}))


def test_a_damaged_epoch_costs_itself_alone(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(10), [])
    write(paths, range(10))
    spoil(paths, 4)
    with pytest.raises(StoreError, match=r"plug\.one/x: damaged, cannot be read"):
        ArtifactReader(paths).at(PROBE, ANALYZER, 4)
    np.testing.assert_array_equal(ArtifactReader(paths).at(PROBE, ANALYZER, 5)["x"], values(5)["x"])
    (found,) = findings(paths)
    assert (found.state, found.epochs) == (DAMAGED, (4,))
    assert "damaged chunk (epoch 4), cannot be read (ValueError: the checksum" in found.what
    prepare(paths, SPEC, range(12), range(10))  # moved as it is: neither mended nor spread
    assert [(f.state, f.epochs) for f in findings(paths)] == [(DAMAGED, (4,))]
    retract(paths, PROBE, ANALYZER, [4])
    write(paths, [4, 10, 11])
    check(paths, range(12))


def test_taking_epochs_out_frees_their_chunks_within_the_file(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(10), [])
    write(paths, range(10))
    before = shard(paths).stat().st_size
    freed = only_of(paths, PROBE, ANALYZER, [2, 3])
    assert [one.file for one in freed] == [shard(paths)]
    retract(paths, PROBE, ANALYZER, [2, 3])
    assert before - shard(paths).stat().st_size == freed[0].size > 2000
    check(paths, [0, 1, 4, 5, 6, 7, 8, 9])
    retract(paths, PROBE, ANALYZER, range(10))
    assert not shard(paths).exists()


def test_an_epoch_that_its_file_lacks_is_found(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(4), [])
    write(paths, range(4))
    array = open_group(keys_of(paths, PROBE, ANALYZER)).arrays["x"]
    rows = array.split_rows((0, 0))
    rows[1] = None
    shard(paths).write_bytes(array.join_rows(rows))
    assert [(f.epochs, f.what) for f in findings(paths)] == [
        ((1,), "damaged chunk (epoch 1), it is not there")
    ]
    with pytest.raises(StoreError, match="missing chunk"):
        ArtifactReader(paths).dataset(PROBE, ANALYZER)["x"].load()


def test_metadata_that_the_group_says_otherwise_is_found(paths: VariantPaths) -> None:
    prepare(paths, SPEC, range(4), [])
    write(paths, range(4))
    node = place_of(paths, PROBE, ANALYZER) / "x" / "zarr.json"
    node.write_text(node.read_text().replace('"NaN"', "0.0"))
    (found,) = findings(paths)
    assert (found.state, found.what) == (DAMAGED, "its metadata is not what the group's says of it")
