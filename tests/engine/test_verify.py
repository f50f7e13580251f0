"""``mi verify``: damage is found and said, what is sound is computed again to the bit, nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve

from mi.cli import cli
from mi.engine.analyze import analyze
from mi.engine.verify import Verdict, verify
from mi.errors import LockedError
from mi.store.checkpoints import load_tensors, save_tensors
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content: what a write would change."""
    files = [f for f in folder.rglob("*") if f.is_file()]
    return {str(f.relative_to(folder)): (f.stat().st_mtime_ns, f.read_bytes()) for f in files}


def check(variant: Any, sample: int = 0, seed: int = 0) -> Verdict:
    return verify(variant, sample=sample, seed=seed)


def damage(verdict: Verdict) -> dict[str, str]:
    return {f.where: f.what for f in verdict.findings if f.state == "damaged"}


def chunk(variant: Any, place: str) -> Path:
    folder = VariantPaths(variant.folder).artifacts / "full" / place / "c"
    return folder if folder.is_file() else next(f for f in sorted(folder.rglob("*")) if f.is_file())


def flip(file: Path) -> None:
    """One bit, in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_a_sound_variant_is_computed_again_to_the_bit_and_nothing_is_written(make: Any) -> None:
    variant = make()
    analyze([variant])
    before = state(variant.folder)
    verdict = check(variant, sample=100)
    assert verdict.findings == []
    assert len(verdict.compared) == verdict.fresh == verdict.count("equal") == 6 * 5 + 2
    assert (verdict.groups, verdict.checkpoints, verdict.stale) == (8, 5, 0)
    files = [f for f in VariantPaths(variant.folder).artifacts.rglob("*") if f.is_file()]
    assert verdict.chunks == sum(f.name != "zarr.json" for f in files)
    assert {k: v for k, v in state(variant.folder).items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }


def test_the_sample_follows_from_the_seed(make: Any) -> None:
    variant = make(analyzers=["tiny.norms", "tiny.energy", "tiny.path"])
    analyze([variant])

    def drawn(seed: int) -> list[tuple[str, int | None]]:
        return [(c.draw.judged.analyzer, c.draw.epoch) for c in check(variant, 3, seed).compared]

    assert drawn(1) == drawn(1)
    assert len(drawn(1)) == 3
    assert len({tuple(drawn(seed)) for seed in range(4)}) > 1


@pytest.mark.parametrize(
    ("harm", "where", "what"),
    [
        (
            lambda v: flip(chunk(v, "tiny.grid/logit")),
            "tiny.grid/logit/c/0/0/0",
            "damaged chunk (epoch 0, 50",
        ),
        (lambda v: chunk(v, "tiny.gap/gap").unlink(), "full/tiny.gap/gap/c/0", "missing chunk (epoch 0, 50"),
        (lambda v: flip(chunk(v, "tiny.path/total")), "tiny.path/total/c", "damaged chunk"),
        (lambda v: flip(chunk(v, "tiny.means/unit")), "tiny.means/unit/c/0", "damaged chunk"),
        (lambda v: flip(chunk(v, "tiny.means/epoch")), "full/tiny.means/epoch", "cannot be read"),
        (
            lambda v: shutil.rmtree(VariantPaths(v.folder).artifacts / "full/tiny.means/dead"),
            "full/tiny.means/dead",
            "the array is missing",
        ),
        (
            lambda v: shutil.rmtree(VariantPaths(v.folder).artifacts / "full/tiny.norms"),
            "full/tiny.norms",
            "commit records without arrays",
        ),
        (
            lambda v: (VariantPaths(v.folder).commits / "full/tiny.gap/0000.json").write_text("[]"),
            "commits/full/tiny.gap/0000.json",
            "damaged commit record",
        ),
        (
            lambda v: VariantPaths(v.folder).checkpoint(50).write_bytes(b"x" * 100),
            "checkpoints/e00000050.safetensors",
            "damaged or no safetensors file",
        ),
        (
            lambda v: flip(VariantPaths(v.folder).checkpoint(50)),
            "checkpoints/e00000050.safetensors",
            "its bytes are not those that were written",
        ),
        (
            lambda v: save_tensors(VariantPaths(v.folder).checkpoint(50), {"inner": torch.ones(2)}, {}),
            "checkpoints/e00000050.safetensors",
            "lacks the tensor 'embed'",
        ),
        (
            lambda v: (VariantPaths(v.folder).artifacts / "zarr.json").write_text("{"),
            "artifacts.zarr/zarr.json",
            "cannot be read",
        ),
    ],
)
def test_damage_is_named_with_its_place_and_how_to_mend_it(
    make: Any, capsys: pytest.CaptureFixture[str], harm: Callable[[Any], Any], where: str, what: str
) -> None:
    variant = make()
    analyze([variant])
    harm(variant)
    code = cli.run(["-w", str(variant.workspace.root), "verify", variant.name, "--sample", "0"])
    out = capsys.readouterr().out
    assert code == 2
    lines = [line for line in out.splitlines() if f"damaged: {where}" in line or f"/{where}" in line]
    assert any(what in line for line in lines), out
    assert all("mi clean" in line or "mi analyze" in line or "put the file back" in line for line in lines)
    if "checkpoint" in where:
        return
    assert cli.run(["-w", str(variant.workspace.root), "clean", variant.name, "--yes"]) == 0
    analyze([variant])
    assert check(variant, sample=40).findings == []


def test_an_edited_commit_record_an_axis_and_a_flag_are_found(make: Any) -> None:
    import zarr

    variant = make()
    analyze([variant])
    paths = VariantPaths(variant.folder)
    record = paths.commits / "full" / "tiny.gap" / "0000.json"
    data = json.loads(record.read_text())
    del data["sum"]
    data["epochs"]["77"] = "f" * 32
    record.write_text(json.dumps(data))
    zarr.open_array(paths.artifacts / "full" / "tiny.share" / "unit", mode="r+")[0] = 9
    zarr.open_array(paths.artifacts / "full" / "tiny.norms" / "committed", mode="r+")[0] = False
    found = damage(check(variant))
    assert found["full/tiny.gap"] == "committed epochs that its axis does not hold: 77"
    assert found["full/tiny.share/unit"] == "holds other coordinates than the analyzer declares"
    differs = "the coordinate 'committed' differs from the commit records at epoch 0"
    assert found["full/tiny.norms/committed"] == differs


def test_a_record_edited_by_hand_is_not_what_was_written(make: Any) -> None:
    variant = make()
    analyze([variant])
    record = VariantPaths(variant.folder).commits / "full" / "tiny.gap" / "0000.json"
    written = record.read_text()
    record.write_text(written.replace("tiny", "tidy") if "tiny" in written else written.replace("cpu", "gpu"))
    assert damage(check(variant)) == {
        "commits/full/tiny.gap/0000.json": "damaged commit record (its checksum differs)"
    }
    record.write_text(json.dumps(json.loads(written)))
    found = damage(check(variant))["commits/full/tiny.gap/0000.json"]
    assert found == "damaged commit record (it was written anew with the checksum of another)"
    assert analyze([make()]).total.computed == 5
    assert check(variant).findings == []


def test_stale_results_are_told_and_are_no_damage(make: Any, tiny: Any) -> None:
    analyze([make()])
    tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], version=2)
    verdict = check(make(), sample=40)
    assert not verdict.damaged
    assert [(f.state, f.where, f.what) for f in verdict.findings] == [
        ("stale", "full/tiny.energy", "5 of 5 epochs are stale")
    ]
    assert (verdict.stale, verdict.fresh) == (5, 27)
    assert {c.draw.judged.analyzer for c in verdict.compared} == tiny.ANALYZERS.keys() - {"tiny.energy"}


def test_a_function_that_changed_without_a_new_version_is_found(make: Any, tiny: Any) -> None:
    from mi_tiny.analyzers import norms

    analyze([make()])
    tiny.ANALYZERS["tiny.norms"] = evolve(
        tiny.ANALYZERS["tiny.norms"], function=lambda data: {"norm": norms(data)["norm"] * 1.5}
    )
    found = damage(check(make(), sample=100))
    assert set(found) == {f"full/tiny.norms at epoch {e}" for e in (0, 50, 100, 200, 400)}
    assert "norm is apart by 0.5 of its largest value" in found["full/tiny.norms at epoch 50"]
    assert "without a new version" in found["full/tiny.norms at epoch 50"]


def test_another_version_of_torch_is_compared_within_a_tolerance_and_said(make: Any, tiny: Any) -> None:
    from mi_tiny.analyzers import norms

    def changed(by: float) -> Verdict:
        tiny.ANALYZERS["tiny.norms"] = evolve(
            tiny.ANALYZERS["tiny.norms"], function=lambda data: {"norm": norms(data)["norm"] * by}
        )
        return check(make(analyzers=["tiny.norms"]), sample=5)

    variant = make(analyzers=["tiny.norms"])
    analyze([variant])
    record = VariantPaths(variant.folder).commits / "full" / "tiny.norms" / "0000.json"
    data = json.loads(record.read_text())
    del data["sum"]
    data["versions"]["torch"] = "2.0.0"
    record.write_text(json.dumps(data))
    near = changed(1 + 1e-5)
    assert not near.damaged
    assert near.count("near") == 5
    assert f"made with torch 2.0.0, here {torch.__version__.split('+')[0]}" in near.findings[0].what
    assert changed(1.5).damaged


def test_a_group_whose_plugin_is_missing_is_read_and_not_computed_again(make: Any, tiny: Any) -> None:
    analyze([make()])
    tiny.analyze = tiny.hookimpl(_raise)
    variant = make(analyzers=list(tiny.ANALYZERS))
    verdict = check(variant, sample=10)
    assert not verdict.damaged
    assert (verdict.unjudged, verdict.compared) == (8, [])
    assert all("neither judged nor computed again: plugin tiny" in f.what for f in verdict.findings)
    flip(chunk(variant, "tiny.grid/logit"))
    assert list(damage(check(variant))) == ["artifacts.zarr/full/tiny.grid/logit/c/0/0/0"]


def _raise(family: object) -> list[Any]:
    raise RuntimeError("no such library")


def test_the_loss_history_is_read_too(mi_tiny: Any) -> None:
    variant = mi_tiny
    analyze([variant])
    verdict = verify(variant, sample=100, seed=0)
    assert verdict.findings == []
    assert verdict.count("equal") == len(verdict.compared) > 10
    losses = VariantPaths(variant.folder).losses
    file = sorted(losses.glob("*/c/0"))[-1]
    flip(file)
    name = f"losses.zarr/{file.parent.parent.name}"
    assert "cannot be read" in damage(check(variant))[name]
    file.unlink()
    assert damage(check(variant))[f"{name}/c/0"] == "missing chunk"


def test_weights_that_are_not_finite_are_a_note(make: Any) -> None:
    variant = make()
    file = VariantPaths(variant.folder).checkpoint(50)
    weights = load_tensors(file)
    save_tensors(file, weights | {"inner": weights["inner"].clone().fill_(float("nan"))}, {})
    verdict = check(variant)
    assert not verdict.damaged
    assert [(f.where, f.what) for f in verdict.findings] == [
        ("checkpoints/e00000050.safetensors", "24 of its weights are NaN or infinite")
    ]


def test_a_variant_that_is_being_written_is_refused(make: Any) -> None:
    variant = make()
    with variant_lock(VariantPaths(variant.folder)), pytest.raises(LockedError, match="is writing it"):
        check(variant)


def test_the_command_prints_json_and_takes_all(make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = make(), make(seed=1)
    analyze([one, other])
    flip(chunk(other, "tiny.grid/logit"))
    code = cli.run(
        ["-w", str(one.workspace.root), "verify", "--all", "--sample", "3", "--seed", "1", "--json"]
    )
    sound, broken = json.loads(capsys.readouterr().out)
    assert code == 2
    assert (sound["id"], sound["state"], sound["seed"]) == (one.id, "ok", 1)
    assert [s["state"] for s in sound["sample"]] == ["equal"] * 3
    assert (broken["state"], broken["findings"][0]["state"]) == ("damaged", "damaged")
    code = cli.run(["-w", str(one.workspace.root), "verify", one.name, "--seed", "7"])
    out = capsys.readouterr().out
    assert code == 0
    assert out.endswith("8 computed again: 8 equal to the bit (--seed 7): sound\n")


def test_progress_ends_at_its_end(make: Any) -> None:
    """Losses count too: what was told beforehand is never passed."""
    from mi.engine.analyze import analyze
    from mi.engine.verify import verify
    from mi.store.losses import LossHistory

    class Counted:
        total = done = 0

        def reading(self, variant: str, files: int) -> None:
            self.total += files

        def read(self) -> None:
            self.done += 1

        def start(self, variant: str, checkpoints: int) -> None:
            pass

        def checkpoint(self, variant: str, epoch: int) -> None:
            pass

    variant = make()
    history = LossHistory(VariantPaths(variant.folder), ("train_loss", "test_loss"), 10)
    history.record(range(10), {"train_loss": [0.5] * 10, "test_loss": [1.0] * 10})
    history.save()
    analyze([variant])
    counted = Counted()
    assert not verify(variant, sample=0, seed=0, watcher=counted).damaged
    assert counted.done == counted.total > 5
