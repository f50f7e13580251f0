"""One forward pass a stale checkpoint, whatever the number of analyzers; nothing at all when fresh."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

EPOCHS = (0, 50, 100, 200, 400)
CHECKPOINT = ["tiny.means", "tiny.energy", "tiny.share", "tiny.grid", "tiny.gap"]


def full_passes(rows: int = 11) -> int:
    """Real calls of the models' forward with the whole probe."""
    from mi_tiny.code import MODELS

    return sum(call == rows for model in MODELS for call in model.calls)


def stamps(variant: Any) -> dict[Any, int]:
    """When each file of a variant was written, but for the log and the lock."""
    files = [p for p in variant.folder.rglob("*") if p.is_file() and p.name not in ("log.jsonl", ".lock")]
    return {p: p.stat().st_mtime_ns for p in files}


def reader(variant: Any) -> ArtifactReader:
    return ArtifactReader(VariantPaths(variant.folder))


@pytest.mark.parametrize("analyzers", [["tiny.means"], CHECKPOINT, None])
def test_real_forward_calls_equal_checkpoints(make: Any, analyzers: list[str] | None) -> None:
    from mi_tiny.code import MODELS

    summary = analyze([make()], analyzers=analyzers)
    assert summary.failures == []
    assert full_passes() == len(EPOCHS)
    assert summary.total.forward_passes == len(EPOCHS)
    assert summary.line().startswith("5 checkpoints, 5 forward passes, ")
    assert len(MODELS) == 1
    assert [c for c in MODELS[0].calls if c != 11] == [2]  # the plan's look at two rows


def test_a_second_call_does_nothing_and_says_so(make: Any) -> None:
    from mi_tiny.analyzers import CALLS
    from mi_tiny.code import MODELS

    analyze([make()])
    calls, models = dict(CALLS), len(MODELS)
    before = stamps(make())
    again = analyze([make()])
    assert again.line().startswith("5 checkpoints, 0 forward passes, everything fresh (32 results)")
    assert (dict(CALLS), len(MODELS)) == (calls, models)
    assert stamps(make()) == before


def test_results_are_what_the_analyzers_compute(make: Any) -> None:
    import torch
    from mi_tiny.code import weights_at

    variant = make()
    analyze([variant])
    store = reader(variant)
    tokens = torch.arange(11)
    mean = {}
    for epoch in EPOCHS:
        w = weights_at(variant.parameters, epoch)
        hidden = torch.relu(w["embed"][tokens] @ w["inner"])
        mean[epoch] = hidden.mean(0).numpy()
        one = {id: store.at("full", id, epoch) for id in store.analyzers("full") if id in CHECKPOINT}
        np.testing.assert_allclose(one["tiny.means"]["mean"], mean[epoch], rtol=1e-5)
        np.testing.assert_allclose(one["tiny.energy"]["energy"], 2 * hidden.square().mean(), rtol=1e-5)
        np.testing.assert_allclose(one["tiny.grid"]["logit"], hidden @ w["outer"], rtol=1e-4, atol=1e-5)
        norms = store.dataset("full", "tiny.norms")["norm"].sel(epoch=epoch)
        np.testing.assert_allclose(norms.sel(matrix="inner"), w["inner"].norm(), rtol=1e-6)
    for epoch in EPOCHS:
        gap = store.at("full", "tiny.gap", epoch)["gap"]
        np.testing.assert_allclose(gap, np.linalg.norm(mean[epoch] - mean[400]), rtol=1e-5, atol=1e-6)
    path = store.dataset("full", "tiny.path")
    steps = [np.linalg.norm(mean[b] - mean[a]) for a, b in itertools.pairwise(EPOCHS)]
    np.testing.assert_allclose(path["step"].values, [0, *steps], rtol=1e-4)
    assert path["step"].sel(epoch=400).item() == pytest.approx(steps[-1], rel=1e-4)


def test_a_derived_quantity_is_computed_once_a_checkpoint(make: Any) -> None:
    from mi_tiny.analyzers import CALLS

    analyze([make()], analyzers=["tiny.energy", "tiny.share"])
    assert CALLS["energy"] == CALLS["share"] == CALLS["square"] == len(EPOCHS)


def test_weights_alone_need_no_pass(make: Any) -> None:
    from mi_tiny.code import MODELS

    summary = analyze([make()], analyzers=["tiny.norms"])
    assert summary.line().startswith("5 checkpoints, 0 forward passes, 5 results computed")
    assert MODELS == []


