"""A packed variant in everyday work: looked at in place, unpacked where something is to be written."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from attrs import evolve

from mi.cli import cli
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock


@pytest.fixture
def mi(capsys: pytest.CaptureFixture[str]) -> Any:
    """``mi(variant, *words)``: exit code and standard output."""

    def run(variant: Any, *words: str) -> tuple[int, str]:
        code = cli.run(["-w", str(variant.workspace.root), *words])
        return code, capsys.readouterr().out

    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_packing_by_command_and_what_reads_in_place(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    assert mi(variant, "pack", variant.name) == (
        0,
        f"{variant.id}: no artifacts to pack (see `mi analyze`)\n",
    )
    mi(variant, "analyze", variant.name)
    before = tree(paths.artifacts)
    code, said = mi(variant, "pack", "--all")
    assert code == 0 and f"{len(before)} files" in said and "packed into artifacts.zarr.zip" in said
    assert mi(variant, "pack", variant.name) == (0, f"{variant.id}: packed already\n")
    code, said = mi(variant, "verify", variant.name)
    assert code == 0, said
    code, said = mi(variant, "analyze", variant.name)
    assert code == 0 and "everything fresh" in said
    code, said = mi(variant, "clean", variant.name, "--yes")
    assert code == 0
    code, said = mi(variant, "show", variant.name)
    assert code == 0 and "tiny.means" in said
    assert paths.packed.exists() and not paths.artifacts.exists()
    assert mi(variant, "unpack", variant.name) == (0, f"{variant.id}: unpacked into artifacts.zarr\n")
    assert mi(variant, "unpack", variant.name) == (0, f"{variant.id} is not packed\n")
    assert tree(paths.artifacts) == before
    assert mi(variant, "pack")[0] == 2


def test_an_added_checkpoint_costs_one_pass_all_the_same(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    mi(variant, "pack", variant.name)
    make((0, 50, 100, 200, 400, 800))
    code, said = mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    assert code == 0 and said.startswith("6 checkpoints, 1 forward pass, 1 result computed, 5 fresh")
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
    code, said = mi(variant, "clean", variant.name, "--dry-run")
    assert code == 0 and "1 without a checkpoint" in said and paths.packed.exists()
    code, said = mi(variant, "clean", variant.name, "--yes")
    assert code == 0 and not paths.packed.exists()
    assert list(ArtifactReader(paths).committed("full", "tiny.means")) == [0, 100, 200, 400]
    mi(variant, "pack", variant.name)
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=99)
    code, said = mi(variant, "clean", variant.name, "--yes")
    assert code == 0 and "stale" in said
    assert ArtifactReader(paths).analyzers("full") == []


def test_who_writes_meanwhile_is_waited_for_when_asked(make: Any, mi: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--analyzers", "tiny.means")
    with variant_lock(paths, "analyzing"):
        assert mi(variant, "pack", variant.name)[0] == 2
        assert not paths.packed.exists()
        waiting = Thread(
            target=cli.run, args=(["-w", str(variant.workspace.root), "pack", "--all", "--wait"],)
        )
        waiting.start()
        waiting.join(1.0)
        assert waiting.is_alive() and not paths.packed.exists()
    waiting.join(30.0)
    assert paths.packed.exists()
