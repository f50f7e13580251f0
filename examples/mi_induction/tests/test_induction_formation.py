import math

import numpy as np
import pytest

from mi_induction.formation import crossing, steepest

EPOCHS = np.array([0, 10, 20, 40, 100])


def test_the_bump_is_where_the_loss_falls_fastest_per_epoch() -> None:
    # The largest fall, of 1.5 over 60 epochs, is slower than that of 1.2 over 20.
    assert steepest(EPOCHS, np.array([4.0, 3.9, 3.8, 2.6, 1.1])) == 30
    assert math.isnan(steepest(EPOCHS, np.array([1.0, 1.0, 2.0, 3.0, 4.0])))
    assert math.isnan(steepest(EPOCHS[:1], np.array([1.0])))


def test_a_missing_loss_does_not_hide_the_bump() -> None:
    assert steepest(EPOCHS, np.array([4.0, np.nan, 3.8, 2.6, 1.1])) == 30


def test_a_crossing_is_interpolated() -> None:
    assert crossing(EPOCHS, np.array([0, 0.2, 0.4, 0.8, 1.0]), 0.5) == pytest.approx(25)


def test_only_the_last_crossing_counts() -> None:
    assert crossing(EPOCHS, np.array([0, 0.9, 0.4, 0.4, 1.0]), 0.5) == pytest.approx(50)


def test_what_ends_below_never_crosses_and_what_starts_above_did_at_once() -> None:
    assert math.isnan(crossing(EPOCHS, np.array([0, 0.9, 0.9, 0.9, 0.4]), 0.5))
    assert crossing(EPOCHS, np.array([0.6, 0.9, 0.9, 0.9, 1.0]), 0.5) == 0
    assert math.isnan(crossing(EPOCHS, np.full(5, np.nan), 0.5))
