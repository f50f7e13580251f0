"""Answers by pair, and graduation, on tables made by hand."""

import numpy as np
import pytest
import torch
import xarray as xr
from analysis_kit import analyze, grid_probe, subject, trajectory
from handmade_networks import NETWORKS, activations, weights


@pytest.mark.parametrize("p", [7, 12, 59])
def test_answers_agree_with_a_loop_over_pairs(p: int) -> None:
    logits = torch.randn(p * p, p, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = analyze("accuracy_grid", weights(p, NETWORKS[p]), {"unembed.hook_out@-1": logits})
    probe = grid_probe(p)
    test = probe.masks["test"].reshape(p, p)
    right, right_test = {}, {}
    for a in range(p):
        for b in range(p):
            row, s = logits[a * p + b].numpy(), (a + b) % p
            margin = row[s] - np.delete(row, s).max()
            assert found["margin"][a, b] == pytest.approx(margin, rel=1e-9)
            assert found["p_correct"][a, b] == pytest.approx(np.exp(row[s]) / np.exp(row).sum(), rel=1e-9)
            assert found["correct"][a, b] == (row.argmax() == s)
            right.setdefault(s, []).append(row.argmax() == s)
            if test[a, b]:
                right_test.setdefault(s, []).append(row.argmax() == s)
    for s in range(p):
        assert found["residue_accuracy"][s] == pytest.approx(np.mean(right[s]), rel=1e-6)
        assert found["residue_accuracy_test"][s] == pytest.approx(np.mean(right_test[s]), rel=1e-6)


@pytest.mark.parametrize("p", [7, 59])
def test_the_handmade_network_adds(p: int) -> None:
    W = weights(p, NETWORKS[p])
    found = analyze("accuracy_grid", W, activations(W))
    assert found["correct"].all()
    assert (found["residue_accuracy"] == 1).all()


def test_a_tie_counts_as_wrong() -> None:
    p = 7
    logits = torch.zeros(p * p, p, dtype=torch.float64)
    found = analyze("accuracy_grid", weights(p, NETWORKS[p]), {"unembed.hook_out@-1": logits})
    assert not found["correct"].any()
    assert (found["margin"] == 0).all()
    np.testing.assert_allclose(found["p_correct"], 1 / p)


def graduated(flags: np.ndarray, epochs: tuple[int, ...], **options: int) -> dict[str, np.ndarray]:
    p = flags.shape[1]
    artifacts = xr.Dataset(
        {"correct": (("epoch", "a", "b"), flags.astype(np.int8))}, coords={"epoch": list(epochs)}
    )
    data = subject(p, weights(p, {1: 1.0}), epochs)
    return trajectory("graduation", data, {"modular_arithmetic.accuracy_grid": artifacts}, **options)


def test_a_pair_graduates_at_the_first_of_three_right_checkpoints() -> None:
    epochs = (0, 50, 100, 150, 200, 250, 300)
    flags = np.zeros((7, 3, 3), dtype=bool)
    flags[:, 0, 0] = [0, 1, 1, 0, 1, 1, 1]
    flags[:, 0, 1] = [1, 1, 1, 0, 1, 0, 0]
    flags[:, 0, 2] = [1, 1, 0, 1, 1, 0, 1]
    found = graduated(flags, epochs)
    assert found["graduation"][0].tolist() == [200, 0, -1]
    assert found["regressions"][0].tolist() == [0, 2, 0]
    masks = grid_probe(3).masks
    for name in ("train", "test"):
        mask = masks[name].reshape(3, 3)
        by_hand = [
            np.mean([0 <= found["graduation"][a, b] <= e for a, b in zip(*np.nonzero(mask), strict=True)])
            for e in epochs
        ]
        np.testing.assert_allclose(found[f"graduated_{name}"], by_hand)


def test_the_run_is_an_option_and_a_trajectory_too_short_graduates_nobody() -> None:
    flags = np.ones((2, 3, 3), dtype=bool)
    assert (graduated(flags, (0, 10))["graduation"] == -1).all()
    assert (graduated(flags, (0, 10), run=2)["graduation"] == 0).all()


def test_what_is_lost_right_after_a_run_of_one_is_a_regression() -> None:
    flags = np.zeros((3, 3, 3), dtype=bool)
    flags[:, 0, 0] = [1, 0, 1]
    found = graduated(flags, (0, 10, 20), run=1)
    assert found["graduation"][0, :2].tolist() == [0, -1]
    assert found["regressions"][0, :2].tolist() == [1, 0]
