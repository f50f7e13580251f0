"""Variants are named so that no two configurations share a name."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mi.domain.family import Family, parse_family
from mi.domain.values import is_slug
from mi.errors import FormatError, ParameterError


def family(parameters: dict[str, dict[str, Any]], pattern: str) -> Family:
    return parse_family(
        {"schema": 1, "name": "f", "code": "p.f", "parameters": parameters, "variant": pattern}, "family.json"
    )


SUMS = {
    "size": {"type": "int", "default": 7},
    "seed": {"type": "int", "default": 0},
    "decay": {"type": "float", "default": 1.0, "short": "wd"},
    "tied": {"type": "bool", "default": False},
    "act": {"type": "str", "default": "relu"},
}

# Values that look alike once they are written one after the other.
VALUES: dict[str, tuple[Any, ...]] = {
    "int": (1, 11, -1, 0),
    "float": (1.0, 0.1, 1e20, 1e-11, -1.0),
    "bool": (False, True),
    "str": ("1", "a", "a1", "a_1", "a_a1", "a-1", "true1"),
}
SHORT = st.sampled_from(["a", "a1", "a_1", "ab"])


@st.composite
def families(draw: st.DrawFn) -> Family:
    """Families with names as confusing as the format lets through."""
    names = draw(st.lists(SHORT, min_size=2, max_size=3, unique=True))
    kinds = {name: draw(st.sampled_from(sorted(VALUES))) for name in names}
    parameters = {
        name: {"type": kind, "default": draw(st.sampled_from(VALUES[kind]))}
        | ({"short": draw(SHORT)} if draw(st.booleans()) else {})
        for name, kind in kinds.items()
    }
    shown = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    between = st.sampled_from(["_", "_a", "", "-"])
    pattern = "n" + "".join("{" + name + "}" + draw(between) for name in shown)
    try:
        return family(parameters, pattern)
    except FormatError:
        assume(False)
        raise


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(families())
def test_two_configurations_never_share_a_name(one: Family) -> None:
    grid = itertools.product(*(VALUES[p.type] for p in one.parameters.values()))
    configurations = [one.complete(dict(zip(one.parameters, values, strict=True))) for values in grid]
    names = [one.variant_name(configuration) for configuration in configurations]
    assert len(set(names)) == len(configurations)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) for name in names)


def test_a_name_is_the_pattern_and_what_differs_from_the_default() -> None:
    sums = family(SUMS, "n{size}_seed{seed}")
    assert sums.variant_name(sums.complete({})) == "n7_seed0"
    given_ = {"size": 11, "seed": 3, "decay": 0.5, "tied": True, "act": "gelu_new"}
    assert sums.variant_name(sums.complete(given_)) == "n11_seed3_wd0.5_tiedtrue_actgelu--new"
    assert sums.variant_name(sums.complete({"decay": 1e-8})) == "n7_seed0_wd1e-08"
    assert sums.variant_name(sums.complete({"decay": 1e20})) == "n7_seed0_wd1e20"
    assert sums.variant_name(sums.complete({"decay": 0.1 + 0.2})) == "n7_seed0_wd0.30000000000000004"


def test_whole_numbers_and_minus_zero_make_no_second_variant() -> None:
    sums = family(SUMS, "n{size}_wd{decay}")
    assert sums.variant_name(sums.complete({"decay": 2})) == sums.variant_name(sums.complete({"decay": 2.0}))
    assert sums.variant_name(sums.complete({"decay": -0.0})) == sums.variant_name(
        sums.complete({"decay": 0.0})
    )


@pytest.mark.parametrize(
    "pattern", ["n{size}{seed}", "n{size}x{seed}", "{size}_seed{seed}", "n{size}.", "n{size"]
)
def test_a_pattern_whose_names_could_be_misread_is_refused(pattern: str) -> None:
    with pytest.raises(FormatError, match=r"variant is .*, expected a pattern such as"):
        family(SUMS, pattern)


@pytest.mark.parametrize(
    "pattern", ["N{size}", "../n{size}", "n/{size}", "n..{size}", "n {size}", "n{size:03d}"]
)
def test_a_pattern_that_makes_no_folder_name_is_refused(pattern: str) -> None:
    with pytest.raises(FormatError, match="variant is"):
        family(SUMS, pattern)


def test_short_names_that_could_be_misread_are_refused() -> None:
    parameters = {"n": {"type": "int", "default": 1}, "beta": {"type": "int", "default": 1}}
    with pytest.raises(
        FormatError, match=r"parameters\.beta1\.short is 'beta1', expected a name that cannot be"
    ):
        family(parameters | {"beta1": {"type": "int", "default": 1}}, "n{n}")
    # `_beta_x1` cannot be read as beta = _x1, so this pair may stand.
    family(parameters | {"beta_x": {"type": "int", "default": 1}}, "n{n}")


@pytest.mark.parametrize("text", ["a/b", "..", "a b", "A", "", "a--b", "a_-b", "-a"])
def test_a_text_that_cannot_stand_in_a_name_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="act is"):
        family(SUMS, "n{size}").complete({"act": text})


def test_a_name_too_long_for_a_folder_is_refused() -> None:
    sums = family(SUMS, "n{size}")
    with pytest.raises(ParameterError, match="expected at most 128; give parameters a `short` name"):
        sums.variant_name(sums.complete({"act": "x" * 200}))


@given(st.text(max_size=70))
def test_a_slug_is_one_plain_path_component(name: str) -> None:
    if is_slug(name):
        assert "/" not in name
        assert "\\" not in name
        assert not name.startswith(".")
        assert ".." not in name
        assert 1 <= len(name) <= 64
