"""Grokking by variant: real variants, summed up side by side."""

import numpy as np
import pytest
import torch

from mi.domain.scaffold import add_family
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
from mi.lab import open as open_lab
from mi.outcome import classify
from mi.summary import summary_rows
from mi.training import train
from mi_fourier_library import canonical
from mi_modular_arithmetic.analyzers.summary import NEVER

FAMILY, ID = "modular_addition_1layer", "modular_arithmetic.grok_summary"
SMALL = {"prime": 7, "train_fraction": 0.7, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 24}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two real variants, one of them trained for longer, summed up."""
    root = tmp_path_factory.mktemp("two")
    (root / "model_families").mkdir()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        workspace = Workspace.open(root)
        add_family(workspace, FAMILY)
        variants = []
        for seed, epochs in ((1, 600), (2, 40)):
            variant = workspace.declare(workspace.family(FAMILY), {**SMALL, "seed": seed})
            train(variant, epochs=epochs, schedule=f"0,{epochs}")
            variants.append(variant)
        assert analyze(variants, analyzers=[ID, "modular_arithmetic.frequency_sets"]).failures == []
    finally:
        torch.set_num_threads(before)
    return workspace


def test_real_variants_are_summed_up_side_by_side(two: Workspace) -> None:
    variants = two.variants(FAMILY)
    lab = open_lab(two.root, host=two.host)
    found = lab.family(FAMILY).artifacts(ID).load()
    assert found["variant"].values.tolist() == [v.name for v in variants]
    assert found["epochs"].values.tolist() == [600, 40]
    assert found["parameter"].sel(parameter_name="seed").values.tolist() == [1, 2]
    for variant in variants:
        row, losses = found.sel(variant=variant.name), lab.variant(variant.name).losses
        for metric in ("train_loss", "test_loss", "test_accuracy"):
            assert float(row["final"].sel(metric=metric)) == float(losses[metric].isel(epoch=-1))
        right = np.flatnonzero(losses["train_accuracy"].values >= 0.99)
        assert int(row["memorized"]) == (right[0] if len(right) else NEVER)
        accuracy = losses["test_accuracy"].values
        grokked = int(row["grokked"])
        if grokked == NEVER:
            assert accuracy[-1] < 0.99
        else:
            assert (accuracy[grokked:] >= 0.99).all()
            assert grokked == 0 or accuracy[grokked - 1] < 0.99
            assert 0 <= int(row["turn"]) <= 600
        key = lab.variant(variant.name).artifacts("modular_arithmetic.progress_measures")["key"]
        assert int(row["key_count"]) == int(key.isel(epoch=-1).sum()) >= 1
    assert int(found["memorized"][0]) > 0, "the longer one memorizes"


def test_summary_and_key_frequencies_agree_with_what_each_variant_holds(two: Workspace) -> None:
    lab = open_lab(two.root, host=two.host)
    found = lab.family(FAMILY).artifacts("modular_arithmetic.frequency_sets").load()
    rows, notes = summary_rows(two, two.family(FAMILY))
    assert notes == []
    assert [row["id"] for row in rows] == [v.id for v in two.variants(FAMILY)]
    for row in rows:
        variant = lab.variant(row["name"])
        spectrum = variant.artifacts("modular_arithmetic.logit_spectrum").isel(epoch=-1)
        key = variant.artifacts("modular_arithmetic.progress_measures")["key"].isel(epoch=-1)
        frequencies = [int(k) for k in key["freq"].values[key.values == 1]]
        assert row["key_frequencies"] == frequencies
        assert row["canonical_frequencies"] == canonical(frequencies, 7)[0]
        a = spectrum["trig_coefficient"].sel(freq=frequencies).values
        gap = min(
            sum(x * (1 - np.cos(2 * np.pi * k * d / 7)) for k, x in zip(frequencies, a, strict=True))
            for d in range(1, 7)
        )
        assert abs(row["margin"] - gap) <= 1e-5 * max(abs(gap), 1)
        assert row["grokked_epoch"] == classify(variant.losses).grokked
    first, second = (found.sel(variant=row["name"]) for row in rows)
    assert float(first["overlap"]) == float(first["raw_overlap"]) == 1, "the first is the anchor"
    a, b = (row["key_frequencies"] for row in rows)
    assert float(second["raw_overlap"]) == pytest.approx(len({*a} & {*b}) / len({*a} | {*b}))
    assert float(second["overlap"]) >= float(second["raw_overlap"])
