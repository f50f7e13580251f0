"""Sets of frequencies up to multiplication by a unit."""

from __future__ import annotations

from itertools import combinations
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_fourier_library import canonical, fold, jaccard, margin, matched, units
from mi_fourier_library.sets import image


@st.composite
def sets(draw: st.DrawFn) -> tuple[list[int], int]:
    n = draw(st.integers(3, 40))
    return draw(st.lists(st.integers(1, n // 2), min_size=1, max_size=5, unique=True)), n


@given(sets(), st.data())
def test_the_canonical_set_does_not_depend_on_the_unit(
    case: tuple[list[int], int], data: st.DataObject
) -> None:
    found, n = case
    unit = data.draw(st.sampled_from(units(n)))
    moved = image(found, unit, n)
    least, by = canonical(found, n)
    assert canonical(moved, n)[0] == least
    assert image(found, by, n) == least
    assert len(least) == len(found)
    assert [gcd(k, n) for k in least].count(1) == [gcd(k, n) for k in found].count(1)


@given(sets(), st.data())
def test_a_moved_set_is_matched_with_its_anchor(
    case: tuple[list[int], int], data: st.DataObject
) -> None:
    anchor, n = case
    moved = image(anchor, data.draw(st.sampled_from(units(n))), n)
    back, unit = matched(moved, anchor, n)
    assert back == sorted(anchor)
    assert image(moved, unit, n) == back
    assert jaccard(back, anchor) == 1


def test_all_sets_of_a_prime_fall_into_few_classes() -> None:
    """Every single frequency of a prime is 1; pairs are {1, j}, as 11 has 5 units up to sign."""
    assert {tuple(canonical([k], 11)[0]) for k in range(1, 6)} == {(1,)}
    pairs = {tuple(canonical(pair, 11)[0]) for pair in combinations(range(1, 6), 2)}
    assert all(pair[0] == 1 for pair in pairs)
    assert len(pairs) == 2  # {1, 2} ~ {1, 5} and {1, 3} ~ {1, 4}; ten pairs in orbits of five


def test_composite_cycles_keep_the_divisor() -> None:
    assert canonical([2, 4], 12)[0] == [2, 4]
    assert canonical([5], 12) == ([1], 5)
    assert canonical([3], 12) == ([3], 1)
    assert (fold(7, 12), fold(-1, 12), fold(6, 12), fold(12, 12)) == (5, 1, 6, 0)


@given(sets(), st.data())
def test_the_margin_is_the_gap_of_the_logits_it_speaks_of(
    case: tuple[list[int], int], data: st.DataObject
) -> None:
    k, n = case
    a = [data.draw(st.floats(0.1, 10)) for _ in k]
    logits = [
        sum(x * np.cos(2 * np.pi * f * c / n) for f, x in zip(k, a, strict=True)) for c in range(n)
    ]
    gap = logits[0] - max(logits[1:])
    assert margin(k, a, n) == pytest.approx(gap, abs=1e-9)
    unit = data.draw(st.sampled_from(units(n)))
    assert margin([fold(unit * f, n) for f in k], a, n) == pytest.approx(gap, abs=1e-9)


def test_no_frequency_and_a_shared_divisor_leave_no_margin() -> None:
    assert margin([], [], 7) == 0
    assert margin([2, 4], [1, 1], 12) == pytest.approx(0, abs=1e-12)
    assert np.isnan(jaccard([], []))


@pytest.mark.parametrize(
    "call",
    [lambda: canonical([6], 11), lambda: matched([1], [0], 11), lambda: margin([9], [1], 11)],
)
def test_frequencies_out_of_range_are_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"frequencies of Z_11 lie in 1 \.\. 5, not"):
        call()
    with pytest.raises(ValueError, match="an amplitude a frequency, not 2 for 1"):
        margin([1], [1, 2], 11)
    with pytest.raises(ValueError, match="at least 2 elements, not 1"):
        units(1)