def test_a_need_is_brought_along(make: Any) -> None:
    variant = make()
    summary = analyze([variant], analyzers=["tiny.gap"])
    assert summary.total.computed == 10
    assert reader(variant).analyzers("full") == ["tiny.gap", "tiny.means"]


def test_a_later_analyzer_passes_again_but_recomputes_nothing(make: Any) -> None:
    from mi_tiny.analyzers import CALLS

    variant = make()
    analyze([variant], analyzers=["tiny.means"])
    summary = analyze([variant], analyzers=["tiny.means", "tiny.grid"])
    assert summary.total.forward_passes == len(EPOCHS)
    assert (CALLS["means"], CALLS["grid"]) == (len(EPOCHS), len(EPOCHS))


@pytest.mark.parametrize("epochs", ["0:100:50", [0, 50, 100], "0,50,100"])
def test_chosen_epochs_alone_are_computed(make: Any, epochs: Any) -> None:
    variant = make()
    summary = analyze([variant], analyzers=["tiny.means"], epochs=epochs)
    assert summary.line().startswith("3 checkpoints, 3 forward passes")
    assert list(reader(variant).committed("full", "tiny.means")) == [0, 50, 100]


def test_the_reference_joins_the_chosen_epochs_where_it_is_needed(make: Any) -> None:
    variant = make()
    summary = analyze([variant], analyzers=["tiny.gap"], epochs=[50])
    assert summary.total.forward_passes == 2
    assert list(reader(variant).committed("full", "tiny.means")) == [50, 400]
    assert list(reader(variant).committed("full", "tiny.gap")) == [50]


def test_the_reference_is_passed_once_and_first(make: Any) -> None:
    seen: list[int] = []

    class Told:
        def start(self, variant: str, checkpoints: int) -> None: ...

        def checkpoint(self, variant: str, epoch: int) -> None:
            seen.append(epoch)

    analyze([make()], progress=Told())
    assert seen == [400, 0, 50, 100, 200]
    assert full_passes() == len(EPOCHS)


def test_many_blocks_and_several_variants(make: Any) -> None:
    epochs = range(0, 1500, 10)  # three blocks
    variants = [make(epochs), make(epochs[:5], seed=3)]
    summary = analyze(variants)
    assert summary.failures == []
    assert summary.line().startswith("155 checkpoints, 155 forward passes, ")
    assert full_passes() == 155
    for variant, count in zip(variants, (150, 5), strict=True):
        data = reader(variant).dataset("full", "tiny.gap")
        assert data.sizes["epoch"] == count
        assert bool((data["gap"].values >= 0).all())
    assert analyze([make(epochs), make(epochs[:5], seed=3)]).total.forward_passes == 0


def test_a_probe_larger_than_the_budget_goes_in_batches(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mi_tiny.code import MODELS

    whole, parts = make(), make(seed=0, root=make().workspace.root.parent / "other")
    analyze([whole])
    MODELS.clear()
    monkeypatch.setattr("mi.engine.capture.CPU_BUDGET", 4 * 2 * (6 + 11) * 4)  # four rows
    summary = analyze([parts])
    assert summary.total.forward_passes == len(EPOCHS)
    assert [c for model in MODELS for c in model.calls][1:] == [3, 4, 4] * len(EPOCHS)
    for id in ("tiny.means", "tiny.grid"):
        a, b = (reader(v).dataset("full", id).load() for v in (whole, parts))
        for name in a.data_vars:
            np.testing.assert_allclose(a[name].values, b[name].values, rtol=1e-6)


def test_float64_is_another_result(make: Any) -> None:
    variant = make()
    analyze([variant], analyzers=["tiny.grid"])
    single = reader(variant).dataset("full", "tiny.grid").load()
    summary = analyze([variant], analyzers=["tiny.grid"], dtype="float64")
    assert summary.total.forward_passes == len(EPOCHS)
    double = reader(variant).dataset("full", "tiny.grid").load()
    np.testing.assert_allclose(single["logit"], double["logit"], rtol=1e-4, atol=1e-5)
    assert double.attrs["dtype"] == "float64"


def test_a_probe_of_its_own_has_results_of_its_own(make: Any) -> None:
    variant = make()
    analyze([variant])
    summary = analyze([variant], probe="few")
    assert summary.variants[0].skipped == {"tiny.grid": "not applicable: needs the complete grid (x)"}
    assert full_passes(3) == len(EPOCHS)
    assert reader(variant).probes() == ["few", "full"]
    assert analyze([variant]).total.forward_passes == 0
