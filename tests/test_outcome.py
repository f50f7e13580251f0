"""The one classifier of outcomes: curves whose turn is known, and every label with its reasons."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mi.outcome import (
    CLEANUP,
    FORMATION,
    GENERALIZED,
    GROKKED,
    LAPSED,
    MEMORIZATION,
    MEMORIZED,
    OUTCOMES,
    UNLEARNED,
    UNMEASURED,
    Outcome,
    Thresholds,
    classify,
    held,
    measured,
    smoothed,
)


def sigmoid(epochs: np.ndarray, at: float, width: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(epochs - at) / width))


def history(
    *, memorized: float = 100, at: float = 500, width: float = 20.0, length: int = 1000, every: int = 1
) -> dict[str, np.ndarray]:
    """It memorizes around one epoch, and its test loss falls by five decades around another."""
    epochs = np.arange(0, length, every)
    return {
        "epoch": epochs,
        "train_accuracy": np.round(sigmoid(epochs, memorized, 5.0), 3),
        "test_accuracy": np.round(sigmoid(epochs, at, 10.0), 3),
        "test_loss": 10 ** (1 - 5 * sigmoid(epochs, at, width)),
    }


def turn_of(loss: np.ndarray, sigma: float = 25.0) -> int | None:
    right = np.ones(len(loss))
    epochs = np.arange(len(loss))
    return classify(
        {"epoch": epochs, "test_accuracy": right, "test_loss": loss}, Thresholds(sigma=sigma)
    ).turn


@pytest.mark.parametrize("at", [200, 500, 731])
@pytest.mark.parametrize("every", [1, 10])
def test_the_turn_is_where_the_loss_falls_steepest(at: int, every: int) -> None:
    turn = classify(history(at=at, every=every)).turn
    assert turn is not None
    assert abs(turn - at) <= every // 2


def test_the_turn_is_not_moved_by_noise_or_by_training_longer() -> None:
    loss = history(at=400, width=40.0, length=2000)["test_loss"]
    noisy = loss * 10 ** (0.2 * np.random.default_rng(0).standard_normal(len(loss)))
    turn = turn_of(noisy)
    assert turn is not None
    assert abs(turn - 400) <= 25
    assert abs((turn_of(noisy, 0.0) or 0) - 400) > 50, "without smoothing it is the noise that falls"
    assert turn_of(noisy[:1000]) == turn


def test_a_loss_that_never_falls_has_no_turn() -> None:
    assert turn_of(np.linspace(1, 2, 50), 5.0) is None
    assert turn_of(np.zeros(50), 5.0) is None
    assert turn_of(np.ones(1), 5.0) is None


def test_the_onset_is_where_the_fall_reaches_a_tenth_of_the_steepest() -> None:
    width = 60.0
    found = classify(history(at=600, width=width, length=1500), Thresholds(sigma=1.0))
    # The slope of a sigmoid is a tenth of its steepest where s (1 − s) = 1/40.
    s = (1 - np.sqrt(1 - 0.1)) / 2
    assert found.onset is not None
    assert abs(found.onset - (600 + width * np.log(s / (1 - s)))) <= 2
    later = classify(history(at=600, width=width, length=1500), Thresholds(sigma=1.0, slope=0.5))
    assert found.onset < (later.onset or 0) < (later.turn or 0)


def outcome(**changed: object) -> Outcome:
    return classify(history() | changed)


def test_a_training_that_memorized_and_generalized_later_grokked() -> None:
    found = outcome()
    assert (found.label, found.memorized, found.grokked, found.turn) == (GROKKED, 123, 546, 500)
    assert [phase.name for phase in found.phases] == [MEMORIZATION, FORMATION, CLEANUP]
    assert [phase.start for phase in found.phases] == [0, found.memorized, found.onset]
    assert [phase.end for phase in found.phases] == [found.memorized, found.onset, found.grokked]
    assert found.reasons == (
        "train accuracy is at least 0.99 from epoch 123",
        "test accuracy is at least 0.99 from epoch 546 to the end",
        f"test loss begins to fall at epoch {found.onset} and falls steepest at 500",
    )
    assert found.final["test_accuracy"] == 1
    assert found.epochs == 999


def test_generalizing_as_early_as_memorizing_is_not_grokking() -> None:
    found = classify(history(memorized=500))
    assert found.label == GENERALIZED
    assert found.phases == ()


def test_what_was_right_for_a_while_lapsed() -> None:
    accuracy = history()["test_accuracy"].copy()
    accuracy[900:] = 0.5
    found = outcome(test_accuracy=accuracy)
    assert (found.label, found.grokked) == (LAPSED, None)
    assert "test accuracy is 0.99 at epoch 546 and 0.5 at the end" in found.reasons
    assert [phase.name for phase in found.phases] == [MEMORIZATION]


def test_memorized_unlearned_and_unmeasured() -> None:
    low = np.full(1000, 0.02)
    memorized = outcome(test_accuracy=low)
    assert (memorized.label, memorized.turn) == (MEMORIZED, None)
    assert "test accuracy stays below 0.99 (at most 0.02)" in memorized.reasons
    assert outcome(test_accuracy=low, train_accuracy=low).label == UNLEARNED
    assert outcome(train_accuracy=np.full(1000, np.nan)).label == UNMEASURED
    nothing = classify({"epoch": np.empty(0, dtype=np.int64)})
    assert (nothing.label, nothing.epochs, nothing.final, nothing.phases) == (UNMEASURED, None, {}, ())
    assert {GROKKED, GENERALIZED, LAPSED, MEMORIZED, UNLEARNED, UNMEASURED} == set(OUTCOMES)


def test_a_loss_that_rises_again_rebounds() -> None:
    loss = history()["test_loss"].copy()
    loss[800:] *= 100
    found = outcome(test_loss=loss)
    assert found.rebound == pytest.approx(2.0, abs=0.05)
    assert found.label == GROKKED
    assert any("it rebounded" in reason for reason in found.reasons)
    assert not any("it rebounded" in reason for reason in outcome().reasons)


def test_thresholds_are_those_given() -> None:
    loose = classify(history(), Thresholds(accuracy=0.5))
    assert (loose.memorized, loose.grokked) == (100, 500)
    assert loose.thresholds.accuracy == 0.5


def test_a_dataset_will_do() -> None:
    columns = history()
    epochs = columns.pop("epoch")
    dataset = xr.Dataset({n: ("epoch", v) for n, v in columns.items()}, {"epoch": epochs})
    assert classify(dataset) == classify({"epoch": epochs, **columns})


def test_smoothing_keeps_a_constant_and_the_length() -> None:
    np.testing.assert_allclose(smoothed(np.full(30, 2.0), 25.0), 2.0)
    assert smoothed(np.arange(300.0), 3.0).shape == (300,)


def test_held_is_to_the_end() -> None:
    epochs = np.array([0, 10, 20, 30])
    assert held(epochs, np.array([False, True, True, True])) == 10
    assert held(epochs, np.array([True, False, True, True])) == 20
    assert held(epochs, np.array([True, True, True, False])) is None
    assert held(epochs, np.array([True, True, True, True])) == 0
    assert held(epochs[:0], np.array([], dtype=bool)) is None


def test_what_was_not_measured_does_not_count() -> None:
    losses = {"epoch": np.array([0, 1, 2]), "test_loss": np.array([1.0, np.nan, 3.0])}
    epochs, values = measured(losses, "test_loss")
    assert (epochs.tolist(), values.tolist()) == ([0, 2], [1.0, 3.0])
    assert len(measured(losses, "no_metric")[0]) == 0
