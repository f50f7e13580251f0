"""A packed variant in everyday work: looked at in place, unpacked where something is to be written."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

from attrs import evolve

from mi.cli import cli
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.testing import Ran


def tree(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_packing_by_command_and_what_reads_in_place(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    assert mi(variant, "pack", variant.name) == Ran(
        0, f"{variant.id}: no artifacts to pack (see `mi analyze`)\n", ""
    )
    mi(variant, "analyze", variant.name)
    before = tree(paths.artifacts)
    ran = mi(variant, "pack", "--all")
    assert ran.code == 0 and f"{len(before)} files" in ran.out and "packed into artifacts.zarr.zip" in ran.out
    assert mi(variant, "pack", variant.name) == Ran(0, f"{variant.id}: packed already\n", "")
    ran = mi(variant, "verify", variant.name)
    assert ran.code == 0, ran.out
    ran = mi(variant, "analyze", variant.name)
    assert ran.code == 0 and "everything fresh" in ran.out
    ran = mi(variant, "clean", variant.name, "--yes")
    assert ran.code == 0
    ran = mi(variant, "show", variant.name)
    assert ran.code == 0 and "tiny.means" in ran.out
    assert paths.packed.exists() and not paths.artifacts.exists()
    assert mi(variant, "unpack", variant.name) == Ran(0, f"{variant.id}: unpacked into artifacts.zarr\n", "")
    assert mi(variant, "unpack", variant.name) == Ran(0, f"{variant.id} is not packed\n", "")
    assert tree(paths.artifacts) == before
    assert mi(variant, "pack").code == 2


def test_an_added_checkpoint_costs_one_pass_all_the_same(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    mi(variant, "pack", variant.name)
    make((0, 50, 100, 200, 400, 800))
    ran = mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    assert ran.code == 0 and ran.out.startswith("6 checkpoints, 1 forward pass, 1 result computed, 5 fresh")
    assert not paths.packed.exists()
    data = ArtifactReader(paths).dataset("full", "tiny.means").load()
    other = make((0, 50, 100, 200, 400, 800), root=variant.workspace.root.parent / "other")
    mi(other, "analyze", other.name, "--analyzers", "tiny.means")
    undisturbed = ArtifactReader(VariantPaths(other.folder)).dataset("full", "tiny.means").load()
    assert data.equals(undisturbed)


def test_cleaning_takes_stale_epochs_out_of_a_packed_variant(make: Any, mi: Any, tiny: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    mi(variant, "pack", variant.name)
    paths.checkpoint(50).unlink()
    ran = mi(variant, "clean", variant.name, "--dry-run")
    assert ran.code == 0 and "1 without a checkpoint" in ran.out and paths.packed.exists()
    ran = mi(variant, "clean", variant.name, "--yes")
    assert ran.code == 0 and paths.packed.exists() and not paths.artifacts.exists()
    assert list(ArtifactReader(paths).committed("full", "tiny.means")) == [0, 100, 200, 400]
    mi(variant, "pack", variant.name)
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=99)
    ran = mi(variant, "clean", variant.name, "--yes")
    assert ran.code == 0 and "stale" in ran.out
    assert ArtifactReader(paths).analyzers("full") == []


def test_who_writes_meanwhile_is_waited_for_when_asked(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    with variant_lock(paths, "analyzing"):
        assert mi(variant, "pack", variant.name).code == 2
        assert not paths.packed.exists()
        waiting = Thread(
            target=cli.run, args=(["-w", str(variant.workspace.root), "pack", "--all", "--wait"],)
        )
        waiting.start()
        waiting.join(1.0)
        assert waiting.is_alive() and not paths.packed.exists()
    waiting.join(30.0)
    assert paths.packed.exists()


def test_cleaning_keeps_what_is_packed_packed(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--analyzers", "tiny.means,tiny.norms")
    mi(variant, "pack", variant.name)
    paths.checkpoint(100).unlink()
    ran = mi(variant, "clean", variant.name, "--yes")
    assert ran.code == 0, ran.err
    assert "1 without a checkpoint" in ran.out
    assert paths.packed.exists() and not paths.artifacts.exists()
    reader = ArtifactReader(paths)
    assert reader.committed("full", "tiny.means").keys() == {0, 50, 200, 400}
    assert mi(variant, "verify", variant.name, "--sample", "0").code == 0
