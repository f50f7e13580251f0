"""Conditions are a grammar, not code: they select what Python would, and refuse everything else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi.builtin.conditions import MAX_LENGTH, Table, selected
from mi.errors import MiError, ParameterError

X, Y = (axis.ravel() for axis in np.meshgrid(np.arange(7), np.arange(5), indexing="ij"))
TRAIN = X * 3 % 4 < 2
TABLE = Table(
    columns={"x": X, "y": Y, "word": np.where(X > 3, "big", "small")},
    labels=(X + Y) % 7,
    masks={"train": TRAIN, "test": ~TRAIN},
    rows=35,
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x < 4", X < 4),
        ("  1 < x <= 3 != y", (X > 1) & (X <= 3) & (Y != 3)),
        ("x + y == 7", X + Y == 7),
        ("(x - 2 * y) % 3 == 1", (X - 2 * Y) % 3 == 1),
        ("-x > -2.5", X < 2.5),
        ("label in (0, 3)", np.isin((X + Y) % 7, [0, 3])),
        ("x not in [1, y]", (X != 1) & (X != Y)),
        ("x in ()", X < 0),
        ("word == 'big' or y == 0", (X > 3) | (Y == 0)),
        ('split == "test"', ~TRAIN),
        ('"test" != split', TRAIN),
        ('split in ("test", "train")', X >= 0),
        ('split not in ["test"]', TRAIN),
        ("train and not (x == y)", TRAIN & (X != Y)),
        ("1 < 2", X >= 0),
        ("x % -3 == -1", X % -3 == -1),
    ],
)
def test_a_condition_selects_the_rows_for_which_it_holds(text: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(selected([text], TABLE), expected)


def test_several_conditions_must_all_hold_and_none_holds_everywhere() -> None:
    np.testing.assert_array_equal(selected(["x < 4", "train"], TABLE), (X < 4) & TRAIN)
    assert selected([], TABLE).all()


def numbers(depth: int) -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["x", "y", "label"]) | st.integers(0, 9).map(str)
    if depth == 0:
        return leaves
    inner = numbers(depth - 1)
    return leaves | st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")


def conditions(depth: int) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    plain = st.tuples(numbers(2), operators, numbers(2)).map(" ".join)
    if depth == 0:
        return plain
    inner = conditions(depth - 1)
    joined = st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
        lambda t: f"({t[0]}) {t[1]} ({t[2]})"
    )
    return plain | joined | inner.map(lambda c: f"not ({c})")


@settings(deadline=None, max_examples=150)
@given(conditions(2))
def test_a_condition_means_what_python_means(text: str) -> None:
    expected = [
        bool(
            eval(text, {}, {"x": int(x), "y": int(y), "label": int((x + y) % 7)})
        )  # the oracle, on our own text
        for x, y in zip(X, Y, strict=True)
    ]
    if len(text) <= MAX_LENGTH:
        np.testing.assert_array_equal(selected([text], TABLE), expected)


REFUSED = {
    "x": "position 1: expected a condition",
    "x + 1": "position 1: expected a condition",
    "True": "position 1: expected a condition",
    "not x": "position 5: expected a condition",
    "z < 2": "position 1: unknown name 'z'; known: x, y, word, label, split, train, test",
    "x < 2 and trian": "position 11: unknown name 'trian'; did you mean train?",
    "x <": "not an expression",
    "x < 3) or (y < 2": "position 6: not an expression (unmatched ')')",
    "x < 2; y": "not an expression",
    "x = 3": "not an expression",
    "(x := 3) < 2": "position 2: only names, numbers, strings",
    "x ** 2 < 3": "position 1: only names",
    "x / 2 < 3": "position 1: only names",
    "x.real < 3": "position 1: only names",
    "x[0] < 3": "position 1: only names",
    "abs(x) < 3": "position 1: only names",
    "__import__('os').system('true')": "position 1: expected a condition",
    "__import__('os') == 1": "position 1: only names",
    "f'{x}' == 'a'": "position 1: only names",
    "x if train else y": "position 1: expected a condition",
    "lambda: x": "position 1: expected a condition",
    "[x for x in y]": "position 1: expected a condition",
    "x is y": "only <, <=, >, >=, ==, !=, in and not in compare",
    "x == 'a'": "position 6: a number and a string cannot be compared",
    "word + 'a' == 'b'": "position 1: strings do not add",
    "x == None": "position 6: None is neither a number nor a string",
    "x < True": "position 5: True is neither a number nor a string",
    "x == b'a'": "position 6: b'a' is neither",
    "x == 1j": "position 6: 1j is neither",
    "x < 1e400": "position 5: the number is too large",
    "x * 9007199254740991 * 99 > 2": "the result is too large",
    "x % (y - y) == 0": "the remainder of a division by 0",
    "x in 3": "position 6: expected a list such as (1, 2) after `in`",
    "train == 1": "position 1: 'train' is a mask, which stands alone: 'not train'",
    "split == 'dev'": "position 10: split has no set 'dev'; known: train, test",
    "split == x": "position 10: split has no set x",
    "split < 'test'": "position 1: split is compared by ==, !=, in or not in",
    "split": "expected a condition",
    "é < ä": "position 1: unknown name 'é'",
    "word == 'é' and zz": "position 17: unknown name 'zz'",
    "": "expected one line",
    "x <\n2": "expected one line",
    "\0x": "expected one line",
    "-" * 60 + "x < 1": "position 40: nested deeper than 40 levels",
    "(" * 240 + "x" + ")" * 240: "too many nested parentheses",
    "x < 1" + " " * MAX_LENGTH: f"longer than {MAX_LENGTH} characters",
}


@pytest.mark.parametrize("text, expected", REFUSED.items(), ids=[k[:30] or "empty" for k in REFUSED])
def test_everything_else_is_refused_with_the_condition_and_the_position(text: str, expected: str) -> None:
    with pytest.raises(ParameterError) as caught:
        selected([text], TABLE)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(f"condition {text[:20]!r}"[:20])


def test_without_masks_and_labels_their_names_are_unknown() -> None:
    bare = Table(columns={"x": X}, labels=None, masks={}, rows=35)
    for text in ("label == 1", "split == 'train'", "train"):
        with pytest.raises(ParameterError, match=r"known: x|split has no set"):
            selected([text], bare)


def test_an_axis_called_like_a_word_of_the_grammar_is_the_axis() -> None:
    table = Table(columns={"split": X, "label": Y}, labels=Y + 1, masks={"label": Y > 9}, rows=35)
    np.testing.assert_array_equal(selected(["split == 3", "label < 2"], table), (X == 3) & (Y < 2))


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30) | st.text(alphabet="xy<>=!()[]+-*%'\" 012andortispl", max_size=30))
def test_no_text_does_anything_but_select_or_be_refused(text: str) -> None:
    try:
        chosen = selected([text], TABLE)
    except MiError as error:
        assert "condition" in str(error)
    else:
        assert chosen.shape == (35,)
        assert chosen.dtype == bool
