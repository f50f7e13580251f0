"""``mi clean``: what nobody will read again goes, everything else stays, whatever kills it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sys
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from mi.engine.analyze import analyze
from mi.engine.clean import clean, plan_cleaning
from mi.engine.verify import verify
from mi.errors import UnknownNameError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import save_tensors
from mi.store.layout import VariantPaths


def contents(variant: Any) -> dict[str, Any]:
    reader = ArtifactReader(VariantPaths(variant.folder))
    return {f"{p}/{a}": reader.dataset(p, a).load() for p in reader.probes() for a in reader.analyzers(p)}


def files(variant: Any) -> dict[str, bytes]:
    """Every file but the lock and the log, by its path."""
    return {
        str(f.relative_to(variant.folder)): f.read_bytes()
        for f in variant.folder.rglob("*")
        if f.is_file() and f.name not in (".lock", "log.jsonl")
    }


def dropped(variant: Any, **settings: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Clean; place -> why and epochs. What stays visible has kept every bit, and the store is sound."""
    before = contents(variant)
    cleaning = plan_cleaning(variant, **settings)
    clean(cleaning)
    after = contents(variant)
    for place, data in after.items():
        old = before[place]
        assert data.equals(old.sel(epoch=data["epoch"]) if "epoch" in data.coords else old), place
    verdict = verify(variant, sample=0, seed=0)
    assert [f for f in verdict.findings if f.state in ("damaged", "left")] == []
    again = plan_cleaning(variant, **settings)
    assert (again.drops, again.mends) == ([], [])
    return {d.place: (d.why, d.epochs) for d in cleaning.drops}


def test_a_fresh_store_loses_nothing(make: Any) -> None:
    variant = make()
    analyze([variant])
    before = files(variant)
    assert dropped(variant) == {}
    assert files(variant) == before


def test_stale_groups_go_and_what_depends_on_them(make: Any, tiny: Any) -> None:
    analyze([make()])
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=2)
    variant = make()
    assert set(dropped(variant)) == {"full/tiny.means", "full/tiny.gap", "full/tiny.path", "full/tiny.drift"}
    assert set(contents(variant)) == {f"full/tiny.{n}" for n in ("energy", "share", "norms", "grid")}
    assert not (VariantPaths(variant.folder).artifacts / "full" / "tiny.means").exists()
    assert analyze([variant]).total.computed == 5 + 5 + 1 + 1


def test_one_stale_epoch_goes_alone(make: Any) -> None:
    from mi_tiny.code import weights_at

    variant = make()
    analyze([variant])
    save_tensors(VariantPaths(variant.folder).checkpoint(100), weights_at(variant.parameters, 101), {})
    told = dropped(make())
    assert told["full/tiny.grid"] == ("1 stale", (100,))
    assert list(contents(variant)["full/tiny.grid"]["epoch"].values) == [0, 50, 200, 400]
    again = analyze([make()])
    assert again.total.forward_passes == 1
    assert again.failures == []


def test_an_epoch_with_chunks_of_its_own_frees_them_within_their_file(make: Any) -> None:
    from mi_tiny.code import weights_at

    variant = make((0, 50), analyzers=["tiny.grid"], size=600)
    analyze([variant])
    save_tensors(VariantPaths(variant.folder).checkpoint(50), weights_at(variant.parameters, 51), {})
    cleaning = plan_cleaning(make((0, 50), analyzers=["tiny.grid"], size=600))
    before = files(variant)
    clean(cleaning)
    after = files(variant)
    assert cleaning.files == 0 and after.keys() == before.keys()
    (shard,) = [name for name in after if "/tiny.grid/" in name and len(after[name]) > 10**6]
    assert cleaning.bytes == len(before[shard]) - len(after[shard]) > 10**6
    assert list(contents(variant)["full/tiny.grid"]["epoch"].values) == [0]


def test_results_without_their_checkpoint_go(make: Any) -> None:
    variant = make()
    analyze([variant])
    VariantPaths(variant.folder).checkpoint(50).unlink()
    told = dropped(make((0, 100, 200, 400)))
    assert told["full/tiny.means"] == ("1 without a checkpoint", (50,))
    assert told["full/tiny.path"] == ("stale", ())  # it spans the epoch that goes
    assert analyze([variant]).failures == []


def test_nothing_goes_where_no_checkpoint_is_left(make: Any) -> None:
    variant = make()
    analyze([variant])
    shutil.rmtree(VariantPaths(variant.folder).checkpoints)
    with pytest.raises(UnknownNameError, match="has no checkpoint, so nobody can tell"):
        plan_cleaning(variant)
    assert len(contents(variant)) == 8


def test_what_waits_for_a_damaged_reference_stays(make: Any) -> None:
    variant = make()
    analyze([variant])
    file = VariantPaths(variant.folder).checkpoint(400)
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    cleaning = plan_cleaning(make())
    assert cleaning.drops == []
    assert "damaged" in cleaning.kept["full/tiny.gap"]
    clean(cleaning)
    file.write_bytes(whole)
    assert analyze([make()]).total.computed == 0


def test_an_analyzer_that_is_no_more_and_a_probe_that_is_no_more_go(make: Any, tiny: Any) -> None:
    variant = make()
    analyze([variant])
    analyze([variant], probe="few", analyzers=["tiny.norms"])
    del tiny.ANALYZERS["tiny.share"]
    (variant.family.folder / "probes" / "few.json").unlink()
    variant = make(analyzers=list(tiny.ANALYZERS))
    (variant.family.folder / "probes" / "few.json").unlink()
    told = dropped(variant)
    assert told == {
        "few/tiny.norms": ("family tiny has no probe 'few'", ()),
        "full/tiny.share": ("plugin tiny (mi-tiny 1.0) offers no such analyzer", ()),
    }
    assert not (VariantPaths(variant.folder).artifacts / "few").exists()


