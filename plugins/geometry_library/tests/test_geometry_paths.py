"""Paths against loops over time, on a circle and a line, and in pieces as well as whole."""

import numpy as np
import pytest
from geometry_kinds import Kind
from geometry_reference import path, rotation
from hypothesis import given
from hypothesis import strategies as st

from mi_geometry_library import epoch_weights, path_components, path_sums, speed, turning

EPOCHS = [0, 1, 3, 10, 30, 40]


def random_path(seed: int, coordinates: int = 17) -> np.ndarray:
    return np.random.RandomState(seed).randn(len(EPOCHS), coordinates).cumsum(axis=0)


def test_it_agrees_with_loops_over_time(kind: Kind) -> None:
    theta = random_path(0)
    expected = path(theta, EPOCHS)
    weights = epoch_weights(EPOCHS)
    sums = path_sums(kind.make(theta), weights)
    found = path_components(sums, weights, 3)
    for name, value in {
        "weights": weights,
        "position": found.position,
        "share": found.share,
        "speed": speed(sums, EPOCHS),
        "cosine": turning(sums),
        "norm": sums.norm,
    }.items():
        want = expected[name]
        want = want[:, :3] if name == "position" else want[:3] if name == "share" else want
        np.testing.assert_allclose(np.asarray(value), want, rtol=kind.tolerance, atol=kind.tolerance)


def test_pieces_add_up(kind: Kind) -> None:
    theta, weights = random_path(1), epoch_weights(EPOCHS)
    whole = path_sums(kind.make(theta), weights)
    parts = path_sums(kind.make(theta[:, :5]), weights).plus(path_sums(kind.make(theta[:, 5:]), weights))
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9)


def test_weights_are_the_stretch_that_each_checkpoint_stands_for() -> None:
    np.testing.assert_allclose(epoch_weights([0, 100, 200, 1000]), [0.05, 0.1, 0.45, 0.4])
    np.testing.assert_allclose(epoch_weights([7]), [1])
    for wrong in ([], [3, 3], [2, 1]):
        with pytest.raises(ValueError, match="rising epochs"):
            epoch_weights(wrong)


def test_dense_checkpoints_do_not_pull_the_components() -> None:
    """Without weights, the crowd of early checkpoints would make their direction the first."""
    early = np.zeros((50, 2))
    early[:, 1] = np.linspace(0, 1, 50)
    late = np.stack([np.linspace(0, 3, 5), np.ones(5)], axis=1)
    theta, epochs = np.concatenate([early, late]), [*range(50), *range(1000, 6000, 1000)]
    weights = epoch_weights(epochs)
    x = path_components(path_sums(theta, weights), weights, 1).position[:, 0]
    assert abs(np.corrcoef(x, theta[:, 0])[0, 1]) > 0.999


def test_a_straight_line_goes_on_and_a_square_turns(kind: Kind) -> None:
    line = kind.make(np.arange(5.0)[:, None] * np.ones(4))
    sums = path_sums(line, epoch_weights(range(5)))
    np.testing.assert_allclose(np.asarray(turning(sums)), [np.nan, 1, 1, 1, np.nan], rtol=kind.tolerance)
    np.testing.assert_allclose(np.asarray(speed(sums, range(5)))[1:], 2, rtol=kind.tolerance)
    square = kind.make(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [1, 1]]))
    cosine = np.asarray(turning(path_sums(square, epoch_weights(range(5)))))
    np.testing.assert_allclose(cosine[1:4], [0, 0, -1], atol=kind.tolerance)


@pytest.mark.parametrize("epochs", [[5], [5, 9]])
def test_short_paths_have_no_turn(epochs: list[int]) -> None:
    weights = epoch_weights(epochs)
    sums = path_sums(random_path(2)[: len(epochs)], weights)
    assert turning(sums).shape == (len(epochs),) and np.isnan(turning(sums)).all()
    assert speed(sums, epochs).shape == (len(epochs),)
    found = path_components(sums, weights, 3)
    assert found.position.shape == (len(epochs), 3) and (found.position[:, 1:] == 0).all()


def test_a_path_that_stands_still_is_nowhere() -> None:
    weights = epoch_weights(EPOCHS)
    sums = path_sums(np.full((6, 3), 0.3), weights)
    found = path_components(sums, weights, 2)
    assert np.abs(found.position).max() < 1e-12
    assert np.isnan(turning(sums)).all() and (speed(sums, EPOCHS)[1:] == 0).all()


@given(seed=st.integers(0, 10_000))
def test_rotating_and_shifting_the_space_changes_no_path(seed: int) -> None:
    theta, weights = random_path(seed, 6), epoch_weights(EPOCHS)
    moved = theta @ rotation(6, seed) + np.random.RandomState(seed + 1).randn(6)
    one, two = path_sums(theta, weights), path_sums(moved, weights)
    a, b = path_components(one, weights, 3), path_components(two, weights, 3)
    np.testing.assert_allclose(b.share, a.share, rtol=1e-6)
    np.testing.assert_allclose(np.abs(b.position), np.abs(a.position), atol=1e-6)
    np.testing.assert_allclose(turning(two), turning(one), atol=1e-9)
    np.testing.assert_allclose(speed(two, EPOCHS), speed(one, EPOCHS), rtol=1e-9)
