"""``mi analyze`` as it is typed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from attrs import evolve

from mi.domain.site import Site
from mi.engine.analyze import analyze
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.engine.tasks import full_axis, make_tasks
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.prepare import prepare


def test_the_closing_line_and_a_second_call(make: Any, mi: Any) -> None:
    variant = make()
    ran = mi(variant, "analyze", variant.name)
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith(
        "5 checkpoints, 5 forward passes, 32 results computed, 0 fresh"
    )
    assert "5/5" in ran.err  # the bar
    ran = mi(variant, "analyze", variant.id)
    assert ran.code == 0
    assert ran.out.startswith("5 checkpoints, 0 forward passes, everything fresh (32 results)")
    log = [json.loads(line) for line in VariantPaths(variant.folder).log.read_text().splitlines()]
    assert [entry["command"] for entry in log] == ["analyze", "analyze"]
    assert log[0]["summary"].startswith("5 checkpoints, 5 forward passes")


def test_several_variants_have_a_line_each_and_one_for_all(make: Any, mi: Any) -> None:
    one, other = make(), make(seed=1)
    ran = mi(one, "analyze", "--all", "--analyzers", "tiny.means")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0].startswith(f"{one.name}: 5 checkpoints, 5 forward passes, ")
    assert lines[1].startswith(f"{other.name}: 5 checkpoints, 5 forward passes, ")
    assert lines[2].startswith("10 checkpoints, 10 forward passes, 10 results computed")


def test_a_dry_run_tells_the_plan_and_writes_nothing(make: Any, mi: Any) -> None:
    variant = make()
    before = {*variant.folder.rglob("*"), VariantPaths(variant.folder).hooks}
    ran = mi(variant, "analyze", variant.name, "--dry-run")
    assert ran.code == 0
    assert "5 checkpoints, 5 stale, 5 forward passes" in ran.out
    assert "sites: hook_hidden@-1" in ran.out
    assert "tiny.grid: 5 checkpoints" in ran.out
    assert "logit (epoch 5, x 11, klass 11) float32" in ran.out
    assert "(never computed)" in ran.out
    assert "tiny.path: trajectory, stale" in ran.out
    assert set(variant.folder.rglob("*")) == before  # but for what is remembered of the model
    mi(variant, "analyze", variant.name)
    ran = mi(make((0, 50, 100, 200, 400, 800)), "analyze", variant.name, "--dry-run")
    assert "6 checkpoints, 6 stale, 1 forward pass\n" in ran.out
    assert "tiny.means: 1 checkpoint, " in ran.out
    assert "(new checkpoints)" in ran.out
    assert "(its inputs changed)" in ran.out  # tiny.gap, through the reference


def test_a_dry_run_says_what_analyzers_cost_and_that_few_checkpoints_are_chosen(
    make: Any, mi: Any, tiny: Any
) -> None:
    for id, cost in (("grid", lambda n: 1e6 * n["x"]), ("path", lambda n: 2 * n["epoch"])):
        tiny.ANALYZERS[f"tiny.{id}"] = evolve(tiny.ANALYZERS[f"tiny.{id}"], cost=cost)
    tiny.ANALYZERS["tiny.grid"] = evolve(tiny.ANALYZERS["tiny.grid"], checkpoints=2)
    tiny.ANALYZERS["tiny.norms"] = evolve(tiny.ANALYZERS["tiny.norms"], cost=lambda n: n["none"])
    variant = make()
    ran = mi(variant, "analyze", variant.name, "--dry-run")
    assert "tiny.grid: 2 checkpoints, 984 B (never computed), 11 MFLOP a checkpoint\n" in ran.out
    assert "tiny.path: trajectory, stale, 10 FLOP\n" in ran.out
    assert "tiny.norms of plugin tiny (mi-tiny 1.0): its cost raised KeyError: 'none'" in ran.out
    assert "tiny.means: 5 checkpoints, 130 B (never computed)\n" in ran.out
    mi(variant, "analyze", variant.name)
    ran = mi(variant, "analyze", variant.name, "--dry-run")
    assert "FLOP" not in ran.out


def test_a_bad_declaration_is_shown_by_a_dry_run_and_fails_the_command(make: Any, mi: Any, tiny: Any) -> None:
    tiny.ANALYZERS["tiny.grid"] = evolve(tiny.ANALYZERS["tiny.grid"], sites=(Site("hook_logitz"),))
    variant = make()
    line = (
        "model_families/tiny/family.json: analyzer tiny.grid of plugin tiny (mi-tiny 1.0): site hook_logitz: "
        "the model has no hook 'hook_logitz'; did you mean hook_logits"
    )
    ran = mi(variant, "analyze", variant.name, "--dry-run")
    assert ran.code == 2  # as the analysis will end
    assert f"  tiny.grid: {line}" in ran.out
    assert "5 checkpoints, 5 stale, 5 forward passes" in ran.out
    ran = mi(variant, "analyze", variant.name)
    assert ran.code == 2
    assert ran.err.count(f"mi: n11_seed0: {line}") == 1
    assert ran.out.startswith("5 checkpoints, 5 forward passes, 27 results computed, 0 fresh, 1 failure")


def test_failures_are_said_and_the_exit_code_is_2(make: Any, mi: Any) -> None:
    variant = make()
    VariantPaths(variant.folder).checkpoint(100).write_bytes(b"short")
    ran = mi(variant, "analyze", variant.name)
    assert ran.code == 2
    assert "e00000100.safetensors: damaged or no safetensors file" in ran.err
    assert "5 checkpoints, 4 forward passes, " in ran.out
    assert "1 failure" in ran.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["n11_sed0"], "unknown variant 'n11_sed0': did you mean n11_seed0?"),
        (["n11_seed0", "--analyzers", "tiny.gird"], "did you mean tiny.grid or "),
        (["n11_seed0", "--probe", "fulll"], "did you mean full?"),
        (["n11_seed0", "--epochs", "60"], "no checkpoint at epoch 60; the nearest are 50"),
        (["n11_seed0", "--device", "abacus"], "cannot be used: expected cpu, cuda, cuda:1, mps or xpu"),
        ([], "name the variants to analyze, or give --all or --where"),
        (["n11_seed0", "--all"], "VARIANT (n11_seed0) and --all exclude each other: name the variants to "),
    ],
)
def test_bad_input_is_one_sentence(make: Any, mi: Any, arguments: list[str], sentence: str) -> None:
    variant = make()
    ran = mi(variant, "analyze", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert len([line for line in ran.err.splitlines() if line.startswith("mi: ")]) == 1
    assert not VariantPaths(variant.folder).artifacts.exists()


@pytest.mark.filterwarnings("error")
def test_few_files_that_plain_xarray_opens(make: Any) -> None:
    epochs = range(0, 3050, 50)
    variant = make(epochs)
    analyze([variant])
    paths = VariantPaths(variant.folder)
    tree = xr.open_datatree(paths.artifacts, engine="zarr")
    assert tree["full/tiny.grid"]["logit"].dims == ("epoch", "x", "klass")
    assert {"epoch", "x", "klass", "committed"} <= set(tree["full/tiny.grid"].coords)
    norms = xr.open_zarr(paths.artifacts, group="full/tiny.norms")
    assert norms["matrix"].values.tolist() == ["embed", "inner", "outer"]
    assert bool(norms["committed"].values.all())
    assert norms.attrs["versions"]["torch"]
    assert norms.attrs["plugin"] == "tiny (mi-tiny 1.0)"
    artifacts = [p for root in (paths.artifacts, paths.commits) for p in root.rglob("*") if p.is_file()]
    # A group: itself, a record, two axes' and each array's metadata and chunk.
    assert len(artifacts) <= 8 * (1 + 1 + 2 * 4) + 2 * 12 + 2


def test_a_task_travels_to_another_process(make: Any, tmp_path: Path) -> None:
    """The seam for a cluster: a pickled task holds paths and ids, and any process can run it."""
    variant = make()
    plan = make_plan(Session({variant.workspace.root: variant.workspace}), variant, analyzers=["tiny.gap"])
    for work in plan.work.values():
        prepare(plan.bench.paths, work.spec, full_axis(plan), work.keep.keys())
    first, others = make_tasks(plan)
    file = tmp_path / "task"
    file.write_bytes(pickle.dumps([*first, *others]))
    code = (
        "import pickle, sys; from pathlib import Path; from mi.engine.block import run_block; "
        "from mi.engine.session import Session; session = Session(); "
        "print(sum(run_block(t, session).computed for t in pickle.loads(Path(sys.argv[1]).read_bytes())))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10"
    assert analyze([variant], analyzers=["tiny.gap"]).total.forward_passes == 0
    assert list(ArtifactReader(plan.bench.paths).committed("full", "tiny.gap")) == [0, 50, 100, 200, 400]
