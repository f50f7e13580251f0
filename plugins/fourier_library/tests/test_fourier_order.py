"""Elements of a group, picked in the order of its cycle."""

import numpy as np
import pytest
from fourier_kinds import Kind

from mi_fourier_library import energy_share, in_order

POWERS = np.array([0, 2, 1, 5, 3, 4])  # where 1, 3, 9, ... modulo 7 lie, one less than they are


def test_entries_come_in_the_order_of_the_elements_and_others_not_at_all(kind: Kind) -> None:
    x = kind.make(np.arange(16.0).reshape(8, 2))
    for axis, given in ((0, x), (1, x.T), (-1, x.T)):
        found = in_order(given, POWERS, axis)
        assert found.dtype == kind.dtype
        expected = np.take(np.asarray(given), POWERS, axis=axis)
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_elements_that_are_in_order_already_are_a_view() -> None:
    x = np.zeros((3, 8))
    in_order(x, np.arange(6), 1)[:] = 1
    assert x.sum() == 18


def test_a_wave_over_discrete_logarithms_has_one_frequency_in_their_order_alone(kind: Kind) -> None:
    wave = np.zeros(7)
    wave[POWERS] = np.cos(2 * np.pi * 2 * np.arange(6) / 6)
    shares = np.asarray(energy_share(in_order(kind.make(wave), POWERS, 0)))
    np.testing.assert_allclose(shares, [0, 1, 0], atol=kind.tolerance)
    assert np.asarray(energy_share(kind.make(wave[:6])))[1] < 0.9


@pytest.mark.parametrize("elements", [[0, 8], [-1, 0]])
def test_an_element_that_is_not_there_is_refused(elements: list[int]) -> None:
    with pytest.raises(ValueError, match=r"elements must lie in 0 \.\. 7"):
        in_order(np.zeros((8, 2)), np.array(elements), 0)
