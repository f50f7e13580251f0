from itertools import combinations

import numpy as np
import pytest
from fourier_kinds import Kind
from hypothesis import given
from hypothesis import strategies as st

from mi_fourier_library import choose_key_frequencies


def test_the_few_that_carry_the_variance(kind: Kind) -> None:
    fve = kind.make([0.001, 0.4, np.nan, 0.0, 0.3, 0.25, 0.002])
    mask = choose_key_frequencies(fve)
    assert type(mask) is type(fve)
    assert mask.tolist() == [False, True, False, False, True, True, False]


def test_of_equal_ones_the_lower_come_first(kind: Kind) -> None:
    mask = choose_key_frequencies(kind.make([0.05] * 20))
    assert mask.tolist() == [True] * 19 + [False]


def test_a_goal_reached_but_for_rounding_is_reached() -> None:
    values = [0.1] * 10
    assert sum(values[:9]) < 0.9 * 1.0  # nine of ten, short of 90 % by the last bit
    mask = choose_key_frequencies(np.array(values), reach=0.9)
    assert mask.tolist() == [True] * 9 + [False]


def test_exactly_the_floor_is_enough() -> None:
    assert choose_key_frequencies(np.array([3.0, 1.0]), reach=1, floor=0.25).tolist() == [True] * 2


def test_a_long_tail_is_left_out() -> None:
    fve = np.array([0.5] + [0.004] * 100)
    assert choose_key_frequencies(fve).nonzero()[0].tolist() == [0]
    assert choose_key_frequencies(fve, floor=0).sum() == 90


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_is_chosen_from_nothing(value: float, kind: Kind) -> None:
    assert choose_key_frequencies(kind.make([value] * 4)).tolist() == [False] * 4


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=7),
    st.sampled_from([0.25, 0.5, 0.75, 1.0]),
)
def test_no_smaller_set_reaches_the_goal(values: list[int], reach: float) -> None:
    mask = choose_key_frequencies(np.array(values, dtype=float), reach, floor=0)
    goal = reach * sum(values)
    assert sum(v for v, chosen in zip(values, mask, strict=True) if chosen) >= goal
    smallest = next(
        size
        for size in range(len(values) + 1)
        if any(sum(chosen) >= goal for chosen in combinations(values, size))
    )
    assert mask.sum() == smallest


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_each_is_at_least_the_floor(values: list[float], reach: float, floor: float) -> None:
    mask = choose_key_frequencies(np.array(values), reach, floor)
    lowest = floor * sum(values) * (1 - 1e-9)
    assert all(v >= lowest for v, chosen in zip(values, mask, strict=True) if chosen)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="each at least 0"):
        choose_key_frequencies(np.array([0.5, -0.1]))
    with pytest.raises(ValueError, match="needs a vector"):
        choose_key_frequencies(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"must lie in 0 \.\. 1"):
        choose_key_frequencies(np.array([0.5]), reach=95)
