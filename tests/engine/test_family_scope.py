"""Analyzers over the variants of a family: who takes part, what makes them stale, and who is kept out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from attrs import evolve

import mi
from mi import Analyzer, ArtifactNeed, GradientNeed, Output, ParameterError, ProbeNeed, Site
from mi.domain.place import FAMILY_SCOPE
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.errors import PlanError, PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import save_tensors
from mi.store.layout import VariantPaths
from mi.store.lock import family_lock
from mi.store.losses import LossHistory

ID = "tiny.ends"
USED = ["tiny.means", "tiny.path", ID]


@pytest.fixture(autouse=True)
def base(tiny: Any) -> Analyzer:
    """An analyzer over variants, which the tiny plugin offers."""
    tiny.ANALYZERS[ID] = tiny.ENDS
    return tiny.ENDS  # type: ignore[no-any-return]


def tiny_ends(data: Any, power: int) -> Any:
    from mi_tiny.analyzers import ends

    return ends(data, power)


def folder(variant: Any) -> Path:
    return Path(variant.workspace.family_folder(variant.family))


def stored(variant: Any, id: str = ID) -> xr.Dataset:
    return ArtifactReader(VariantPaths(folder(variant))).dataset("full", id).load()


def run(*variants: Any, **more: Any) -> AnalysisSummary:
    summary = analyze(variants, **more)
    assert summary.failures == []
    return summary


def computed(summary: AnalysisSummary) -> int:
    return sum(one.computed for one in summary.families)


def test_all_variants_that_have_the_artifacts_take_part(make: Any) -> None:
    one, two = make((0, 50), USED), make((0, 50, 100), USED, seed=1, size=5)
    summary = run(one, two)
    assert computed(summary) == 1
    data = stored(one)
    assert data["variant"].values.tolist() == ["n11_seed0", "n5_seed1"]
    assert data["epochs"].values.tolist() == [2, 3]
    assert data["size"].values.tolist() == [11, 5]
    for variant in (one, two):
        means = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.means")["mean"]
        assert float(data["mean"].sel(variant=variant.name)) == float(means.isel(epoch=-1).mean())
    assert data.attrs["variants"] == {v.name: dict(v.parameters) for v in (one, two)}
    assert data.attrs["missing"] == {}
    assert data.attrs["scope"] == "family"
    with xr.open_zarr(folder(one) / "artifacts.zarr", group=f"full/{ID}") as plain:
        assert plain["mean"].dims == ("variant",)


def test_a_second_analysis_does_nothing_and_needs_no_lock(make: Any) -> None:
    from mi_tiny.analyzers import CALLS

    one = make(analyzers=USED)
    run(one)
    with family_lock(VariantPaths(folder(one))):
        again = run(one)
    assert (computed(again), again.families[0].fresh, CALLS["ends"]) == (0, 1, 1)
    assert "everything fresh" in again.line()


def test_a_variant_that_lacks_an_artifact_is_left_out_and_named(make: Any) -> None:
    one, two = make((0, 50), USED), make((0,), USED, seed=1)
    make((), USED, seed=2)
    why = "tiny.means has no result over probe full"
    summary = run(one)
    assert stored(one)["variant"].values.tolist() == ["n11_seed0"]
    assert stored(one).attrs["missing"] == {"n11_seed1": why, "n11_seed2": "it has no checkpoint"}
    assert summary.families[0].left_out == {ID: stored(one).attrs["missing"]}
    summary = run(two)  # a variant more, though the other was not named
    assert computed(summary) == 1
    assert stored(one)["variant"].values.tolist() == ["n11_seed0", "n11_seed1"]
    assert summary.families[0].left_out[ID].keys() == {"n11_seed2"}


def test_where_no_variant_has_what_is_needed_it_is_skipped_with_a_sentence(make: Any, tiny: Any) -> None:
    need = ArtifactNeed("tiny.grid", at="reference")
    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, artifacts=(need,))
    one = make((0,), USED)
    summary = run(one, probe="few")  # over which tiny.grid does not apply
    assert (
        "no variant has what it needs (n11_seed0: tiny.grid does not apply" in summary.families[0].skipped[ID]
    )
    assert not folder(one).exists()
    with pytest.raises(PlanError, match="needs the complete grid"):
        analyze([one], probe="few", analyzers=[ID])


def test_asked_for_by_name_it_brings_what_it_needs_of_the_named_variants(make: Any) -> None:
    one = make((0, 50), USED)
    summary = run(one, analyzers=[ID])
    store = ArtifactReader(VariantPaths(one.folder))
    assert store.analyzers("full") == ["tiny.means"]
    assert summary.line().startswith("2 checkpoints, 2 forward passes, 3 results computed, 0 fresh")


def test_analyzers_that_are_not_listed_do_not_run_it(make: Any) -> None:
    one = make((0, 50), USED)
    assert run(one, analyzers=["tiny.means"]).families == []
    assert not folder(one).exists()


Change = Callable[[Any, Any, Any], Any]


def new_epoch(one: Any, make: Any, tiny: Any) -> Any:
    return make((0, 50, 100), USED)


def new_bytes(one: Any, make: Any, tiny: Any) -> Any:
    from mi_tiny.code import weights_at

    save_tensors(VariantPaths(one.folder).checkpoint(50), weights_at(one.parameters, 51), {})
    return one


def new_option(one: Any, make: Any, tiny: Any) -> Any:
    return make((0, 50), USED, options={ID: {"power": 2}})


def new_version(one: Any, make: Any, tiny: Any) -> Any:
    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, version=2)
    return make((0, 50), USED)


def new_need(one: Any, make: Any, tiny: Any) -> Any:
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=2)
    return make((0, 50), USED)


def nothing(one: Any, make: Any, tiny: Any) -> Any:
    return make((0, 50), USED)


def other_analyzer(one: Any, make: Any, tiny: Any) -> Any:
    tiny.ANALYZERS["tiny.path"] = evolve(tiny.ANALYZERS["tiny.path"], version=2)
    return make((0, 50), USED)


def other_variant_declared(one: Any, make: Any, tiny: Any) -> Any:
    make((0,), USED, seed=9)
    return one


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (new_epoch, 1),
        (new_bytes, 1),
        (new_option, 1),
        (new_version, 1),
        (new_need, 1),
        (nothing, 0),
        (other_analyzer, 0),
        (other_variant_declared, 0),
    ],
)
def test_what_changes_makes_it_stale_and_nothing_else_does(
    make: Any, tiny: Any, change: Change, again: int
) -> None:
    one = make((0, 50), USED)
    run(one)
    assert computed(run(change(one, make, tiny))) == again


def test_results_of_another_version_take_no_part(make: Any, tiny: Any) -> None:
    one, two = make((0, 50), USED), make((0, 50), USED, seed=1)
    run(one, two)
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=2)
    one = make((0, 50), USED)
    summary = run(one)
    assert summary.families[0].left_out == {ID: {"n11_seed1": "tiny.means has no result that is up to date"}}
    assert stored(one)["variant"].values.tolist() == ["n11_seed0"]


def test_the_reference_losses_and_trajectories_of_each_variant_are_given(make: Any, tiny: Any) -> None:
    def function(data: Any) -> dict[str, Any]:
        names = data.variants
        return {
            "mean": [float(data.reference["tiny.means"][n]["mean"].mean()) for n in names],
            "epochs": [data.artifacts["tiny.path"][n].sizes["epoch"] for n in names],
            "size": [data.losses[n].sizes["epoch"] for n in names],
        }

    needs = (ArtifactNeed("tiny.means", at="reference"), ArtifactNeed("tiny.path", at="all"))
    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, function=function, artifacts=needs, losses=True, options={})
    one, two = make((0, 50), USED), make((0, 50, 100), USED, seed=1)
    make_losses(one, 51)
    summary = run(one, two)
    assert "loss" in summary.families[0].left_out[ID]["n11_seed1"]
    make_losses(two, 101)
    run(two)
    found = stored(one)
    assert found["epochs"].values.tolist() == [2, 3]
    assert found["size"].values.tolist() == [51, 101]
    means = ArtifactReader(VariantPaths(two.folder)).at("full", "tiny.means", 100)["mean"]
    assert float(found["mean"].sel(variant="n11_seed1")) == float(means.mean())
    make_losses(two, 102)
    assert computed(run(one)) == 1


def make_losses(variant: Any, epochs: int) -> None:
    import shutil

    paths = VariantPaths(variant.folder)
    shutil.rmtree(paths.losses, ignore_errors=True)
    history = LossHistory(paths, ("train_loss",), epochs)
    history.record(range(epochs), {"train_loss": [1 / (1 + epoch) for epoch in range(epochs)]})
    history.save()


def test_coordinates_of_its_own_make_further_dimensions(make: Any, tiny: Any) -> None:
    def coordinates(subject: Any) -> dict[str, Any]:
        assert subject.variants == tuple(subject.parameters)
        return {"epoch": [0, 50], "seed": sorted(p["seed"] for p in subject.parameters.values())}

    def function(data: Any) -> dict[str, Any]:
        found = data.artifacts["tiny.means"]
        return {"mean": [found[n]["mean"].mean("unit").values for n in data.variants], "seeds": [0.0, 1.0]}

    outputs = {"mean": Output(("variant", "epoch")), "seeds": Output(("seed",))}
    tiny.ANALYZERS[ID] = evolve(
        tiny.ENDS, function=function, outputs=outputs, options={}, coordinates=coordinates
    )
    one, two = make((0, 50), USED), make((0, 50), USED, seed=1)
    run(one, two)
    assert stored(one)["mean"].dims == ("variant", "epoch")
    assert stored(one)["seed"].values.tolist() == [0, 1]
    assert computed(run(one)) == 0


def test_one_that_fails_loses_only_its_own(make: Any, tiny: Any) -> None:
    tiny.ANALYZERS["tiny.burst"] = evolve(tiny.ENDS, id="tiny.burst", function=lambda data, power: 1 / 0)
    tiny.ANALYZERS["tiny.wrong"] = evolve(
        tiny.ENDS, id="tiny.wrong", function=lambda data, power: {"mean": 0}
    )
    tiny.ANALYZERS["tiny.gone"] = evolve(tiny.ENDS, id="tiny.gone", function="mi_tiny.analyzers:gone")
    tiny.ANALYZERS["tiny.lost"] = evolve(
        tiny.ENDS, id="tiny.lost", artifacts=(ArtifactNeed("tiny.maens", "all"),)
    )
    one = make((0, 50), [*USED, "tiny.burst", "tiny.wrong", "tiny.gone", "tiny.lost"])
    summary = analyze([one])
    said = {f.analyzer: f.message for f in summary.failures}
    assert said.keys() == {"tiny.burst", "tiny.wrong", "tiny.gone", "tiny.lost"}
    assert "analyzer tiny.burst of plugin tiny (mi-tiny 1.0): raised ZeroDivisionError" in said["tiny.burst"]
    assert "did not return output 'epochs', 'size'" in said["tiny.wrong"]
    assert "family.json: analyzer tiny.gone" in said["tiny.gone"]
    assert "needs tiny.maens, which no plugin offers; did you mean tiny.means" in said["tiny.lost"]
    assert (computed(summary), summary.total.computed) == (1, 4)
    with pytest.raises(PlanError, match=r"tiny\.lost"):
        analyze([one], analyzers=["tiny.lost"])
    [failure] = analyze([one], analyzers=["tiny.gone"]).failures  # the variants are fresh: nothing ran before
    assert "cannot load 'mi_tiny.analyzers:gone'" in failure.message
    with pytest.raises(PluginError, match=r"tiny\.gone.*: cannot load"):
        analyze([make((0, 50, 100), USED)], analyzers=["tiny.gone"])


def test_a_locked_family_is_a_sentence_after_the_variants_work(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi.store.lock.FAMILY_PATIENCE", 0.01)
    one = make((0, 50), USED)
    with family_lock(VariantPaths(folder(one))):
        (failure,) = analyze([one]).failures
    assert failure.message.startswith(
        f"analyzer {ID}: tiny: another process is writing what spans its variants ("
    )
    assert list(ArtifactReader(VariantPaths(one.folder)).committed("full", "tiny.means")) == [0, 50]
    assert computed(run(one)) == 1


def test_what_is_committed_meanwhile_is_taken_in(make: Any, tiny: Any) -> None:
    """As if another process analyzed another variant while this one's family-scope analyzer ran."""
    one, two = make((0, 50), USED), make((0, 50), USED, seed=1)

    def meanwhile(data: Any, power: int) -> dict[str, Any]:
        if len(data.variants) == 1:
            tiny.ANALYZERS[ID] = tiny.ENDS
            run(make((0, 50), USED, seed=1))
        return tiny_ends(data, power)

    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, function=meanwhile)
    one = make((0, 50), USED)
    run(one)
    assert stored(one)["variant"].values.tolist() == [one.name, two.name]
    assert computed(run(one, two)) == 0


