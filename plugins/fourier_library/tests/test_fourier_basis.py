"""Bases in groups of rows: the circle's and a group's."""

import numpy as np
import pytest

from mi_fourier_library import (
    Basis,
    RowGroup,
    basis_labels,
    circle,
    frequencies,
    real_basis,
    regular_basis,
    symmetric_group,
)


@pytest.mark.parametrize("n", [2, 7, 12, 113])
def test_the_circle_is_the_real_basis_with_a_group_for_each_frequency(n: int) -> None:
    basis = circle(n)
    assert basis.matrix is real_basis(n) and basis.labels == basis_labels(n)
    assert [group.label for group in basis.varying] == [str(k) for k in frequencies(n)]
    for k, group in zip(frequencies(n), basis.varying, strict=True):
        wanted = [i for i, label in enumerate(basis.labels) if label.split(" ")[-1] == str(k)]
        assert list(group.rows) == wanted
        assert (group.dimension, group.multiplicity) == (1 if 2 * k == n else 2, 1)
    assert basis.groups[0] == RowGroup("0", (0,))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_an_irrep_of_dimension_d_has_d_copies(n: int) -> None:
    group = symmetric_group(n)
    basis = regular_basis(group)
    assert [g.label for g in basis.groups] == list(group.irreps)
    assert [g.dimension for g in basis.groups] == group.dimensions.tolist()
    assert [g.multiplicity for g in basis.groups] == group.dimensions.tolist()
    np.testing.assert_allclose(basis.matrix @ basis.matrix.T, np.eye(len(basis.matrix)), atol=1e-12)
    for rows, projector in zip(basis.groups, group.projectors, strict=True):
        own = basis.matrix[list(rows.rows)]
        np.testing.assert_allclose(own.T @ own, projector, atol=1e-12)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_projectors_are_orthogonal_complete_and_commute_with_translations(n: int) -> None:
    group = symmetric_group(n)
    projectors = group.projectors
    order = len(group.elements)
    np.testing.assert_allclose(projectors.sum(axis=0), np.eye(order), atol=1e-12)
    for i, one in enumerate(projectors):
        np.testing.assert_allclose(one, one.T, atol=0)
        assert np.trace(one) == pytest.approx(group.dimensions[i] ** 2)
        for j, other in enumerate(projectors):
            np.testing.assert_allclose(one @ other, one * (i == j), atol=1e-12)
    for g in (1, order // 2, order - 1):
        left = np.eye(order)[group.product[g]].T  # takes the function 1_h to 1_{g h}
        right = np.eye(order)[group.product[:, g]].T
        for one in projectors:
            np.testing.assert_allclose(one @ left, left @ one, atol=1e-12)
            np.testing.assert_allclose(one @ right, right @ one, atol=1e-12)


def test_the_formula_of_the_projector_written_out() -> None:
    group = symmetric_group(3)
    for i, dimension in enumerate(group.dimensions):
        total = np.zeros((6, 6))
        for g in range(6):
            moved = np.zeros((6, 6))
            for x in range(6):
                moved[group.product[g, x], x] = 1  # R(g) takes 1_x to 1_{g x}
            total += dimension / 6 * group.characters[i, group.inverse[g]] * moved
        np.testing.assert_allclose(group.projectors[i], total, atol=1e-12)


def test_matrix_elements_of_the_standard_representation_lie_in_its_part() -> None:
    """Matrices that permute four axes, on what is orthogonal to (1, 1, 1, 1): ρ itself, no χ."""
    group = symmetric_group(4)
    basis = regular_basis(group)
    from itertools import permutations

    q = np.linalg.qr(np.column_stack([np.ones(4), np.eye(4)[:, :3]]))[0][:, 1:]
    matrices = np.stack([q.T @ np.eye(4)[:, list(image)] @ q for image in permutations(range(4))])
    np.testing.assert_allclose(np.trace(matrices, axis1=1, axis2=2), group.characters[1], atol=1e-9)
    np.testing.assert_allclose(
        matrices[group.product[5, 17]], matrices[5] @ matrices[17], atol=1e-9
    )
    elements = matrices.reshape(24, 9).T
    np.testing.assert_allclose(elements @ group.projectors[1], elements, atol=1e-9)
    assert np.linalg.matrix_rank(elements) == 9 == len(basis.groups[1].rows)


def test_a_basis_that_is_none_is_refused() -> None:
    eye = np.eye(3)
    groups = circle(3).groups
    labels = ("a", "b", "c")
    with pytest.raises(ValueError, match="not orthonormal"):
        Basis("X", 2 * real_basis(3), labels, groups)
    with pytest.raises(ValueError, match="not the constant"):
        Basis("X", eye, labels, groups)
    for wrong in (groups[:1], (RowGroup("0", (0, 1)), RowGroup("1", (2,))), groups[::-1]):
        with pytest.raises(ValueError, match="each of its 3 rows once"):
            Basis("X", real_basis(3), labels, wrong)
    with pytest.raises(ValueError, match="whole copies"):
        Basis("X", real_basis(3), labels, (groups[0], RowGroup("1", (1, 2), 3)))
    with pytest.raises(ValueError, match="2 labels, not 3"):
        Basis("X", real_basis(3), labels[:2], groups)
