"""The top eigenvalue by power iteration, where it is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_geometry_library import top_eigenvalue


def symmetric(values: list[float], seed: int = 0) -> np.ndarray:
    """A symmetric matrix with these eigenvalues and random vectors."""
    basis = np.linalg.qr(np.random.RandomState(seed).randn(len(values), len(values)))[0]
    return basis @ np.diag(values) @ basis.T


def start(n: int) -> np.ndarray:
    return np.random.RandomState(7).randn(n)


@pytest.mark.parametrize(
    "values", [[3.0, 1.0, 0.5, 0.0], [2.0, -5.0, 1.0, -1.0], [-1.0, -2.0, -4.0], [0.0, 0.0]]
)
def test_the_largest_eigenvalue_is_found_even_where_another_is_larger_in_size(values: list[float]) -> None:
    H = symmetric(values)
    found = top_eigenvalue(lambda v: H @ v, start(len(values)), 2000, 1e-9)
    assert found.value == pytest.approx(max(values), abs=1e-8)
    assert found.residual <= 1e-9
    assert np.linalg.norm(found.vector) == pytest.approx(1)
    np.testing.assert_allclose(H @ found.vector, found.value * found.vector, atol=1e-7)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=6), st.integers(1, 20))
def test_some_eigenvalue_lies_within_the_residual_however_early_it_ends(
    values: list[float], iterations: int
) -> None:
    H = symmetric(values, seed=len(values))
    found = top_eigenvalue(lambda v: H @ v, start(len(values)), iterations, 0.0)
    assert iterations >= 1 and found.products <= 2 * iterations
    assert found.value <= max(values) + 1e-9
    nearest = np.abs(np.array(values) - found.value).min()
    assert nearest <= found.residual * abs(found.value) + 1e-9 or found.residual == np.inf


def test_what_has_not_converged_says_so() -> None:
    H = symmetric([1.0, 0.999, 0.5, 0.1])
    found = top_eigenvalue(lambda v: H @ v, start(4), 1, 1e-3)
    assert found.residual > 0.01 and found.products == 1
    with pytest.raises(ValueError, match="iterations is 0, expected at least 1"):
        top_eigenvalue(lambda v: H @ v, start(4), 0, 1e-3)


def test_tensors_are_taken_as_well() -> None:
    torch = pytest.importorskip("torch")
    H = torch.as_tensor(symmetric([4.0, 1.0, 0.5]))
    found = top_eigenvalue(lambda v: H @ v, torch.as_tensor(start(3)), 500, 1e-9)
    assert found.value == pytest.approx(4.0) and isinstance(found.vector, torch.Tensor)
