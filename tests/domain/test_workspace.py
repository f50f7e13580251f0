"""Where the workspace is, and which variant is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_plugin import FAMILY

from mi.domain.workspace import Variant, Workspace, find_workspace
from mi.errors import FormatError, MiError, ParameterError, StoreError, UnknownNameError


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace.open(root)


def make(workspace: Workspace, family: str = FAMILY, **parameters: object) -> Variant:
    variant = workspace.declare(workspace.family(family), parameters)
    variant.save_config()
    return variant


def folder(path: Path) -> Path:
    (path / "model_families").mkdir(parents=True)
    return path


def test_a_named_workspace_comes_before_the_environment_before_the_folders_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other, above = (folder(tmp_path / name) for name in ("named", "other", "above"))
    deep = above / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_workspace(named, {"MI_WORKSPACE": str(other)}) == named
    assert find_workspace(None, {"MI_WORKSPACE": str(other)}) == other
    assert find_workspace(None, {}) == above
    assert find_workspace(None, {"MI_WORKSPACE": ""}) == above
    folder(deep)
    assert find_workspace(None, {}) == deep


def test_a_wrong_workspace_is_refused_and_none_falls_back_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder(tmp_path / "here"))
    for start, environ in ((tmp_path / "none", {}), (None, {"MI_WORKSPACE": str(tmp_path / "none")})):
        with pytest.raises(StoreError, match="none is no workspace: it holds no model_families/"):
            find_workspace(start, environ)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="no workspace: neither"):
        find_workspace(None, {})


def test_hidden_and_half_made_folders_are_no_families(workspace: Workspace) -> None:
    for name in (".x.partial", "empty"):
        (workspace.root / "model_families" / name).mkdir()
    (workspace.root / "model_families" / ".x.partial" / "family.json").write_text("{}")
    assert workspace.family_names() == [FAMILY]


def test_a_variant_is_found_by_name_by_id_or_by_parameters(workspace: Workspace) -> None:
    first, second = make(workspace, size=7), make(workspace, size=9, decay=0.5)
    assert first.name == "n7_seed0"
    assert second.name == "n9_seed0_wd0.5"
    for found in (
        workspace.variant("n9_seed0_wd0.5"),
        workspace.variant(f"{FAMILY}/n9_seed0_wd0.5"),
        workspace.variant(size=9),
        workspace.variant(family=FAMILY, decay=0.5),
    ):
        assert found.id == second.id
        assert dict(found.parameters) == {"size": 9, "seed": 0, "decay": 0.5}


def test_several_or_no_matches_are_listed(workspace: Workspace) -> None:
    for size in (7, 9):
        make(workspace, size=size)
    with pytest.raises(UnknownNameError) as caught:
        workspace.variant(seed=0)
    assert str(caught.value) == (f"2 variants match seed=0: {FAMILY}/n7_seed0, {FAMILY}/n9_seed0; name one")
    with pytest.raises(UnknownNameError, match=f"no variant matches size=11; known: {FAMILY}/n7_seed0"):
        workspace.variant(family=FAMILY, size=11)
    with pytest.raises(UnknownNameError, match="unknown variant 'n7_seed': did you mean n7_seed0"):
        workspace.variant("n7_seed")
    with pytest.raises(
        ParameterError, match=r"unknown parameter of family sample_sums 'sise': did you mean size"
    ):
        workspace.variant(family=FAMILY, sise=7)
    with pytest.raises(UnknownNameError, match="unknown family 'sample'"):
        workspace.variant("sample/n7_seed0")


def test_the_same_name_in_two_families_must_be_told_apart(workspace: Workspace) -> None:
    from mi.domain.scaffold import new_family

    new_family(workspace, "other", FAMILY)
    make(workspace)
    make(workspace, "other")
    with pytest.raises(
        UnknownNameError, match="2 variants match n7_seed0: other/n7_seed0, sample_sums/n7_seed0"
    ):
        workspace.variant("n7_seed0")
    assert workspace.variant("other/n7_seed0").family.name == "other"


def test_without_variants_the_sentence_says_how_to_make_one(workspace: Workspace) -> None:
    with pytest.raises(UnknownNameError, match="known: none yet"):
        workspace.variant(size=7)


def test_a_damaged_variant_hides_no_other_and_is_named_when_asked_for(workspace: Workspace) -> None:
    good, bad = make(workspace, size=7), make(workspace, size=9)
    path = bad.folder / "config.json"
    path.write_text(json.dumps({"schema": 1, "family": FAMILY, "parameters": {"size": "nine"}}))
    assert [v.id for v in workspace.variants()] == [good.id]
    assert [type(found).__name__ for found in workspace.scan(FAMILY)] == ["Variant", "FormatError"]
    with pytest.raises(FormatError) as caught:
        workspace.variant("n9_seed0")
    assert str(caught.value) == f"{path}: parameters: size is 'nine', expected a whole number from 3 to 31"
    path.unlink()
    with pytest.raises(StoreError, match="no such file"):
        workspace.variant("n9_seed0")


def test_declaring_checks_family_and_code_and_refuses_a_folder_of_other_parameters(
    workspace: Workspace,
) -> None:
    for parameters, expected in (
        ({"size": 8}, "size is 8, expected an odd number"),
        ({"size": 1}, "size is 1, expected a whole number from 3 to 31"),
        ({"sise": 7}, "did you mean size"),
    ):
        with pytest.raises(ParameterError, match=expected):
            workspace.declare(workspace.family(FAMILY), parameters)
    assert list((workspace.root / "results").iterdir()) == [] or not list(
        (workspace.root / "results").glob("*/")
    )
    variant = make(workspace, size=7)
    path = variant.folder / "config.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(StoreError, match="holds a variant with other parameters"):
        workspace.declare(workspace.family(FAMILY), {"size": 7})


def test_unknown_code_says_which_plugin_failed(
    root: Path, sample_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_DISABLE_PLUGINS", "sample")
    workspace = Workspace.open(root)
    with pytest.raises(
        MiError, match=r"plugin sample .* is disabled .* no code of family sample_sums 'sample\.sums'"
    ):
        workspace.declare(workspace.family(FAMILY), {})


def test_reports_start_with_the_default_and_probes_are_sorted(workspace: Workspace) -> None:
    family = workspace.family(FAMILY)
    folder_ = workspace.root / "model_families" / FAMILY
    (folder_ / "reports" / "a.json").write_text('{"schema": 1, "panels": []}')
    (folder_ / "reports" / "Not a slug.json").write_text("{}")
    assert workspace.report_names(family) == ["default", "a"]
    assert workspace.probe_names(family) == ["full", "words"]
    with pytest.raises(
        UnknownNameError, match=r"unknown report of family sample_sums 'defualt': did you mean default"
    ):
        workspace.report(family, "defualt")
    with pytest.raises(
        UnknownNameError, match=r"unknown probe of family sample_sums 'ful': did you mean full"
    ):
        workspace.probe_spec(family, "ful")