SITE, CORE = Path(__file__).parent / "site", str(Path(mi.__file__).parents[1])
SCRIPT = """
import sys
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
import mi_tiny
mi_tiny.ANALYZERS['tiny.ends'] = mi_tiny.ENDS
summary = analyze([Workspace.open(sys.argv[1]).variant(sys.argv[2])])
sys.exit("; ".join(f.message for f in summary.failures) or 0)
"""


def test_processes_that_analyze_different_variants_at_once_end_with_all_of_them(make: Any) -> None:
    made = [make((0, 50), USED, seed=seed) for seed in range(3)]
    root = made[0].workspace.root
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                root,
                one.name,
            ],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), CORE])},
            text=True,
        )
        for one in made
    ]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0, 0], ended
    assert stored(made[0])["variant"].values.tolist() == [one.name for one in made]
    assert computed(run(*made)) == 0


def test_a_kill_leaves_it_whole_or_absent(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make((0, 50), USED)

    def die(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mi.store.commits.Commits.add_whole", die)
        with pytest.raises(KeyboardInterrupt):
            analyze([one])
    assert ArtifactReader(VariantPaths(folder(one))).whole("full", ID) is None
    assert computed(run(one)) == 1
    assert not (folder(one) / ".staging").exists()


def test_what_spans_a_family_is_no_variant(make: Any) -> None:
    one = make((0, 50), USED)
    run(one)
    (folder(one) / "config.json").write_text(json.dumps({"schema": 1, "parameters": {}}))
    assert [v.name for v in one.workspace.variants("tiny")] == [one.name]
    with pytest.raises(Exception, match="unknown variant '_family'"):
        one.workspace.variant(f"tiny/{FAMILY_SCOPE}")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sites": (Site("hook_hidden"),)}, "`sites` is of one variant, and scope 'family' spans variants"),
        ({"weights": True}, "`weights` is of one variant"),
        ({"model": True}, "`model` is of one variant"),
        ({"gradients": (GradientNeed(weights=True),)}, "`gradients` is of one variant"),
        ({"context": ("scale",)}, "`context` is of one variant"),
        ({"probe": ProbeNeed(labels=True)}, "`probe` is of one variant"),
        ({"artifacts": ()}, "reads artifacts or losses; none is declared"),
    ],
)
def test_a_declaration_of_what_spans_variants_is_checked(
    base: Analyzer, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        evolve(base, **given)


@pytest.mark.parametrize(
    ("id", "need", "sentence"),
    [
        ("tiny.gap", ArtifactNeed(ID), "tiny.gap needs tiny.ends .scope family.*nothing can need it"),
        (
            "tiny.path",
            ArtifactNeed(ID, "all"),
            "tiny.path needs tiny.ends .scope family.*nothing can need it",
        ),
        (ID, ArtifactNeed("tiny.means"), "scope family. needs tiny.means at 'checkpoint', expected 'all' or"),
        (ID, ArtifactNeed("tiny.path", "reference"), "its scope is trajectory; expected 'all'"),
    ],
)
def test_needs_that_a_scope_cannot_have_are_refused(
    make: Any, tiny: Any, id: str, need: ArtifactNeed, sentence: str
) -> None:
    tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], artifacts=(need,))
    with pytest.raises(PlanError, match=sentence):
        analyze([make((0,), list({*USED, id}))], analyzers=[id])


