"""Grokking by variant: the turn of curves that are known, and of real variants."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from mi.domain.scaffold import add_family
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
from mi.lab import open as open_lab
from mi.training import train
from mi_modular_arithmetic.analyzers.summary import NEVER, held, measured, smoothed, turn

FAMILY, ID = "modular_addition_1layer", "modular_arithmetic.grok_summary"
SMALL = {"prime": 7, "train_fraction": 0.7, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 24}


def falling(at: float, width: float = 40.0, length: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """A test loss that falls by five decades around an epoch."""
    epochs = np.arange(length)
    return epochs, 10 ** (1 - 5 / (1 + np.exp(-(epochs - at) / width)))


@pytest.mark.parametrize("at", [200, 500, 731])
def test_the_turn_is_where_the_loss_falls_steepest(at: int) -> None:
    assert turn(*falling(at), 25.0) == at


def test_the_turn_is_not_moved_by_noise_or_by_training_longer() -> None:
    epochs, loss = falling(400, length=2000)
    noisy = loss * 10 ** (0.2 * np.random.default_rng(0).standard_normal(len(loss)))
    assert abs(turn(epochs, noisy, 25.0) - 400) <= 25
    assert abs(turn(epochs, noisy, 0.0) - 400) > 50, "without smoothing it is the noise that falls"
    short, long = turn(epochs[:1000], noisy[:1000], 25.0), turn(epochs, noisy, 25.0)
    assert short == long


def test_a_loss_that_is_measured_now_and_then_turns_at_the_same_epoch() -> None:
    epochs, loss = falling(400)
    assert abs(turn(epochs[::10], loss[::10], 25.0) - 400) <= 5


def test_a_loss_that_never_falls_has_no_turn() -> None:
    assert turn(np.arange(50), np.linspace(1, 2, 50), 5.0) == NEVER
    assert turn(np.arange(50), np.zeros(50), 5.0) == NEVER
    assert turn(np.arange(1), np.ones(1), 5.0) == NEVER


def test_smoothing_keeps_a_constant_and_the_length() -> None:
    np.testing.assert_allclose(smoothed(np.full(30, 2.0), 25.0), 2.0)
    assert smoothed(np.arange(300.0), 3.0).shape == (300,)


def test_held_is_to_the_end() -> None:
    epochs = np.array([0, 10, 20, 30])
    assert held(epochs, np.array([False, True, True, True])) == 10
    assert held(epochs, np.array([True, False, True, True])) == 20
    assert held(epochs, np.array([True, True, True, False])) == NEVER
    assert held(epochs, np.array([True, True, True, True])) == 0
    assert held(epochs[:0], np.array([], dtype=bool)) == NEVER


def test_what_was_not_measured_does_not_count() -> None:
    losses = xr.Dataset({"test_loss": ("epoch", [1.0, np.nan, 3.0])}, {"epoch": [0, 1, 2]})
    epochs, values = measured(losses, "test_loss")
    assert (epochs.tolist(), values.tolist()) == ([0, 2], [1.0, 3.0])
    assert len(measured(losses, "no_metric")[0]) == 0


def test_real_variants_are_summed_up_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "model_families").mkdir()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        workspace = Workspace.open(tmp_path)
        add_family(workspace, FAMILY)
        variants = []
        for seed, epochs in ((1, 600), (2, 40)):
            variant = workspace.declare(workspace.family(FAMILY), {**SMALL, "seed": seed})
            train(variant, epochs=epochs, schedule=f"0,{epochs}")
            variants.append(variant)
        assert analyze(variants, analyzers=[ID]).failures == []
    finally:
        torch.set_num_threads(before)
    lab = open_lab(tmp_path, host=workspace.host)
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
            assert int(row["turn"]) == NEVER
        else:
            assert (accuracy[grokked:] >= 0.99).all()
            assert grokked == 0 or accuracy[grokked - 1] < 0.99
            assert 0 <= int(row["turn"]) <= 600
        key = lab.variant(variant.name).artifacts("modular_arithmetic.progress_measures")["key"]
        assert int(row["key_frequencies"]) == int(key.isel(epoch=-1).sum()) >= 1
    assert int(found["memorized"][0]) > 0, "the longer one memorizes"
