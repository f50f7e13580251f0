"""Random directions are as long as the weights, filter by filter, and the same whenever they are drawn."""

import numpy as np
import pytest
from geometry_kinds import Kind

from mi_geometry_library import filter_normalized, filter_norms, random_direction

SHAPES = {"W_Q": (2, 5, 3), "W_E": (7, 4), "bias": (6,), "scale": ()}


def plain_norms(x: np.ndarray) -> np.ndarray:
    """Norm of each column of each matrix; of a whole vector; of a number."""
    if x.ndim == 0:
        return np.abs(x)
    if x.ndim == 1:
        return np.array([np.linalg.norm(x)])
    columns = x.reshape(-1, *x.shape[-2:])
    found = [[np.linalg.norm(matrix[:, j]) for j in range(matrix.shape[1])] for matrix in columns]
    return np.array(found).reshape(*x.shape[:-2], 1, x.shape[-1])


@pytest.mark.parametrize("name", SHAPES)
def test_every_filter_of_a_direction_is_as_long_as_the_weights(kind: Kind, name: str) -> None:
    weight = np.asarray(np.random.RandomState(1).randn(*SHAPES[name]) * 3)
    drawn = random_direction(SHAPES, seed=5, index=2)[name]
    found = filter_normalized(kind.make(drawn), kind.make(weight))
    assert found.dtype == kind.dtype
    np.testing.assert_allclose(plain_norms(np.asarray(found)), plain_norms(weight), rtol=kind.tolerance)
    np.testing.assert_allclose(filter_norms(kind.make(weight)), plain_norms(weight), rtol=kind.tolerance)
    # Along the drawn numbers: each filter is turned into no other direction.
    ratio = np.asarray(found) / drawn
    np.testing.assert_allclose(
        ratio, np.broadcast_to(plain_norms(weight) / plain_norms(drawn), ratio.shape), 1e-4
    )


def test_what_is_drawn_depends_on_seed_index_and_shapes_alone() -> None:
    one = random_direction(SHAPES, 0, 3)
    again = random_direction(dict(reversed(SHAPES.items())), 0, 3)
    for name, shape in SHAPES.items():
        assert one[name].shape == shape
        np.testing.assert_array_equal(one[name], again[name])
        assert (one[name] != random_direction(SHAPES, 0, 4)[name]).all()
        assert (one[name] != random_direction(SHAPES, 1, 3)[name]).all()


def test_a_filter_of_zeros_stays_and_shapes_must_agree(kind: Kind) -> None:
    weight = np.ones((3, 2))
    weight[:, 1] = 0
    found = np.asarray(filter_normalized(kind.make(np.full((3, 2), 2.0)), kind.make(weight)))
    np.testing.assert_allclose(found, [[1, 0]] * 3, rtol=1e-6)
    zero = np.asarray(filter_normalized(kind.make(np.zeros((3, 2))), kind.make(weight)))
    np.testing.assert_array_equal(zero, 0)
    with pytest.raises(ValueError, match=r"shape \(2, 2\), expected the weight's, \(3, 2\)"):
        filter_normalized(kind.make(np.ones((2, 2))), kind.make(weight))
