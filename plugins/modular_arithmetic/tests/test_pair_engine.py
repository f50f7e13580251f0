"""Families of pair networks through the real training, engine, store and pages; each panel draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from mi.domain.scaffold import add_family
from mi.domain.workspace import Variant, Workspace
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.errors import PlanError
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses
from mi.training import train
from mi.views.page import build_page

EPOCHS = [0, 50, 100, 150, 200]
LEARN = {"train_fraction": 0.6, "learning_rate": 0.02, "weight_decay": 0.1}
FAMILIES: dict[str, dict[str, Any]] = {
    "modular_addition_mlp": {"prime": 7, "d_mlp": 24, **LEARN},
    "modular_addition_embedding_mlp": {
        "prime": 7,
        "d_embed": 8,
        "d_mlp": 24,
        "activation": "square",
        **LEARN,
    },
    "symmetric_group_composition": {"n": 3, "d_embed": 8, "d_mlp": 24, **LEARN},
}
Analyzed = tuple[Variant, AnalysisSummary]


@pytest.fixture(scope="module", params=FAMILIES)
def analyzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analyzed]:
    root: Path = tmp_path_factory.mktemp("workspace")
    (root / "model_families").mkdir()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    workspace = Workspace.open(root)
    add_family(workspace, request.param)
    variant = workspace.declare(workspace.family(request.param), FAMILIES[request.param])
    train(variant, epochs=EPOCHS[-1], schedule="0:200:50")
    yield variant, analyze([variant])
    torch.set_num_threads(before)


def group(variant: Variant, analyzer: str) -> xr.Dataset:
    return xr.open_zarr(variant.folder / "artifacts.zarr", group=f"full/{analyzer}", consolidated=False)


def test_everything_listed_is_made_in_one_pass_a_checkpoint(analyzed: Analyzed) -> None:
    variant, summary = analyzed
    assert summary.failures == [] and summary.total.skipped == {}
    assert summary.total.forward_passes == len(EPOCHS)
    host = variant.workspace.host
    for use in variant.family.analyzers:
        declared = host.analyzers(variant.family)[use.id]
        if declared.scope == "family":
            continue
        stored = group(variant, use.id)
        for name, output in declared.outputs.items():
            dims = output.dims if declared.scope == "trajectory" else ("epoch", *output.dims)
            assert stored[name].dims == dims, f"{use.id}: {name}"


def test_it_learns_its_training_pairs(analyzed: Analyzed) -> None:
    losses = open_losses(VariantPaths(analyzed[0].folder))
    assert losses.train_loss[0] > 1.5 and losses.train_loss[-1] < 0.1
    assert losses.train_accuracy[-1] > 0.95


def test_every_panel_of_the_default_report_draws(analyzed: Analyzed) -> None:
    variant, _ = analyzed
    report = variant.workspace.report(variant.family, "default")
    page = build_page(variant, report)
    assert len(page.cards) == len(report.panels) >= 6
    assert {card.visualization: card.sentence for card in page.cards if card.state != "ok"} == {}


def test_losses_of_the_training_are_those_of_the_stored_answers(analyzed: Analyzed) -> None:
    variant, _ = analyzed
    if variant.family.name == "symmetric_group_composition":
        logits = group(variant, "modular_arithmetic.irrep_logits")
        assert np.isfinite(logits["fve"].values).all() and (logits["fve"].values.sum(axis=1) < 1).all()
        np.testing.assert_allclose(logits["share"].values.sum(axis=1), 1, rtol=1e-5)
        assert logits["irrep"].values.tolist() == ["(2,1)", "(1,1,1)"]
        return
    answers = group(variant, "modular_arithmetic.accuracy_grid")
    test = ~variant.code.context()["train"]
    recorded = open_losses(VariantPaths(variant.folder)).sel(epoch=EPOCHS)
    loss = -np.log(answers["p_correct"].values[:, test]).mean(axis=1)
    np.testing.assert_allclose(loss, recorded["test_loss"].values, rtol=1e-4)
    spectrum = group(variant, "fourier_library.weight_spectrum")
    np.testing.assert_allclose(spectrum["share"].values.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["attention_scores", "attention_pattern", "effective_dimension", "head_ablation"]
)
def test_asked_for_attention_it_says_that_it_has_none(analyzed: Analyzed, name: str) -> None:
    variant, _ = analyzed
    if variant.family.name == "symmetric_group_composition":
        assert f"modular_arithmetic.{name}" not in variant.workspace.host.analyzers(variant.family)
        return
    with pytest.raises(PlanError, match=r"not applicable: .*attention"):
        analyze([variant], analyzers=[f"modular_arithmetic.{name}"])
