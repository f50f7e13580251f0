"""Numbers of things in sentences."""

from __future__ import annotations

import pytest

from mi.plural import are, counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "variant", "1 variant"),
        (0, "variant", "0 variants"),
        (12769, "row", "12,769 rows"),
        (2, "analysis", "2 analyses"),
        (1, "analysis", "1 analysis"),
        (3, "forward pass", "3 forward passes"),
        (2, "family", "2 families"),
    ],
)
def test_one_is_said_of_one_and_several_of_all_else(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
    assert are(number) == ("is" if number == 1 else "are")
