"""Every analysis and the default report of the family, through the real training, engine, store and pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from mi.domain.scaffold import add_family
from mi.domain.workspace import Variant, Workspace
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.training import train

FAMILY = "modular_addition_1layer"
SMALL = {"prime": 7, "train_fraction": 0.5, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 24}
EPOCHS = [0, 40, 80, 120]
Analyzed = tuple[Variant, AnalysisSummary]


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analyzed]:
    root: Path = tmp_path_factory.mktemp("workspace")
    (root / "model_families").mkdir()
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small matrices want one
    workspace = Workspace.open(root)
    add_family(workspace, FAMILY)
    variant = workspace.declare(workspace.family(FAMILY), SMALL)
    train(variant, epochs=EPOCHS[-1], schedule="0:120:40")
    summary = analyze([variant])
    assert summary.families[0].computed >= 1 and summary.families[0].failures == []
    yield variant, summary
    torch.set_num_threads(before)


def group(variant: Variant, analyzer: str) -> xr.Dataset:
    return xr.open_zarr(variant.folder / "artifacts.zarr", group=f"full/{analyzer}", consolidated=False)


def test_every_listed_analyzer_runs_on_one_pass_a_checkpoint(
    analyzed: Analyzed,
) -> None:
    variant, summary = analyzed
    assert summary.failures == [] and summary.total.skipped == {}
    assert summary.total.forward_passes == len(EPOCHS)
    host = variant.workspace.host
    for use in variant.family.analyzers:
        declared = host.analyzers(variant.family)[use.id]
        if declared.scope == "family":
            continue
        stored = group(variant, use.id)
        assert set(declared.outputs) <= set(stored.data_vars)
        for name, output in declared.outputs.items():
            dims = output.dims if declared.scope == "trajectory" else ("epoch", *output.dims)
            assert stored[name].dims == dims
            assert set(dims) <= set(stored.coords), f"{use.id}: {name} has unnamed coordinates"


def test_plain_xarray_finds_named_coordinates(analyzed: Analyzed) -> None:
    variant, _ = analyzed
    neurons = group(variant, "modular_arithmetic.neuron_frequencies")
    assert neurons["epoch"].values.tolist() == EPOCHS
    assert neurons["freq"].values.tolist() == [1, 2, 3]
    assert neurons["neuron"].values.tolist() == list(range(SMALL["d_mlp"]))
    assert group(variant, "modular_arithmetic.accuracy_grid")["margin"].dims == ("epoch", "a", "b")
    matrices = group(variant, "modular_arithmetic.effective_dimension")["matrix"].values.tolist()
    assert matrices[:5] == ["W_E", "W_in", "W_out", "W_L", "W_QK.0"]


def test_results_are_sound(analyzed: Analyzed) -> None:
    variant, _ = analyzed
    progress = group(variant, "modular_arithmetic.progress_measures")
    assert (progress["key"] == progress["key"].isel(epoch=-1)).all(), "chosen once, at the reference"
    assert progress["key"].isel(epoch=0).values.sum() >= 1
    assert np.isfinite(progress["excluded_loss"].values).all()
    assert group(variant, "modular_arithmetic.logit_spectrum")["fve"].values.min() >= 0
    scores = group(variant, "modular_arithmetic.attention_scores").isel(epoch=-1)
    pattern = group(variant, "modular_arithmetic.attention_pattern").isel(epoch=-1)
    exps = np.exp(
        np.stack(
            np.broadcast_arrays(
                scores["score"].values[:, 0, :, None],
                scores["score"].values[:, 1, None, :],
                scores["score_equals"].values[:, None, None],
            )
        )
    )  # (position, head, a, b)
    mean = (exps / exps.sum(axis=0)).mean(axis=(2, 3)).T
    np.testing.assert_allclose(pattern["mean"].values, mean, atol=1e-5)


def test_losses_of_the_training_are_those_of_the_stored_logits(
    analyzed: Analyzed,
) -> None:
    # Two ways to one number: the training's factorized forward pass, and the bridge's through the engine.
    from mi.store.layout import VariantPaths
    from mi.store.losses import open_losses

    variant, _ = analyzed
    answers = group(variant, "modular_arithmetic.accuracy_grid")
    test = ~variant.code.context()["train"]
    accuracy = answers["correct"].values[:, test].mean(axis=1)
    recorded = open_losses(VariantPaths(variant.folder)).sel(epoch=EPOCHS)
    np.testing.assert_allclose(accuracy, recorded["test_accuracy"].values, atol=1e-6)
    loss = -np.log(answers["p_correct"].values[:, test]).mean(axis=1)
    np.testing.assert_allclose(loss, recorded["test_loss"].values, rtol=1e-4)


def test_the_default_report_draws_every_panel(analyzed: Analyzed) -> None:
    from mi.views.page import build_page

    variant, _ = analyzed
    report = variant.workspace.report(variant.family, "default")
    page = build_page(variant, report)
    assert len(page.cards) == len(report.panels) >= 8
    assert report.panels[0].visualization == "core.losses"
    assert {card.visualization: card.sentence for card in page.cards if card.state != "ok"} == {}


def test_an_initialization_is_a_variant_of_no_epochs(analyzed: Analyzed) -> None:
    workspace = analyzed[0].workspace
    variant = workspace.declare(workspace.family(FAMILY), {**SMALL, "seed": 1})
    train(variant, epochs=0, schedule="0")
    summary = analyze([variant], analyzers=["modular_arithmetic.gradient_spectrum"])
    assert summary.failures == [] and summary.total.forward_passes == 0
    stored = group(variant, "modular_arithmetic.gradient_spectrum").load()
    assert stored["epoch"].values.tolist() == [0]
    np.testing.assert_allclose(stored["share"].sum(dim="freq"), 1, rtol=1e-5)
