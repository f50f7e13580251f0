"""Energies and shares by group of rows: one axis, two axes, and the characters in logits."""

import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mi_fourier_library import (
    Basis,
    character_coefficients,
    character_variance,
    circle,
    class_mean,
    dominant,
    energy,
    energy_share,
    fraction_of_variance,
    frequency_fractions,
    group_cells,
    group_energy,
    group_fractions,
    group_share,
    regular_basis,
    symmetric_group,
    trig_coefficients,
)

Real = NDArray[np.float64]
S3, S4 = symmetric_group(3), symmetric_group(4)
numbers = st.floats(-100, 100).map(lambda x: round(x, 9))
BASES = [circle(2), circle(7), circle(12), regular_basis(S3), regular_basis(S4)]


@given(st.sampled_from(BASES).flatmap(lambda b: st.tuples(st.just(b), signals(b))))
def test_energies_and_the_constant_hold_everything(case: tuple[Basis, Real]) -> None:
    basis, x = case
    constant = x.shape[-1] * x.mean(-1) ** 2
    kept = group_energy(x, basis, keep_other_axes=True)
    np.testing.assert_allclose(kept.sum(-1) + constant, (x**2).sum(-1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(group_energy(x, basis), kept.sum(0), rtol=1e-12, atol=1e-12)
    shares = group_share(x, basis, keep_other_axes=True)
    for signal, share in zip(x, shares, strict=True):
        if np.isnan(share).any():
            assert np.isnan(share).all() and np.ptp(signal) <= 1e-12 * np.abs(signal).max()
        else:
            assert share.sum() == pytest.approx(1) and (share >= 0).all()


def signals(basis: Basis) -> st.SearchStrategy[Real]:
    return arrays(np.float64, (2, len(basis.matrix)), elements=numbers)


@pytest.mark.parametrize("n", [7, 12])
def test_on_the_circle_groups_are_frequencies(n: int, kind: Kind) -> None:
    x = kind.make(np.random.default_rng(n).normal(size=(n, 5)))
    for ours, known in (
        (group_energy(x, circle(n), 0), energy(x, 0)),
        (group_energy(x, circle(n), 0, True), energy(x, 0, keep_other_axes=True)),
        (group_share(x, circle(n), 0), energy_share(x, 0)),
        (group_share(x, circle(n), 0, True), energy_share(x, 0, keep_other_axes=True)),
    ):
        assert type(ours) is type(x) and ours.dtype == kind.dtype
        np.testing.assert_allclose(ours, known, rtol=kind.tolerance)
    grid = kind.make(np.random.default_rng(n).normal(size=(n, n, 3)))
    ours, known = group_fractions(grid, circle(n)), frequency_fractions(grid)
    np.testing.assert_allclose(ours.frac, known.frac, atol=kind.tolerance)
    np.testing.assert_allclose(ours.rest, known.rest, atol=kind.tolerance)


def test_energies_are_the_lengths_of_projections(kind: Kind) -> None:
    values = np.random.default_rng(0).normal(size=(24, 4))
    x = kind.make(values)
    expected = [np.square(p @ values).sum() for p in S4.projectors[1:]]
    np.testing.assert_allclose(group_energy(x, regular_basis(S4), 0), expected, rtol=kind.tolerance)
    grid = np.random.default_rng(1).normal(size=(24, 24, 2))
    cells = group_cells(kind.make(grid), regular_basis(S4))
    assert tuple(cells.shape) == (5, 5, 2) and cells.dtype == kind.dtype
    for i, p in enumerate(S4.projectors):
        for j, q in enumerate(S4.projectors):
            projected = np.einsum("xa,yb,abm->xym", p, q, grid)
            np.testing.assert_allclose(
                cells[i, j], np.square(projected).sum(axis=(0, 1)), rtol=kind.tolerance, atol=1e-6
            )


def test_shares_do_not_depend_on_how_elements_are_translated() -> None:
    x = np.random.default_rng(2).normal(size=(24, 3))
    basis = regular_basis(S4)
    for g in (1, 9, 23):
        for moved in (x[S4.product[g]], x[S4.product[:, g]], x[S4.inverse]):
            np.testing.assert_allclose(
                group_share(moved, basis, 0), group_share(x, basis, 0), atol=1e-12
            )


@pytest.mark.parametrize("irrep", [1, 2, 3, 4])
def test_a_neuron_of_one_irrep_is_all_its(irrep: int, kind: Kind) -> None:
    """Translates of χ_ρ in a, in b, and χ_ρ(a b): functions of ρ alone; their products mix."""
    chi = S4.characters[irrep]
    one, other = chi[S4.product[5]], chi[S4.product[:, 11]]
    both = chi[S4.product]
    grid = np.stack(
        [
            one[:, None] + 0 * other,
            one[:, None] + other[None, :],
            both + 2 * one[:, None] + 3,
            np.zeros((24, 24)),
            np.full((24, 24), 0.1),
        ],
        axis=-1,
    )
    found = group_fractions(kind.make(grid), regular_basis(S4))
    expected = np.zeros((3, 4))
    expected[:, irrep - 1] = 1
    np.testing.assert_allclose(found.frac[:3], expected, atol=kind.tolerance)
    np.testing.assert_allclose(found.rest[:3], 0, atol=kind.tolerance)
    assert np.isnan(np.asarray(found.frac[3:])).all(), "zero and constant neurons are dead"
    assert np.asarray(dominant(found.frac).frequency).tolist() == [irrep, irrep, irrep, 0, 0]


def test_a_neuron_that_mixes_irreps_is_all_rest() -> None:
    grid = (S4.characters[1][:, None] * S4.characters[4][None, :])[..., None]
    found = group_fractions(grid, regular_basis(S4))
    np.testing.assert_allclose(found.rest, 1, atol=1e-12)


def test_fractions_and_rest_sum_to_1() -> None:
    grid = np.random.default_rng(3).normal(size=(6, 6, 2, 200))
    found = group_fractions(grid, regular_basis(S3))
    assert found.frac.shape == (2, 200, 2) and found.rest.shape == (2, 200)
    np.testing.assert_allclose(found.frac.sum(-1) + found.rest, 1, atol=1e-12)


def logits_of(weights: Real) -> Real:
    """Σ_ρ weight_ρ χ_ρ(a b c⁻¹) over the pairs of S_3, literally: (36, 6)."""
    table = np.zeros((6, 6, 6))
    for a in range(6):
        for b in range(6):
            for c in range(6):
                g = S3.product[S3.product[a, b], S3.inverse[c]]
                table[a, b, c] = weights @ S3.characters[:, g]
    return table.reshape(36, 6)


def test_logits_made_of_characters_give_their_coefficients_back(kind: Kind) -> None:
    logits = logits_of(np.array([0.0, 0.7, -1.3]))
    means = class_mean(kind.make(logits), S3.product.reshape(-1), 6)
    found = character_coefficients(means, S3)
    assert type(found) is type(means) and found.dtype == kind.dtype
    np.testing.assert_allclose(found, [0.7, -1.3], rtol=kind.tolerance)
    share = character_variance(found, float(np.square(logits).sum()), S3)
    np.testing.assert_allclose(share, [0.49 / 2.18, 1.69 / 2.18], rtol=kind.tolerance)
    assert np.isnan(np.asarray(character_variance(found, 0.0, S3))).all()


def test_coefficients_are_projections_whatever_the_logits() -> None:
    logits = np.random.default_rng(4).normal(size=(36, 6))
    logits -= logits.mean(axis=1, keepdims=True)
    means = class_mean(logits, S3.product.reshape(-1), 6)
    found = character_coefficients(means, S3)
    share = character_variance(found, float(np.square(logits).sum()), S3)
    for i in (1, 2):
        direction = logits_of(np.eye(3)[i])
        along = (logits * direction).sum() / (direction**2).sum()
        assert found[i - 1] == pytest.approx(along)
        expected = along**2 * (direction**2).sum() / (logits**2).sum()
        assert share[i - 1] == pytest.approx(expected)


def test_a_group_of_two_says_what_the_circle_of_two_says() -> None:
    group = symmetric_group(2)
    means = np.random.default_rng(5).normal(size=(2, 2))
    ours, known = character_coefficients(means, group), trig_coefficients(means)
    np.testing.assert_allclose(ours, known, rtol=1e-12)
    np.testing.assert_allclose(
        character_variance(ours, 3.0, group), fraction_of_variance(known, 3.0, 2), rtol=1e-12
    )


def test_what_does_not_fit_is_refused() -> None:
    basis = regular_basis(S3)
    with pytest.raises(ValueError, match="an axis of S_3 has 6 elements, not 5"):
        group_energy(np.ones((5, 2)), basis, 0)
    with pytest.raises(ValueError, match="has 6 elements, not 5"):
        group_cells(np.ones((6, 5, 2)), basis)
    with pytest.raises(ValueError, match="no neurons"):
        group_fractions(np.ones((6, 6, 0)), basis)
    with pytest.raises(ValueError, match="real floating-point"):
        group_share(np.ones((6, 2), dtype=int), basis, 0)
    with pytest.raises(ValueError, match=r"class means \(6, 6\)"):
        character_coefficients(np.ones((6, 5)), S3)
    with pytest.raises(ValueError, match="needs 2 coefficients"):
        character_variance(np.ones(3), 1.0, S3)


def test_float32_is_enough_for_shares_of_s5() -> None:
    basis = regular_basis(symmetric_group(5))
    wide = np.random.default_rng(6).normal(size=(120, 64))
    narrow = wide.astype(np.float32)
    exact = group_share(narrow.astype(np.float64), basis, 0)
    np.testing.assert_allclose(group_share(narrow, basis, 0), exact, rtol=1e-5)
    grid = np.random.default_rng(7).normal(size=(120, 120, 2)).astype(np.float32)
    exact = group_fractions(grid.astype(np.float64), basis).frac
    np.testing.assert_allclose(group_fractions(grid, basis).frac, exact, rtol=1e-4)


def test_results_stay_on_the_device() -> None:
    torch = pytest.importorskip("torch")
    basis = regular_basis(S3)
    x = torch.zeros((6, 6, 3), device="meta")
    coefficients = character_coefficients(x[:, :, 0], S3)
    results = [
        group_energy(x, basis, 0),
        group_share(x, basis, 0, True),
        group_cells(x, basis),
        *group_fractions(x, basis),
        coefficients,
        character_variance(coefficients, 1.0, S3),
    ]
    assert {result.device.type for result in results} == {"meta"}
