"""Tasks in group order: the grid of pairs is that of an addition or a subtraction, whatever is computed."""

import numpy as np
import pytest

from mi_modular_arithmetic.primes import is_prime, primitive_root
from mi_modular_arithmetic.tasks import TASKS, Group

PRIMES = [3, 5, 7, 13, 59, 113]
CASES = [(name, p) for name in TASKS for p in PRIMES] + [
    (name, p) for name, task in TASKS.items() if not task.units for p in (2, 4, 12, 15)
]


def plain_answer(name: str, a: int, b: int, p: int) -> int:
    """The answer by trial, not by formula."""
    if name == "div":
        return next(c for c in range(p) if c * b % p == a)
    if name == "sub":
        return next(c for c in range(p) if (c + b) % p == a)
    return {"add": a + b, "mul": a * b, "quad": a**2 + a * b + b**2}[name] % p


@pytest.mark.parametrize(("name", "p"), CASES)
def test_the_grid_in_group_order_is_that_of_a_sum_or_a_difference(name: str, p: int) -> None:
    group = Group(name, p)
    n = group.size
    i, j = np.mgrid[:n, :n]
    found = group.residues()
    assert found.shape == (n, n)
    expected = {"sum": (i + j) % n, "difference": (i - j) % n}.get(group.task.structure)
    if expected is None:
        answers = np.array([[plain_answer(name, int(a), int(b), p) for b in range(p)] for a in range(p)])
        assert np.array_equal(found, answers)
    else:
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(("name", "p"), [case for case in CASES if case[1] < 20])
def test_classes_are_the_answers(name: str, p: int) -> None:
    group = Group(name, p)
    assert sorted(group.elements) == list(range(group.size)), "a token and a class for each operand"
    a, b = (x.ravel() for x in np.meshgrid(group.numbers, group.numbers, indexing="ij"))
    first = 1 if group.task.units else 0
    expected = [plain_answer(name, int(x), int(y), p) - first for x, y in zip(a, b, strict=True)]
    assert group.classes(a, b).tolist() == expected
    assert np.array_equal(group.elements[group.residues().ravel()], expected)


def test_operands_of_products_are_the_powers_of_the_least_primitive_root() -> None:
    assert Group("mul", 7).numbers.tolist() == [1, 3, 2, 6, 4, 5]
    assert Group("div", 7).elements.tolist() == [0, 2, 1, 5, 3, 4]
    assert Group("quad", 6).numbers.tolist() == list(range(6))
    known = {2: 1, 3: 2, 5: 2, 7: 3, 11: 2, 13: 2, 41: 6, 59: 2, 71: 7, 113: 3, 191: 19}
    assert {p: primitive_root(p) for p in known} == known
    for p in filter(is_prime, range(2, 120)):
        assert len({pow(primitive_root(p), i, p) for i in range(p - 1)}) == p - 1
