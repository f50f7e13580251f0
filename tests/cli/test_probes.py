"""`mi probe new | show | validate`: a probe is saved only when it builds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_plugin import FAMILY, Mi, refusal


def saved(root: Path, name: str) -> Path:
    return root / "model_families" / FAMILY / "probes" / f"{name}.json"


def test_a_new_probe_is_saved_as_it_was_said(mi: Mi, root: Path) -> None:
    ran = mi("probe", "new", FAMILY, "corner", "--kind", "core.filter", "--set", "where=x < 3", "--set",
             "where=y in (0, 1)", "--title", "A corner", "--notes", "Because.")  # fmt: skip
    assert ran.code == 0
    assert "6 rows at the family's default parameters" in ran.out
    assert json.loads(saved(root, "corner").read_text()) == {
        "schema": 1,
        "title": "A corner",
        "kind": "core.filter",
        "options": {"where": ["x < 3", "y in (0, 1)"]},
        "notes": "Because.",
    }
    assert "corner  sample_sums  ok" in mi("probes", FAMILY).out


def test_prompts_keep_their_commas_and_equals_signs(mi: Mi, root: Path) -> None:
    prompts = ["one two", "six six"]
    settings = [part for prompt in prompts for part in ("--set", f"prompts={prompt}")]
    assert mi("probe", "new", FAMILY, "said", "--kind", "core.prompts", *settings).code == 0
    assert json.loads(saved(root, "said").read_text())["options"]["prompts"] == prompts
    sentence = refusal(
        mi("probe", "new", FAMILY, "odd", "--kind", "core.prompts", "--set", "prompts=one, a=b")
    )
    assert "prompt 'one, a=b': expected two of" in sentence


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--kind", "core.filter", "--set", "where=x <"], "condition 'x <', position"),
        (["--kind", "core.filter", "--set", "where=z < 1"], "unknown name 'z'; known: x, y, label, split"),
        (["--kind", "core.filter", "--set", "where=x > 99"], "chooses no row"),
        (["--kind", "core.filter", "--set", "were=x > 9"], "unknown option of probe kind core.filter 'were'"),
        (["--kind", "core.filter", "--set", "where"], "--set 'where': expected NAME=VALUE"),
        (["--kind", "core.filter", "--set", "=1"], "--set '=1': expected NAME=VALUE"),
        (
            ["--kind", "core.sample", "--set", "rows=ten"],
            "--set rows is 'ten', expected a whole number of at least 1",
        ),
        (["--kind", "core.sample", "--set", "rows=2", "--set", "rows=3"], "--set rows is given twice"),
        (["--kind", "core.sample", "--set", "rows=50"], "expected at most 49"),
        (["--kind", "core.grid"], "does not allow probes of kind 'core.grid'; it allows core.full_grid"),
        (["--kind", "core.rows", "--set", "file=../../../secret"], "expected a file inside"),
    ],
)
def test_a_probe_that_does_not_build_is_not_saved(
    mi: Mi, root: Path, arguments: list[str], expected: str
) -> None:
    before = sorted(saved(root, "x").parent.iterdir())
    assert expected in refusal(mi("probe", "new", FAMILY, "bad", *arguments))
    assert sorted(saved(root, "x").parent.iterdir()) == before


@pytest.mark.parametrize("name", ["Bad", "../bad", "a b", "-x"])
def test_a_probe_needs_a_name_that_can_be_a_file(mi: Mi, root: Path, name: str) -> None:
    assert "probe name is" in refusal(mi("probe", "new", "--kind", "core.full_grid", "--", FAMILY, name))


def test_a_probe_is_not_overwritten(mi: Mi, root: Path) -> None:
    before = saved(root, "full").read_bytes()
    assert "has a probe 'full' already" in refusal(
        mi("probe", "new", FAMILY, "full", "--kind", "core.full_grid")
    )
    assert saved(root, "full").read_bytes() == before


def test_show_tells_rows_axes_masks_and_digest(mi: Mi) -> None:
    text = mi("probe", "show", FAMILY, "full", "--rows", "3").out
    assert "rows:      49 (the complete grid)" in text
    assert "axes:      x (7: 0 … 6), y (7: 0 … 6)" in text
    assert len(text.splitlines()) == text.splitlines().index("") + 5
    row = json.loads(mi("probe", "show", FAMILY, "full", "--rows", "2", "--json").out)[0]
    assert row["rows"] == 49
    assert row["head"][1] == {
        "row": 1, "x": 0, "y": 1, "tokens": [0, 1], "label": 1, "train": False, "test": True
    }  # fmt: skip
    assert sum(row["masks"].values()) == 49
    assert len(row["digest"]) == 32


def test_show_for_a_variant_uses_its_parameters(mi: Mi, root: Path) -> None:
    from mi.domain.workspace import Workspace

    workspace = Workspace.open(root)
    workspace.declare(workspace.family(FAMILY), {"size": 9}).save_config()
    row = json.loads(mi("probe", "show", FAMILY, "full", "--variant", "n9_seed0", "--json").out)[0]
    assert row["rows"] == 81
    assert row["parameters"]["size"] == 9
    assert "did you mean n9_seed0?" in refusal(mi("probe", "show", FAMILY, "full", "--variant", "n9_seed"))


def test_prompts_show_their_text(mi: Mi) -> None:
    text = mi("probe", "show", FAMILY, "words").out
    assert "one two" in text
    assert "axes:      none" in text
    assert "masks:     none" in text


def test_validate_builds_for_every_variant(mi: Mi, root: Path) -> None:
    from mi.domain.workspace import Workspace

    workspace = Workspace.open(root)
    workspace.declare(workspace.family(FAMILY), {"size": 5}).save_config()
    assert mi("probe", "new", FAMILY, "far", "--kind", "core.filter", "--set", "where=x == 6").code == 0
    ran = mi("probe", "validate", FAMILY, "far")
    assert ran.code == 2
    assert ran.out.splitlines() == [f"ok      {FAMILY} with default parameters: 7 rows"]
    assert ran.err.splitlines() == [f"mi: {FAMILY}/n5_seed0: probe 'far' of family {FAMILY} chooses no row"]
    assert (
        mi("probe", "validate", FAMILY, "full").out.splitlines()[1] == f"ok      {FAMILY}/n5_seed0: 25 rows"
    )


def test_a_malformed_probe_file_names_file_and_field(mi: Mi, root: Path) -> None:
    path = saved(root, "bad")
    for content, expected in (
        (
            '{"schema": 1, "kind": "core.full_grid", "option": {}}',
            "option is {}, expected the field 'options'",
        ),
        ('{"schema": 1, "kind": 4}', "kind is 4, expected a probe kind's id"),
        ('{"schema": 2, "kind": "core.full_grid"}', "schema is 2, expected 1"),
        (
            '{"schema": 1, "kind": "core.sample", "options": {"rows": 0}}',
            "options: option rows of probe kind",
        ),
        ('{"schema": 1', "line 1"),
    ):
        path.write_text(content)
        sentence = refusal(mi("probe", "show", FAMILY, "bad"))
        assert sentence.startswith(f"{path}: ")
        assert expected in sentence
        rows = {row["id"]: row for row in json.loads(mi("probes", "--json").out)}
        assert rows["bad"]["state"] == "failed"
        assert rows["full"]["state"] == "ok"


def test_unknown_families_and_probes_name_the_nearest(mi: Mi) -> None:
    assert f"unknown family 'sample_sum': did you mean {FAMILY}?" in refusal(mi("probes", "sample_sum"))
    assert "unknown probe of family sample_sums 'ful': did you mean full?" in refusal(
        mi("probe", "show", FAMILY, "ful")
    )
