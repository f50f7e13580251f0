import numpy as np
import pytest

from mi_fourier_library import (
    basis_frequencies,
    basis_labels,
    frequencies,
    normalization,
    real_basis,
)


@pytest.mark.parametrize("n", [2, 3, 4, 7, 12, 59, 113])
def test_basis_is_orthonormal(n: int) -> None:
    np.testing.assert_allclose(real_basis(n) @ real_basis(n).T, np.eye(n), atol=1e-13)


@pytest.mark.parametrize("n", [7, 12])
def test_rows_are_the_waves_they_are_named_after(n: int) -> None:
    waves = {"cos": np.cos, "sin": np.sin}
    for row, label, k in zip(real_basis(n), basis_labels(n), basis_frequencies(n), strict=True):
        name, _, number = label.partition(" ")
        if name == "const":
            wave = np.ones(n)
        else:
            assert int(number) == k
            wave = waves[name](2 * np.pi * k * np.arange(n) / n)
        np.testing.assert_allclose(row, wave / np.linalg.norm(wave), atol=1e-13)


def test_even_n_lacks_the_last_sine() -> None:
    assert basis_labels(4) == ("const", "cos 1", "sin 1", "cos 2")
    assert basis_labels(5) == ("const", "cos 1", "sin 1", "cos 2", "sin 2")
    assert basis_frequencies(4).tolist() == [0, 1, 1, 2]


def test_frequencies_start_at_1() -> None:
    assert frequencies(7).tolist() == [1, 2, 3]
    assert frequencies(12).tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("n", [2, 7, 12])
def test_normalization_is_one_over_the_mean_square_of_a_cosine(n: int) -> None:
    for k, epsilon in zip(frequencies(n), normalization(n), strict=True):
        cosine = np.cos(2 * np.pi * k * np.arange(n) / n)
        assert epsilon == pytest.approx(1 / np.mean(cosine**2))


def test_tables_are_cached_and_cannot_be_written() -> None:
    assert real_basis(7) is real_basis(7)
    for table in (real_basis(7), frequencies(7), normalization(7), basis_frequencies(7)):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


@pytest.mark.parametrize(
    "function", [frequencies, normalization, real_basis, basis_labels, basis_frequencies]
)
def test_a_group_without_frequencies_is_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="at least 2 elements, not 1"):
        function(1)
