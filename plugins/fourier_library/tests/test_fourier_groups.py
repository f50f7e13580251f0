"""Symmetric groups and their characters: tables, relations, and another way to compute them."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from numpy.typing import NDArray

from mi_fourier_library import FiniteGroup, symmetric_group
from mi_fourier_library.symmetric import (
    cycle_notation,
    cycle_type,
    murnaghan_nakayama,
    partitions,
)

Real = NDArray[np.float64]


def test_products_are_compositions_of_functions_the_right_one_first() -> None:
    group = symmetric_group(4)
    images = list(permutations(range(4)))
    assert group.elements == tuple(cycle_notation(list(image)) for image in images)
    for g in (0, 3, 7, 23):
        for h in (1, 5, 16):
            composed = tuple(images[g][images[h][x]] for x in range(4))
            assert images[group.product[g, h]] == composed
    swap, turn = group.elements.index("(12)"), group.elements.index("(123)")
    assert group.elements[group.product[swap, turn]] == "(23)"  # 1 -> 2 -> 1, 2 -> 3, 3 -> 1 -> 2
    assert group.elements[group.product[turn, swap]] == "(13)"


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_it_is_a_group_with_inverses(n: int) -> None:
    group = symmetric_group(n)
    every = np.arange(factorial(n))
    assert len(group.elements) == len(set(group.elements)) == factorial(n)
    assert group.elements[group.identity] == "e" and group.identity == 0
    assert (group.product[every, group.inverse] == group.identity).all()
    assert (group.product[group.inverse, every] == group.identity).all()
    assert (group.product[group.quotient, every[None, :]] == every[:, None]).all()


def test_cycles_are_named_from_1() -> None:
    assert cycle_notation([0, 1, 2]) == "e"
    assert cycle_notation([1, 0, 3, 4, 2]) == "(12)(345)"
    assert cycle_type([1, 0, 3, 4, 2]) == (3, 2)
    assert cycle_type([0, 1, 2]) == (1, 1, 1)


def test_partitions_fall_and_are_all_there() -> None:
    assert partitions(4) == [(4,), (3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1)]
    assert [len(partitions(n)) for n in range(8)] == [1, 1, 2, 3, 5, 7, 11, 15]


# Cycle types 1^5, 2 1^3, 2^2 1, 3 1^2, 3 2, 4 1, 5 (James & Liebeck, Representations and Characters
# of Groups, 2001, 19.16).
KINDS = [(1, 1, 1, 1, 1), (2, 1, 1, 1), (2, 2, 1), (3, 1, 1), (3, 2), (4, 1), (5,)]
TABLE = {
    (5,): [1, 1, 1, 1, 1, 1, 1],
    (4, 1): [4, 2, 0, 1, -1, 0, -1],
    (3, 2): [5, 1, 1, -1, 1, -1, 0],
    (3, 1, 1): [6, 0, -2, 0, 0, 0, 1],
    (2, 2, 1): [5, -1, 1, -1, -1, 1, 0],
    (2, 1, 1, 1): [4, -2, 0, 1, 1, 0, -1],
    (1, 1, 1, 1, 1): [1, -1, 1, 1, -1, -1, 1],
}


def test_the_rule_gives_the_table_of_s5() -> None:
    assert list(TABLE) == partitions(5)
    for shape, row in TABLE.items():
        assert [murnaghan_nakayama(shape, kind) for kind in KINDS] == row
    assert sorted(symmetric_group(5).dimensions) == [1, 1, 4, 4, 5, 5, 6]


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_standard_and_sign_characters_are_what_they_are_known_to_be(n: int) -> None:
    group = symmetric_group(n)
    images = np.array(list(permutations(range(n))))
    fixed = (images == np.arange(n)).sum(axis=1)
    np.testing.assert_array_equal(group.characters[1], fixed - 1)
    sign = [round(np.linalg.det(np.eye(n)[image])) for image in images]
    np.testing.assert_array_equal(group.characters[-1], sign)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_rows_and_columns_of_characters_are_orthogonal(n: int) -> None:
    group = symmetric_group(n)
    order = factorial(n)
    np.testing.assert_allclose(
        group.characters @ group.characters.T, order * np.eye(len(group.irreps)), atol=1e-9
    )
    # Σ_ρ χ_ρ(g) χ_ρ(h): the order of the centralizer where h is conjugate to g, else 0.
    conjugate = group.product[group.product, group.inverse[:, None]]  # (h, g): h g h⁻¹
    same = np.zeros((order, order))
    for g in range(order):
        same[g, conjugate[:, g]] = 1
    centralizer = (group.product == group.product.T).sum(axis=0)
    np.testing.assert_allclose(
        group.characters.T @ group.characters, same * centralizer[:, None], atol=1e-9
    )


@pytest.mark.parametrize("n", [3, 4, 5])
def test_class_sums_have_the_same_characters(n: int) -> None:
    """Another way: common eigenvectors of the class algebra, which knows no partitions."""
    group = symmetric_group(n)
    found = np.sort(burnside(group), axis=0)
    np.testing.assert_allclose(found, np.sort(group.characters, axis=0), atol=1e-6)
    by_row = sorted(map(tuple, np.round(burnside(group)).astype(int).tolist()))
    assert by_row == sorted(map(tuple, group.characters.astype(int).tolist()))


def burnside(group: FiniteGroup) -> Real:
    """Characters (irreps, n): ω(K_i) = |K_i| χ(i)/d are eigenvalues of class sums (Burnside)."""
    order = len(group.elements)
    conjugate = group.product[group.product, group.inverse[:, None]]  # (h, g): h g h⁻¹
    _, of = np.unique(conjugate.min(axis=0), return_inverse=True)  # class of each element
    count = of.max() + 1
    sizes = np.bincount(of)
    first = [int(np.flatnonzero(of == k)[0]) for k in range(count)]
    # a[i, j, k]: in how many ways the first element of class k is a product of i and j.
    a = np.zeros((count, count, count))
    for k, z in enumerate(first):
        for x in range(order):
            a[of[x], of[group.product[group.inverse[x], z]], k] += 1
    mixed = np.einsum("i,ijk->jk", np.random.default_rng(1).normal(size=count), a)
    values, vectors = np.linalg.eig(mixed)
    assert np.abs(values.imag).max() < 1e-9
    omega = (vectors / vectors[of[group.identity]]).real.T  # (irreps, classes)
    dimension = np.sqrt(order / (omega**2 / sizes).sum(axis=1))
    characters: Real = (omega * dimension[:, None] / sizes)[:, of]
    return characters


def test_what_is_no_group_is_refused() -> None:
    good = symmetric_group(3)
    given = {
        "name": "S_3",
        "elements": good.elements,
        "product": good.product,
        "irreps": good.irreps,
        "characters": good.characters,
    }
    wrong = good.product.copy()
    wrong[0, 0] = 1
    minus = (np.arange(6)[:, None] - np.arange(6)) % 6  # a Latin square, not associative
    cases = {
        "has no inverses": {"product": wrong},
        "not associative": {"product": minus},
        "not orthonormal": {"characters": good.characters * 1.1},
        "do not sum to 6": {"characters": good.characters[:2], "irreps": good.irreps[:2]},
        "not the trivial one": {"characters": good.characters[::-1], "irreps": good.irreps[::-1]},
        "needs characters": {"characters": good.characters[:, :5]},
    }
    for words, changed in cases.items():
        with pytest.raises(ValueError, match=words):
            FiniteGroup(**{**given, **changed})  # type: ignore[arg-type]
    for n in (0, 6, 9):
        with pytest.raises(ValueError, match="from 1 to 5"):
            symmetric_group(n)


def test_tables_are_shared_and_cannot_be_written() -> None:
    assert symmetric_group(4) is symmetric_group(4)
    for table in (symmetric_group(4).product, symmetric_group(4).characters):
        with pytest.raises(ValueError, match="read-only"):
            table[0, 0] = 7
