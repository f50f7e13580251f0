"""Typed, bounded values and checkpoint schedules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi.domain.checkpoint import Checkpoint, at_epoch, nearest_epoch
from mi.domain.schedule import checkpoint_epochs, parse_epochs
from mi.domain.values import Option, Parameter, check_options
from mi.errors import ParameterError, UnknownNameError


@pytest.mark.parametrize(
    "declared, good, bad, expected",
    [
        ({"type": "int", "default": 3, "minimum": 2, "maximum": 9}, [2, 9],
         [1, 10, 3.0, True, "3", None], "a whole number from 2 to 9"),
        ({"type": "int", "default": 3, "maximum": 9}, [-4], [10], "a whole number of at most 9"),
        ({"type": "float", "default": 1, "minimum": 0}, [0, 1e300],
         [-1e-9, float("nan"), float("inf"), "1", False], "a number of at least 0"),
        ({"type": "bool", "default": False}, [True], [1, 0, "true", None], "true or false"),
        ({"type": "str", "default": "a", "choices": ["a", "b"]}, ["b"], ["c", 1], "one of 'a', 'b'"),
        ({"type": "strings", "default": []}, [["a", "b"], ()], ["a", [1]], "a list of strings"),
    ],
)  # fmt: skip
def test_a_value_is_of_its_type_and_within_bounds(
    declared: dict[str, Any], good: list[Any], bad: list[Any], expected: str
) -> None:
    option = Option(**declared)
    for value in good:
        assert option.check("x", value) == (list(value) if isinstance(value, tuple) else value)
    for value in bad:
        with pytest.raises(ParameterError) as caught:
            option.check("x", value)
        assert str(caught.value) == f"x is {value!r}, expected {expected}"


def test_a_default_must_itself_be_valid() -> None:
    with pytest.raises(ParameterError, match="default is 1, expected a whole number of at least 2"):
        Parameter(type="int", default=1, minimum=2)
    with pytest.raises(
        ParameterError, match="type is 'integer', expected one of int, float, bool, str, strings"
    ):
        Parameter(type="integer", default=1)
    with pytest.raises(ParameterError, match="role is 'looks'"):
        Option(type="int", default=1, role="looks")


@pytest.mark.parametrize(
    "kind, text, value",
    [
        ("int", "12", 12),
        ("float", "1e-3", 0.001),
        ("bool", "No", False),
        ("bool", "on", True),
        ("str", "12", "12"),
        ("strings", "a,b", ["a", "b"]),
        ("strings", "", []),
    ],
)
def test_text_from_a_command_line_is_parsed_by_type(kind: str, text: str, value: Any) -> None:
    default = {"int": 0, "float": 0.0, "bool": True, "str": "", "strings": []}[kind]
    assert Option(type=kind, default=default).parse("x", text) == value


@pytest.mark.parametrize(
    "kind, text", [("int", "3.5"), ("int", "seven"), ("float", "nan"), ("bool", "maybe")]
)
def test_text_of_another_type_is_refused_as_it_was_given(kind: str, text: str) -> None:
    with pytest.raises(ParameterError, match=r"x is .*, expected "):
        Option(type=kind, default={"int": 0, "float": 0.0, "bool": True}[kind]).parse("x", text)


def test_unknown_options_name_the_nearest() -> None:
    declared = {"width": Option(type="int", default=1), "height": Option(type="int", default=2)}
    assert check_options("v", declared, {"height": 5}) == {"width": 1, "height": 5}
    with pytest.raises(ParameterError, match=r"unknown option of v 'widht': did you mean width"):
        check_options("v", declared, {"widht": 5})


@pytest.mark.parametrize(
    "text, last, expected",
    [
        ("0:10:5", 100, (0, 5, 10)),
        ("0:4:2,3,3,7", 100, (0, 2, 3, 4, 7)),
        (":3", 100, (0, 1, 2, 3)),
        ("8::4", 17, (8, 12, 16)),
        ("5,50", 10, (5,)),
        (" 1 , 2 ", 10, (1, 2)),
    ],
)
def test_schedules_name_epochs(text: str, last: int, expected: tuple[int, ...]) -> None:
    assert parse_epochs(text, last) == expected


@pytest.mark.parametrize("text", ["", ",", "a", "1:2:0", "1:2:-1", "-1", "1:2:3:4", "1.5", "5:x"])
def test_a_schedule_that_names_nothing_or_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="epochs"):
        parse_epochs(text, 10)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 9)), min_size=1, max_size=4),
    st.integers(0, 50),
)
def test_checkpoints_hold_the_initialization_the_last_epoch_and_what_was_asked(
    parts: list[tuple[int, int, int]], last: int
) -> None:
    epochs = checkpoint_epochs(",".join(["0", *(f"{a}:{b}:{s}" for a, b, s in parts)]), last)
    asked = {e for a, b, s in parts for e in range(a, b + 1, s)}
    assert set(epochs) == {0, last} | {e for e in asked if e <= last}
    assert list(epochs) == sorted(epochs)


def test_an_epoch_is_exact_or_the_nearest_is_asked_for(tmp_path: Any) -> None:
    checkpoints = [Checkpoint(e, i, tmp_path) for i, e in enumerate((0, 100, 200))]
    assert at_epoch(checkpoints, 100).index == 1
    assert nearest_epoch(checkpoints, 140).epoch == 100
    assert nearest_epoch(checkpoints, 150).epoch == 100
    assert nearest_epoch(checkpoints, 1e9).epoch == 200
    with pytest.raises(UnknownNameError) as caught:
        at_epoch(checkpoints, 170)
    assert str(caught.value) == (
        "no checkpoint at epoch 170; the nearest are 100 (checkpoint 1) and 200 (checkpoint 2)"
    )
    with pytest.raises(UnknownNameError, match="there are none yet"):
        at_epoch([], 1)
    with pytest.raises(UnknownNameError, match="no checkpoints yet"):
        nearest_epoch([], 1)