def test_what_a_plugin_owns_that_failed_to_load_stays(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = make()
    analyze([variant])

    def broken(family: object) -> list[Any]:
        raise RuntimeError("no such library")

    monkeypatch.setattr(tiny, "analyze", tiny.hookimpl(broken))
    variant = make(analyzers=list(tiny.ANALYZERS))
    before = files(variant)
    cleaning = plan_cleaning(variant)
    assert cleaning.drops == []
    assert set(cleaning.kept) == {f"full/{id}" for id in tiny.ANALYZERS}
    assert "failed" in cleaning.kept["full/tiny.means"]
    clean(cleaning)
    assert files(variant) == before


def test_a_fresh_result_that_family_json_does_not_list_stays_until_it_is_named(make: Any) -> None:
    analyze([make()])
    variant = make(analyzers=["tiny.gap", "tiny.energy"])
    assert dropped(variant) == {}
    assert "--unbound" in plan_cleaning(variant).kept["full/tiny.grid"]
    told = dropped(variant, unbound=True)
    assert set(told) == {f"full/tiny.{n}" for n in ("share", "norms", "grid", "path", "drift")}
    assert set(contents(variant)) == {f"full/tiny.{n}" for n in ("means", "gap", "energy")}  # gap needs means


def test_damage_and_leftovers_go(make: Any) -> None:
    variant = make()
    analyze([variant])
    paths = VariantPaths(variant.folder)
    group = paths.artifacts / "full"
    chunk = next(f for f in (group / "tiny.grid" / "logit").rglob("*") if f.is_file() and f.name == "0")
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    chunk.write_bytes(data)
    shutil.rmtree(group / "tiny.norms")
    (paths.commits / "full" / "tiny.energy" / "0000.json").write_text("{")
    (paths.commits / "full" / ".0000.json.x.partial").write_text("x")
    (group / "tiny.share" / "share" / "c" / "9").write_bytes(b"stray")
    paths.staging.mkdir()
    (paths.staging / "old").mkdir()
    cleaning = plan_cleaning(variant)
    why = {d.place: d.why for d in cleaning.drops}
    assert why["full/tiny.grid"] == "5 unreadable"
    assert why["full/tiny.norms"] == "damaged: commit records without arrays"
    assert why["full/tiny.energy"] == "damaged: damaged commit record (no JSON)"
    assert why[".staging"] == why["commits/full/.0000.json.x.partial"] == "a killed process left it"
    assert why["artifacts.zarr/full/tiny.share/share/c/9"] == "a chunk outside the array"
    clean(cleaning)
    assert plan_cleaning(variant).drops == []
    analyze([variant])
    verdict = verify(variant, sample=3, seed=0)
    assert verdict.findings == []
    assert verdict.count("equal") == 3


def test_flags_that_a_kill_left_behind_are_written_anew(make: Any) -> None:
    import zarr

    variant = make()
    analyze([variant])
    place = VariantPaths(variant.folder).artifacts / "full" / "tiny.means" / "committed"
    flags = zarr.open_array(place, mode="r+")
    flags[1] = False
    assert verify(variant, sample=0, seed=0).damaged
    cleaning = plan_cleaning(variant)
    assert (cleaning.drops, cleaning.mends) == ([], ["full/tiny.means/committed"])
    clean(cleaning)
    assert np.asarray(flags[...]).all()
    assert not verify(variant, sample=0, seed=0).damaged


def test_the_command_says_what_and_how_much_and_needs_yes_without_a_terminal(
    make: Any, tiny: Any, mi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze([make()])
    tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], version=2)
    variant = make()
    before = files(variant)
    ran = mi(variant, "clean", variant.name, "--dry-run")
    assert ran.code == 0
    assert f"{variant.name}: full/tiny.energy: 5 stale: " in ran.out
    assert files(variant) == before
    ran = mi(variant, "clean", variant.name)
    assert ran.code == 2
    assert "--yes must be given" in ran.err
    ran = mi(variant, "clean", variant.name, "--json")
    assert ran.code == 2
    assert files(variant) == before
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    ran = mi(variant, "clean", "--all", "--yes", "--json")
    assert ran.code == 0
    (row,) = json.loads(ran.out)
    assert row["state"] == "dropped"
    assert row["drops"][0]["analyzer"] == "tiny.energy"
    assert row["files"] == len(before) - len(files(variant)) > 0
    ran = mi(variant, "clean", variant.name, "--yes")
    assert ran.out == f"{variant.name}: nothing to drop\n"
    ran = mi(variant, "clean")
    assert ran.code == 2
    assert "name the variants to clean" in ran.err


def test_it_asks_on_a_terminal(make: Any, mi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze([make()])
    variant = make(analyzers=["tiny.norms"])
    for answer, left in (("n", 8), ("y", 1)):
        main, side = pty.openpty()
        with os.fdopen(side) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            os.write(main, f"{answer}\n".encode())
            ran = mi(variant, "clean", variant.name, "--unbound")
        os.close(main)
        assert ran.code == 0
        assert "Drop " in ran.out
        assert len(contents(variant)) == left
