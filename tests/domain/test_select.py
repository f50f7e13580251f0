"""Variants chosen by name and by what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mi.domain.select import Condition, named, where
from mi.domain.workspace import Variant, Workspace
from mi.errors import ParameterError, UnknownNameError

PARAMETERS = {
    "size": {"type": "int", "default": 5},
    "rate": {"type": "float", "default": 0.5},
    "task": {"type": "str", "default": "sum"},
    "bias": {"type": "bool", "default": False},
}
FAMILY: dict[str, Any] = {
    "schema": 1,
    "name": "some",
    "code": "testing.mlp",
    "parameters": PARAMETERS,
    "variant": "n{size}",
}


@pytest.fixture
def variants(tmp_path: Path) -> list[Variant]:
    """n3, n5, n8_taskdifference, n8_rate2_biastrue; and other/n5_width7 of another family."""
    made = []
    width = {"width": {"type": "int", "default": 2}}
    other = FAMILY | {"name": "other", "parameters": PARAMETERS | width}
    for family, given in (
        (FAMILY, {"size": 3}),
        (FAMILY, {"size": 5}),
        (FAMILY, {"size": 8, "task": "difference"}),
        (FAMILY, {"size": 8, "rate": 2.0, "bias": True}),
        (other, {"size": 5, "width": 7}),
    ):
        folder = tmp_path / "model_families" / str(family["name"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "family.json").write_text(json.dumps(family))
        workspace = Workspace.open(tmp_path)
        declared = workspace.family(str(family["name"]))
        parameters = declared.complete(given)
        folder = tmp_path / "results" / declared.name / declared.variant_name(parameters)
        made.append(Variant(workspace=workspace, family=declared, parameters=parameters, folder=folder))
    return made


FACTS: dict[str, dict[str, Any]] = {
    "some/n3": {"state": "training 40 %", "checkpoints": 2, "last_epoch": None},
    "some/n5": {"state": "trained", "checkpoints": 9, "last_epoch": 100},
}
REST = {"state": "analyzed", "checkpoints": 9, "last_epoch": 250}


def _facts(variant: Variant) -> dict[str, Any]:
    return FACTS.get(variant.id, REST)


@pytest.mark.parametrize(
    ("texts", "ids"),
    [
        (["size<5"], ["some/n3"]),
        (["size<=5"], ["some/n3", "some/n5", "other/n5_width7"]),
        (["size>5", "task=sum"], ["some/n8_rate2_biastrue"]),
        (["size = 3, 8", "rate!=2"], ["some/n3", "some/n8_taskdifference"]),
        (["rate>=0.5", "rate<2"], ["some/n3", "some/n5", "some/n8_taskdifference", "other/n5_width7"]),
        (["bias=true"], ["some/n8_rate2_biastrue"]),
        (["task!=sum,product"], ["some/n8_taskdifference"]),
        (["width>2"], ["other/n5_width7"]),  # families without it do not match
        (["state=training"], ["some/n3"]),
        (["state=trained,analyzed", "size=5"], ["some/n5", "other/n5_width7"]),
        (["last_epoch>=100", "checkpoints>5", "task=sum", "size<6"], ["some/n5", "other/n5_width7"]),
        (["size>4.5", "size<5.5"], ["some/n5", "other/n5_width7"]),
    ],
)
def test_conditions_must_all_hold(variants: list[Variant], texts: list[str], ids: list[str]) -> None:
    assert [one.id for one in where(variants, texts, _facts)] == ids


def test_facts_are_asked_only_where_they_are_needed(variants: list[Variant]) -> None:
    def refuse(variant: Variant) -> Any:
        raise AssertionError(variant)

    assert len(where(variants, ["size=8"], refuse)) == 2
    assert where(variants, [], refuse) == variants


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("size", "--where 'size': expected NAME OP VALUE, such as 'seed<5'"),
        ("size==5x", "size is compared with '=5x', expected a number"),
        ("size=five", "--where 'size=five': size is compared with 'five', expected a number"),
        ("task<sum", "--where 'task<sum': task has no order; use = or !="),
        ("bias=2", "bias is compared with '2', expected true or false"),
        ("<5", "--where '<5': expected NAME OP VALUE"),
    ],
)
def test_what_means_nothing_is_refused(variants: list[Variant], text: str, sentence: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        where(variants, [text], _facts)
    assert sentence in str(refusal.value)


def test_what_matches_nothing_is_one_sentence(variants: list[Variant]) -> None:
    with pytest.raises(UnknownNameError) as refusal:
        where(variants, ["size=3", "task=difference"], _facts)
    assert str(refusal.value) == "none of 5 variants has size=3 and task=difference (see `mi variants`)"
    with pytest.raises(UnknownNameError, match="'sise': did you mean size"):
        where(variants, ["sise=3"], _facts)
    with pytest.raises(UnknownNameError) as refusal:
        named(variants, ["n9_*"])
    assert str(refusal.value) == "no variant fits 'n9_*'; there are 5 (see `mi variants`)"


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["n8_*"], ["some/n8_taskdifference", "some/n8_rate2_biastrue"]),
        (["n5*"], ["some/n5", "other/n5_width7"]),
        (["other/*", "n[35]"], ["other/n5_width7", "some/n3", "some/n5"]),
        (["n?", "n3"], ["some/n3", "some/n5"]),
        (["*/n5*"], ["some/n5", "other/n5_width7"]),
    ],
)
def test_patterns_stand_for_several(variants: list[Variant], names: list[str], ids: list[str]) -> None:
    assert [one.id for one in named(variants, names)] == ids


@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">="])
def test_every_operator_is_read(op: str) -> None:
    found = Condition.parse(f" size {op} 5 ")
    assert (found.name, found.op, found.value) == ("size", op, "5")
