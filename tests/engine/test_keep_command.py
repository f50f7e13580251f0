"""``mi analyze --keep`` and ``mi cache`` as typed."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from mi.engine import room
from mi.store.layout import VariantPaths

HIDDEN = "hook_hidden@-1"


def test_a_dry_run_says_what_keeping_takes_and_what_is_read_instead_of_passed(make: Any, mi: Any) -> None:
    variant = make(analyzers=["tiny.means", "tiny.norms"])
    keep = ("analyze", variant.name, "--keep", HIDDEN, "--keep", "hook_logits")
    ran = mi(variant, *keep, "--dry-run")
    # 11 rows of 6 and of 2 × 11 numbers, 4 bytes each, at 5 epochs
    assert "  keeping: 2 sites of 11 rows at 5 epochs, 6.2 kB before compression; " in ran.out
    assert f"  keep:{HIDDEN}: 5 checkpoints, 1.32 kB (never computed)" in ran.out
    assert "    activation (epoch 5, x 11, dim_1 6) float32" in ran.out
    assert not VariantPaths(variant.folder).kept.artifacts.exists()
    assert mi(variant, *keep).code == 0
    shutil.rmtree(VariantPaths(variant.folder).checkpoints)
    variant = make((), analyzers=["tiny.grid", "tiny.share", "tiny.norms"])
    ran = mi(variant, "analyze", variant.name, "--dry-run")
    assert "5 checkpoints, 5 stale, 0 forward passes" in ran.out
    assert "  read from kept activations, without a pass: epoch 0, 50, 100, 200, 400" in ran.out
    assert (
        "  known from kept activations alone, the checkpoint is gone: epoch 0, 50, 100, 200, 400" in ran.out
    )
    assert "  tiny.grid: cannot be computed at epoch 0, 50, 100, 200, 400: the checkpoint is gone" in ran.out
    ran = mi(variant, "analyze", variant.name)
    assert ran.code == 0
    assert "tiny.grid: cannot be computed at epoch 0, 50, 100, 200, 400: " in ran.err
    assert "5 checkpoints, 0 forward passes, 5 results computed, 5 fresh" in ran.out
    ran = mi(variant, "analyze", variant.name, "--analyzers", "tiny.grid")
    assert ran.refusal().endswith("the checkpoints are gone, and it reads more than what is kept of them")


def test_keeping_more_than_the_disk_takes_is_refused(
    make: Any, mi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = make()
    monkeypatch.setattr(room, "room_free", lambda folder: 1_000)
    ran = mi(variant, "analyze", variant.name, "--keep", HIDDEN)
    assert ran.refusal() == (
        f"{variant.id}: keeping these activations takes 1,320 bytes, and the disk has 1,000 free; keep "
        "fewer sites or epochs, or --keep-dtype float16"
    )
    assert not VariantPaths(variant.folder).artifacts.exists()
    assert mi(variant, "analyze", variant.name, "--keep", HIDDEN, "--keep-dtype", "float16").code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["analyze", "n11_seed0", "--keep-dtype", "float16"], "give --keep SITE with it"),
        (["analyze", "n11_seed0", "--keep", "x@y"], "the position is 'y', expected a whole number"),
        (["analyze", "n11_seed0", "--keep", ""], "expected a hook such as blocks.0.mlp.hook_post@-1"),
        (
            ["analyze", "n11_seed0", "--keep", "h*d", "--keep-dtype", "int8"],
            "'int8', expected one of float16",
        ),
        (["cache", "rm", "n11_seed0", "--site", "hook_hidden"], "did you mean hook_hidden@-1?"),
        (["cache", "rm", "n11_seed0", "--probe", "fulll"], "did you mean full?"),
        (["cache", "rm", "n11_seed0"], "there is no terminal to ask on, so --yes must be given"),
        (["cache", "rm"], "name the variants to drop activations of, or give --all or --where"),
    ],
)
def test_bad_input_is_one_sentence(make: Any, mi: Any, arguments: list[str], sentence: str) -> None:
    variant = make(analyzers=["tiny.means"])
    mi(variant, "analyze", variant.name, "--keep", HIDDEN)
    ran = mi(variant, *arguments)
    assert ran.code == 2
    assert sentence in ran.err
    assert "Traceback" not in ran.err
    assert (VariantPaths(variant.folder).kept.artifacts / "full" / HIDDEN).is_dir()


def test_cache_lists_measures_and_drops(make: Any, mi: Any) -> None:
    from mi_tiny.code import weights_at

    from mi.store.checkpoints import save_tensors

    variant = make(analyzers=["tiny.means"])
    paths = VariantPaths(variant.folder)
    assert mi(variant, "cache", "ls").out == "no activations are kept (see `mi analyze --keep`)\n"
    assert mi(variant, "cache", "rm", "--all", "--yes").out == "nothing to drop\n"
    mi(variant, "analyze", variant.name, "--keep", HIDDEN, "--keep", "hook_logits")
    save_tensors(paths.checkpoint(100), weights_at(variant.parameters, 101), {})
    rows = json.loads(mi(variant, "cache", "ls", "--json").out)
    told = ("probe", "site", "dtype", "epochs", "fresh", "stale", "without_checkpoint")
    assert [tuple(row[key] for key in told) for row in rows] == [
        ("full", HIDDEN, "float32", 5, 4, 1, 0),
        ("full", "hook_logits", "float32", 5, 4, 1, 0),
    ]
    ran = mi(variant, "cache", "ls", variant.id)
    assert [line.split()[:5] for line in ran.out.splitlines()[1:]] == [
        [variant.id, "full", site, "float32", "5"] for site in (HIDDEN, "hook_logits")
    ]
    (size,) = json.loads(mi(variant, "cache", "size", "--json").out)
    folder = [paths.kept.artifacts / "full", *(paths.kept.commits / "full").glob("*/")]
    files = {f for top in folder for f in top.rglob("*") if f.is_file() and f.parent != folder[0]}
    assert (size["sites"], size["files"]) == (2, len(files))
    assert size["bytes"] == sum(f.stat().st_size for f in files) == sum(row["bytes"] for row in rows)
    assert mi(variant, "cache", "size").out.splitlines()[-1].endswith(" in all")
    ran = mi(variant, "cache", "rm", variant.name, "--stale", "--dry-run")
    assert [line.partition(": stale")[0] for line in ran.out.splitlines()] == [
        f"{variant.name}: full/{site}, 1 of 5 epochs" for site in (HIDDEN, "hook_logits")
    ]
    assert (
        mi(variant, "cache", "rm", variant.name, "--stale", "--yes")
        .out.splitlines()[-1]
        .startswith("dropped")
    )
    assert [row["stale"] for row in json.loads(mi(variant, "cache", "ls", "--json").out)] == [0, 0]
    mi(variant, "cache", "rm", variant.name, "--site", "hook_l*", "--yes")
    assert [row["site"] for row in json.loads(mi(variant, "cache", "ls", "--json").out)] == [HIDDEN]
    assert mi(variant, "cache", "rm", variant.name, "--yes").code == 0
    assert not paths.kept.artifacts.exists()
    assert not paths.kept.commits.exists()
    assert mi(variant, "verify", variant.name, "--sample", "0").code == 0


def test_a_site_whose_checkpoints_are_gone_cannot_be_kept(make: Any, mi: Any) -> None:
    variant = make(analyzers=["tiny.means"])
    paths = VariantPaths(variant.folder)
    assert mi(variant, "analyze", variant.name, "--keep", HIDDEN).code == 0
    paths.checkpoint(100).unlink()
    for dry in ([], ["--dry-run"]):
        ran = mi(variant, "analyze", variant.name, "--keep", "hook_logits", *dry)
        assert ran.code == 2
        line = "--keep hook_logits: cannot be kept at epoch 100: the checkpoint is gone"
        assert line in (ran.out if dry else ran.err)
    assert [row["epochs"] for row in json.loads(mi(variant, "cache", "ls", "--json").out)] == [5, 4]
    shutil.rmtree(paths.checkpoints)
    shutil.rmtree(paths.kept.artifacts / "full" / "hook_logits")
    shutil.rmtree(paths.kept.commits / "full" / "hook_logits")
    ran = mi(variant, "analyze", variant.name, "--keep", "hook_logits")
    assert ran.refusal() == (
        "--keep hook_logits: cannot be kept at epoch 0, 50, 100, 200, …: the checkpoint is gone"
    )
    assert mi(variant, "analyze", variant.name, "--keep", HIDDEN).code == 0  # kept already


def test_epochs_of_kept_activations_are_listed_when_checkpoints_are_gone(make: Any, mi: Any) -> None:
    variant = make(analyzers=["tiny.means"])
    paths = VariantPaths(variant.folder)
    mi(variant, "analyze", variant.name, "--keep", HIDDEN)
    assert "weights" not in mi(variant, "checkpoints", variant.name).out
    paths.checkpoint(400).unlink()
    out = mi(variant, "show", variant.name).out
    assert "checkpoints: 4, epochs 0 to 200; 1 more epoch known from kept activations alone, epoch 400" in out
    assert "5 of 5" in out
    shutil.rmtree(paths.checkpoints)
    out = mi(variant, "show", variant.name).out
    assert "checkpoints: none left; 5 epochs known from kept activations alone, epochs 0 to 400" in out, out
    [row] = json.loads(mi(variant, "show", variant.name, "--json").out)
    assert (row["epochs"], row["kept_epochs"]) == ([], [0, 50, 100, 200, 400])
    rows = json.loads(mi(variant, "checkpoints", variant.name, "--json").out)
    assert [(r["index"], r["epoch"], r["gone"], r["bytes"]) for r in rows] == [
        (i, e, True, None) for i, e in enumerate((0, 50, 100, 200, 400))
    ]
    assert mi(variant, "checkpoints", variant.name).out.count("gone, activations are kept") == 5


def test_a_pattern_drops_what_it_says(make: Any, mi: Any) -> None:
    variant = make(analyzers=["tiny.means"])
    mi(variant, "analyze", variant.name, "--keep", HIDDEN, "--keep", "hook_logits")

    def would(*sites: str) -> set[str]:
        words = [word for site in sites for word in ("--site", site)]
        ran = mi(variant, "cache", "rm", variant.name, *words, "--dry-run")
        assert ran.code == 0, ran.err
        return {line.split("full/")[1].split(":")[0] for line in ran.out.splitlines()}

    assert would("hook_*") == {HIDDEN, "hook_logits"}
    assert would("hook_hid*") == would("hook_hid*@-1") == {HIDDEN}
    assert would("**") == {HIDDEN, "hook_logits"}
    ran = mi(variant, "cache", "rm", variant.name, "--site", "hook_*.**", "--dry-run")
    assert ran.refusal().endswith("(* is any text without a dot, ** any text)")


def test_stars_stand_for_text_with_or_without_dots() -> None:
    from mi.domain.site import Site

    hooks = ["hook_embed", "blocks.0.hook_mid", "blocks.0.mlp.hook_post", "blocks.10.mlp.hook_post"]
    told = {
        pattern: [site.hook for site in Site(pattern).expand(hooks)]
        for pattern in ("blocks.*", "blocks.**", "blocks.0.**", "blocks.*.mlp.hook_post", "**hook_post")
    }
    assert told == {
        "blocks.*": [],
        "blocks.**": hooks[1:],
        "blocks.0.**": hooks[1:3],
        "blocks.*.mlp.hook_post": hooks[2:],
        "**hook_post": hooks[2:],
    }
