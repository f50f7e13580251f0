"""The core's probe kinds on a real family, through the plugin host as any plugin's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_plugin import FAMILY

from mi.domain.probe import Probe, ProbeSpec
from mi.domain.workspace import Workspace
from mi.errors import FormatError, MiError, ParameterError, StoreError

SIZE = 7


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace.open(root)


def build(workspace: Workspace, kind: str, size: int = SIZE, **options: Any) -> Probe:
    family = workspace.family(FAMILY)
    spec = workspace.check_probe(family, ProbeSpec(name="p", kind=kind, options=options))
    return workspace.build_probe(family, spec, workspace.declare(family, {"size": size}).code)


def pairs(probe: Probe) -> list[tuple[int, int]]:
    return list(zip(probe.columns["x"].tolist(), probe.columns["y"].tolist(), strict=True))


def write(workspace: Workspace, name: str, text: str) -> Path:
    path = workspace.root / "model_families" / FAMILY / "probes" / name
    path.write_text(text)
    return path


def test_the_full_grid_is_every_row_in_order_and_folds(workspace: Workspace) -> None:
    probe = build(workspace, "core.full_grid")
    assert pairs(probe) == [(x, y) for x in range(SIZE) for y in range(SIZE)]
    assert probe.complete
    assert probe.shape == (SIZE, SIZE)
    assert probe.row_dims == ("x", "y")
    assert probe.fold(probe.labels)[2, 6] == 1
    assert len(build(workspace, "core.full_grid", size=9)) == 81


def test_a_filter_keeps_axes_columns_labels_and_masks_of_its_rows(workspace: Workspace) -> None:
    probe = build(workspace, "core.filter", where=["x < 3", 'split == "test"'])
    full = build(workspace, "core.full_grid")
    kept = np.flatnonzero((full.columns["x"] < 3) & full.masks["test"])
    assert 0 < len(kept) < 21
    assert pairs(probe) == [pairs(full)[i] for i in kept]
    np.testing.assert_array_equal(probe.labels, full.labels[kept])  # type: ignore[index]
    np.testing.assert_array_equal(probe.tokens, full.tokens[kept])
    assert probe.masks["test"].all()
    assert not probe.masks["train"].any()
    assert not probe.complete
    assert probe.row_dims == ("row",)
    assert probe.axes["x"].tolist() == list(range(SIZE))


def test_a_filter_that_leaves_nothing_out_is_the_grid(workspace: Workspace) -> None:
    whole = build(workspace, "core.filter", where=["x >= 0"])
    assert whole.complete
    assert whole.digest == build(workspace, "core.full_grid").digest


def test_a_filter_that_leaves_nothing_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ParameterError, match=f"probe 'p' of family {FAMILY} chooses no row"):
        build(workspace, "core.filter", where=["x > 99"])


def test_a_sample_is_the_same_for_a_seed_and_has_no_row_twice(workspace: Workspace) -> None:
    one = build(workspace, "core.sample", rows=20, seed=5)
    again = build(workspace, "core.sample", rows=20, seed=5)
    other = build(workspace, "core.sample", rows=20, seed=6)
    assert one.digest == again.digest != other.digest
    assert len(set(pairs(one))) == 20
    assert pairs(one) == sorted(pairs(one))


def test_the_draw_of_a_seed_never_changes(workspace: Workspace) -> None:
    # Written down once: a saved probe must mean the same rows under every version of numpy.
    drawn = pairs(build(workspace, "core.sample", rows=4, seed=3))
    assert drawn == [(0, 0), (2, 6), (4, 0), (4, 3)]


def test_a_sample_draws_among_what_its_conditions_leave(workspace: Workspace) -> None:
    probe = build(workspace, "core.sample", rows=10, seed=1, where=["x == 2 or y == 2"])
    assert len(probe) == 10
    assert all(x == 2 or y == 2 for x, y in pairs(probe))
    with pytest.raises(ParameterError, match=r"rows of probe kind core.sample is 14, expected at most 13"):
        build(workspace, "core.sample", rows=14, where=["x == 2 or y == 2"])


def test_every_row_is_drawn_about_equally_often(workspace: Workspace) -> None:
    count = np.zeros((SIZE, SIZE))
    for seed in range(200):
        probe = build(workspace, "core.sample", rows=7, seed=seed)
        np.add.at(count, (probe.columns["x"], probe.columns["y"]), 1)
    # 200 draws of 1 in 7: mean 28.6, standard deviation 5
    assert count.min() > 8
    assert count.max() < 54


def test_rows_of_a_file_keep_its_order_and_ignore_other_columns(workspace: Workspace) -> None:
    write(workspace, "rows.csv", "\ufeffnote, y ,x\nfirst,3,1\n\n'a, b',0, 6\n".replace("'", '"'))
    probe = build(workspace, "core.rows", file="rows.csv")
    assert pairs(probe) == [(1, 3), (6, 0)]
    assert probe.labels is not None
    assert probe.labels.tolist() == [4, 6]
    assert not probe.complete


def test_a_file_that_lists_the_grid_in_order_is_the_grid(workspace: Workspace) -> None:
    lines = [f"{x},{y}" for x in range(SIZE) for y in range(SIZE)]
    write(workspace, "rows.csv", "\n".join(["x,y", *lines]))
    assert build(workspace, "core.rows", file="rows.csv").digest == build(workspace, "core.full_grid").digest
    write(workspace, "rows.csv", "\n".join(["x,y", *reversed(lines)]))
    assert not build(workspace, "core.rows", file="rows.csv").complete


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x,z\n1,2\n", "line 1, column y is 'missing', expected one column for each of x, y"),
        ("x,y,y\n1,2,2\n", "line 1, column y is 'given 2 times'"),
        ("x,y\n1,2\n\n3,7\n", "line 4, column y is '7', expected one of 0, 1, 2, 3, 4, 5, 6"),
        ("x,y\n1,two\n", "line 2, column y is 'two', expected one of 0, 1"),
        ("x,y\n1\n", "line 2 is '1 cells', expected 2, as in line 1"),
        ('x,y\n1,"2\n', "expected comma-separated values"),
        ("", "line 1, column x is 'missing'"),
    ],
)
def test_a_bad_file_is_refused_with_line_column_value_and_expectation(
    workspace: Workspace, text: str, expected: str
) -> None:
    path = write(workspace, "rows.csv", text)
    with pytest.raises(FormatError) as caught:
        build(workspace, "core.rows", file="rows.csv")
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)


def test_a_file_is_inside_the_probes_folder_and_readable(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("x,y\n1,1\n")
    for name in ("../family.json", str(tmp_path / "out.csv"), "../../../../out.csv"):
        with pytest.raises(ParameterError, match="expected a file inside"):
            build(workspace, "core.rows", file=name)
    with pytest.raises(ParameterError, match="is missing, expected a file beside the probe's"):
        build(workspace, "core.rows")
    with pytest.raises(StoreError, match=r"none\.csv: no such file"):
        build(workspace, "core.rows", file="none.csv")
    write(workspace, "bad.csv", "").write_bytes(b"x,y\n\xff,1\n")
    with pytest.raises(FormatError, match="expected text in UTF-8"):
        build(workspace, "core.rows", file="bad.csv")


def test_prompts_are_tokenized_by_the_familys_tokenizer(workspace: Workspace) -> None:
    probe = build(workspace, "core.prompts", prompts=["one two", "six six"])
    assert probe.tokens.tolist() == [[1, 2], [6, 6]]
    assert probe.labels is not None
    assert probe.labels.tolist() == [3, 5]
    assert probe.text == ("one two", "six six")
    assert not probe.complete
    assert dict(probe.axes) == {}
    write(workspace, "prompts.txt", "one two\n\nsix six\n")
    assert build(workspace, "core.prompts", file="prompts.txt").digest == probe.digest


def test_prompts_that_the_tokenizer_does_not_know_or_that_are_missing_are_refused(
    workspace: Workspace,
) -> None:
    with pytest.raises(ParameterError, match="prompt 'one ninety': expected two of zero, one"):
        build(workspace, "core.prompts", prompts=["one two", "one ninety"])
    for options in ({}, {"prompts": ["one two"], "file": "prompts.txt"}):
        with pytest.raises(ParameterError, match="either `prompts` or a `file`"):
            build(workspace, "core.prompts", **options)
    write(workspace, "empty.txt", "\n \n")
    with pytest.raises(FormatError, match=r"empty\.txt: file is 'empty', expected one prompt a line"):
        build(workspace, "core.prompts", file="empty.txt")


def test_a_kind_that_the_family_does_not_allow_is_refused_in_a_sentence(workspace: Workspace) -> None:
    path = workspace.root / "model_families" / FAMILY / "family.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "probes": {"kinds": ["core.full_grid"], "default": "full"}}))
    with pytest.raises(MiError) as caught:
        build(workspace, "core.prompts", prompts=["one two"])
    assert str(caught.value) == (
        f"family {FAMILY} does not allow probes of kind 'core.prompts'; it allows core.full_grid"
    )
    with pytest.raises(FormatError, match=r"words\.json: kind: .*does not allow"):
        workspace.probe_spec(workspace.family(FAMILY), "words")


def test_options_of_a_kind_are_checked(workspace: Workspace) -> None:
    with pytest.raises(
        ParameterError, match=r"unknown option of probe kind core.sample 'row': did you mean rows"
    ):
        build(workspace, "core.sample", row=3)
    with pytest.raises(
        ParameterError, match=r"option rows of probe kind core.sample is 0, expected a whole number of"
    ):
        build(workspace, "core.sample", rows=0)
