"""Scales: one range for all epochs, one byte a cell, and values that come back within half a code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mi.domain.visualization import Field
from mi.errors import PluginError
from mi.views.palettes import LEVELS, NAMED, ColorBook, palette
from mi.views.scale import MISSING_CODE, Scale, fit

FLOATS = st.floats(-1e6, 1e6, width=32)


def test_range_spans_all_arrays_and_ignores_what_is_not_finite() -> None:
    scale = fit(Field("image"), [np.array([1.0, np.nan]), np.array([-2.0, np.inf, 5.0])], "f")
    assert (scale.low, scale.high) == (-2.0, 5.0)


def test_declared_ends_are_kept_and_values_beyond_take_the_end() -> None:
    scale = fit(Field("image", range=(0.0, None)), [np.array([-3.0, 4.0])], "f")
    assert (scale.low, scale.high) == (0.0, 4.0)
    assert scale.encode(np.array([-3.0, 0.0, 4.0])).tolist() == [0, 0, LEVELS - 1]


def test_symmetric_is_symmetric_about_zero() -> None:
    scale = fit(Field("image", scale="symmetric"), [np.array([-1.0, 3.0])], "f")
    assert (scale.low, scale.high) == (-3.0, 3.0)
    assert scale.encode(np.array([0.0]))[0] == (LEVELS - 1) / 2
    assert scale.palette[(LEVELS - 1) // 2] == "#f7f7f7"


def test_log_takes_positive_values_and_shows_zero_as_the_lowest() -> None:
    scale = fit(Field("image", scale="log"), [np.array([0.0, 1e-4, 1.0, -5.0])], "f")
    assert (scale.low, scale.high) == (1e-4, 1.0)
    assert scale.encode(np.array([0.0, 1e-4, 1e-2, 1.0, -5.0])).tolist() == [0, 0, 127, 254, MISSING_CODE]


def test_cyclic_joins_its_ends() -> None:
    scale = fit(Field("image", scale="cyclic"), [np.array([0.3])], "f")
    codes = scale.encode(np.array([-math.pi, math.pi, 3 * math.pi, 0.1, 0.1 + 2 * math.pi]))
    assert codes[0] == codes[1] == codes[2]
    assert codes[3] == codes[4]


def test_categories_are_unscaled_and_negative_ones_missing() -> None:
    scale = fit(Field("image", scale="categorical"), [np.array([0, 3, -1])], "f")
    assert scale.encode(np.array([0, 3, -1, np.nan])).tolist() == [0, 3, MISSING_CODE, MISSING_CODE]
    assert scale.table()[:5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("values", [[0.5], [300.0]])
def test_categories_that_are_none_are_refused(values: list[float]) -> None:
    with pytest.raises(PluginError, match=r"the field holds .*, expected categories as whole numbers 0-254"):
        fit(Field("image", scale="categorical"), [np.array(values)], "the field")


def test_log_range_that_is_not_positive_is_refused() -> None:
    with pytest.raises(PluginError, match=r"declares the range \(0.0, None\), expected positive ends"):
        fit(Field("image", scale="log", range=(0.0, None)), [np.array([1.0])], "the field")


@pytest.mark.parametrize("kind", ["linear", "log", "symmetric"])
@pytest.mark.parametrize("values", [[], [np.nan], [7.0], [0.0]])
def test_empty_and_constant_data_have_a_range(kind: str, values: list[float]) -> None:
    scale = fit(Field("image", scale=kind), [np.array(values)], "f")
    assert math.isfinite(scale.low) and scale.low < scale.high
    assert scale.encode(np.array([np.nan]))[0] == MISSING_CODE


@given(arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_decoding_is_within_half_a_code(values: np.ndarray) -> None:
    scale = fit(Field("image"), [values], "f")
    step = (scale.high - scale.low) / (LEVELS - 1)
    back = scale.table()[scale.encode(values)].astype(float)
    assert np.all(np.abs(back - values) <= step / 2 + 1e-6 * max(abs(scale.low), abs(scale.high)))


@given(arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-9, 1e9)))
def test_log_decoding_is_within_half_a_code_of_the_ratio(values: np.ndarray) -> None:
    scale = fit(Field("image", scale="log"), [values], "f")
    step = (math.log(scale.high) - math.log(scale.low)) / (LEVELS - 1)
    back = scale.table()[scale.encode(values)].astype(float)
    assert np.all(np.abs(np.log(back) - np.log(values)) <= step / 2 + 1e-5)


def test_table_ends_with_missing() -> None:
    table = Scale("linear", 0.0, 1.0).table()
    assert table.shape == (256,) and np.isnan(table[255]) and table[254] == 1.0


@pytest.mark.parametrize("kind", ["linear", "log", "symmetric", "cyclic", "categorical"])
def test_palettes_have_a_colour_a_code(kind: str) -> None:
    colors = palette(kind)
    assert len(colors) == LEVELS
    assert all(len(c) == 7 and int(c[1:], 16) >= 0 for c in colors)


def test_a_key_has_one_colour_and_near_keys_differ() -> None:
    book, other = ColorBook(), ColorBook()
    assert [book.color_of(k) for k in range(20)] == [other.color_of(k) for k in range(20)]
    assert len({book.color_of(k) for k in range(60)}) == 60
    assert book.color_of("train_loss") == book.color_of("train") != book.color_of("test")
    assert book.color_of(3, period=7) == book.color_of(10, period=7)


@pytest.mark.parametrize("card", ["#ffffff", "#171b22"])
def test_named_colours_are_seen_on_light_and_dark_cards(card: str) -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for color in NAMED:
        light, dark = sorted((luminance(color), luminance(card)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, color