def test_a_family_of_hundreds_of_epochs_is_read_lazily(make: Any, tiny: Any) -> None:
    def lazy(data: Any, power: int) -> dict[str, Any]:
        found = data.artifacts["tiny.means"][data.variants[0]]
        assert not isinstance(found["mean"].variable._data, np.ndarray)
        return tiny_ends(data, power)

    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, function=lazy)
    run(make((0, 50), USED))


def test_a_stale_result_at_the_reference_is_not_called_absent(make: Any, tiny: Any) -> None:
    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, artifacts=(ArtifactNeed("tiny.means", at="reference"),))
    one, two = make((0, 50), USED[:2]), make((0, 50), USED[:2], seed=1)
    run(one, two)
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=2)
    one = make((0, 50), USED)
    shares = make_shares(one)
    assert shares.missing["n11_seed1"] == (
        "tiny.means has no result that is up to date at epoch 50, its last checkpoint"
    )


def make_shares(variant: Any) -> Any:
    from mi.engine.family_bind import family_scope
    from mi.engine.session import Session

    scope = family_scope(variant.workspace, variant.family)
    scope.gather(Session())
    return scope.share(scope.items[ID])


def test_results_outlive_the_checkpoints_that_they_were_made_of(make: Any) -> None:
    import shutil

    one, two = make((0, 50), USED), make((0, 50, 100), USED, seed=1)
    run(one, two)
    shutil.rmtree(VariantPaths(two.folder).checkpoints)
    assert make_shares(one).fresh
    one = make((0, 50, 100), USED)
    summary = run(one)
    assert summary.families[0].left_out == {}
    assert stored(one)["epochs"].values.tolist() == [3, 3]
