"""`mi init` and `mi families`: nothing that exists is touched, nothing is left half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sample_plugin import FAMILY, Mi, refusal, run


def listing(out: str) -> list[dict[str, Any]]:
    data = json.loads(out)
    assert isinstance(data, list)
    return data


def edit(root: Path, **changes: Any) -> Path:
    path = root / "model_families" / FAMILY / "family.json"
    data = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not ...}))
    return path


def test_init_makes_a_workspace_and_a_second_time_touches_nothing(tmp_path: Path, sample_site: Path) -> None:
    folder = tmp_path / "new" / "place"
    assert "made" in run("init", str(folder)).out
    made = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert made == {"model_families/README.md", "results/README.md", "results/.gitignore"}
    (folder / "results" / "README.md").write_text("mine")
    (folder / "model_families" / "README.md").unlink()
    assert run("init", str(folder)).code == 0
    assert (folder / "results" / "README.md").read_text() == "mine"
    assert (folder / "model_families" / "README.md").exists()


def test_init_in_a_file_is_refused(tmp_path: Path, sample_site: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal(run("init", str(tmp_path / "file")))


def test_a_shipped_family_is_available_until_it_is_added(tmp_path: Path, sample_site: Path) -> None:
    run("init", str(tmp_path))
    before = listing(run("-w", str(tmp_path), "families", "--json").out)
    assert [(row["id"], row["state"]) for row in before] == [(FAMILY, "available")]
    run("-w", str(tmp_path), "families", "add", FAMILY)
    after = listing(run("-w", str(tmp_path), "families", "--json").out)
    assert [(row["id"], row["state"]) for row in after] == [(FAMILY, "declared")]
    assert after[0]["parameters"]["size"] == {
        "type": "int",
        "default": 7,
        "minimum": 3,
        "maximum": 31,
        "choices": [],
        "description": "",
    }
    assert after[0]["probes"] == ["full", "words"]
    copied = tmp_path / "model_families" / FAMILY
    assert sorted(p.relative_to(copied).as_posix() for p in copied.rglob("*.json")) == [
        "family.json",
        "probes/full.json",
        "probes/words.json",
        "reports/default.json",
    ]


def test_adding_twice_is_refused_and_keeps_the_users_copy(mi: Mi, root: Path) -> None:
    path = edit(root, title="Mine")
    assert "exists already" in refusal(mi("families", "add", FAMILY))
    assert json.loads(path.read_text())["title"] == "Mine"
    assert [p.name for p in path.parent.parent.iterdir() if p.name.startswith(".")] == []


def test_adding_what_no_plugin_ships_names_the_nearest(mi: Mi) -> None:
    assert f"did you mean {FAMILY}?" in refusal(mi("families", "add", "sample_sum"))


def test_a_family_like_another_has_its_own_name_and_validates(mi: Mi, root: Path) -> None:
    assert mi("families", "new", "mine", "--like", FAMILY).code == 0
    data = json.loads((root / "model_families" / "mine" / "family.json").read_text())
    original = json.loads((root / "model_families" / FAMILY / "family.json").read_text())
    assert data == {**original, "name": "mine"}
    assert list(data) == list(original)
    ran = mi("families", "validate", "mine")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "ok      model_families/mine/family.json",
        "ok      model_families/mine/probes/full.json",
        "ok      model_families/mine/probes/words.json",
        "ok      model_families/mine/reports/default.json",
    ]


@pytest.mark.parametrize("name", ["Mine", "../mine", "a..b", "", ".hidden", "x" * 65])
def test_a_family_needs_a_name_that_can_be_a_folder(mi: Mi, root: Path, name: str) -> None:
    before = sorted(p.name for p in (root / "model_families").iterdir())
    assert "family name is" in refusal(mi("families", "new", "--like", FAMILY, "--", name))
    assert sorted(p.name for p in (root / "model_families").iterdir()) == before


def test_a_copy_of_a_malformed_family_is_refused_and_leaves_nothing(mi: Mi, root: Path) -> None:
    edit(root, code=3)
    sentence = refusal(mi("families", "new", "mine", "--like", FAMILY))
    assert "family.json: code is 3" in sentence
    assert sorted(p.name for p in (root / "model_families").iterdir()) == ["README.md", FAMILY]


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "schema": ({"schema": 2}, "schema is 2, expected 1"),
    "no name": ({"name": ...}, "name is 'missing', expected a name"),
    "name of another folder": ({"name": "other"}, f"name is 'other', expected the folder's name, '{FAMILY}'"),
    "unknown field": ({"analysers": []}, "analysers is [], expected the field 'analyzers'"),
    "wrong type": ({"title": 5}, "title is 5, expected a string"),
    "code is no id": ({"code": "sums"}, "code is 'sums', expected an id such as 'plugin.name'"),
    "pattern without a placeholder": ({"variant": "n"}, "variant is 'n', expected a pattern such as"),
    "pattern with an unknown parameter": (
        {"variant": "n{sise}"},
        "variant is 'n{sise}', expected placeholders among size, seed, decay",
    ),
    "pattern that leaves the folder": (
        {"variant": "../n{size}"},
        "variant is '../n{size}', expected a pattern",
    ),
    "pattern that runs values together": ({"variant": "n{size}{seed}"}, "what follows a placeholder begins"),
    "pattern that is unbalanced": ({"variant": "n{size"}, "variant is 'n{size', expected a pattern"),
    "parameters are a list": ({"parameters": []}, "parameters is [], expected an object"),
    "parameter of no type": (
        {"parameters": {"size": {"type": "integer", "default": 7}}},
        "parameters.size.type is 'integer', expected one of int, float, bool, str",
    ),
    "parameter without default": (
        {"parameters": {"size": {"type": "int"}}},
        "parameters.size.default is 'missing', expected a default value",
    ),
    "default outside bounds": (
        {"parameters": {"size": {"type": "int", "default": 1, "minimum": 3}}},
        "parameters.size.default: default is 1, expected a whole number of at least 3",
    ),
    "default of the wrong type": (
        {"parameters": {"size": {"type": "int", "default": "7"}}},
        "parameters.size.default: default is '7', expected a whole number",
    ),
    "choice that cannot stand in a name": (
        {"parameters": {"norm": {"type": "str", "default": "ln", "choices": ["ln", "LN"]}}},
        "parameters.norm.choices[1]: choices[1] is 'LN', expected lower-case letters and digits",
    ),
    "unknown field of a parameter": (
        {"parameters": {"size": {"type": "int", "default": 7, "min": 3}}},
        "parameters.size.min is 3, expected",
    ),
    "analyzer without id": ({"analyzers": [{}]}, "analyzers[0].id is 'missing'"),
    "analyzer is a string": ({"analyzers": ["sample.answers"]}, "analyzers[0] is 'sample.answers'"),
    "analyzer twice": (
        {"analyzers": [{"id": "sample.answers"}, {"id": "sample.answers"}]},
        "analyzers[1].id is 'sample.answers', expected each id once",
    ),
    "schedule": (
        {"training": {"epochs": 20, "checkpoints": "0:10:x"}},
        "training.checkpoints: epochs '0:10:x': expected an epoch or START:STOP:STEP",
    ),
    "negative epochs": ({"training": {"epochs": -1}}, "training.epochs is -1, expected a whole number"),
    "probe kind is no id": ({"probes": {"kinds": ["full"]}}, "probes.kinds[0] is 'full', expected an id"),
}


@pytest.mark.parametrize("changes, expected", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_family_is_refused_with_file_field_value_and_expectation(
    mi: Mi, root: Path, changes: dict[str, Any], expected: str
) -> None:
    path = edit(root, **changes)
    sentence = refusal(mi("probes", FAMILY))
    assert sentence.startswith(f"{path}: ")
    assert expected in sentence


@pytest.mark.parametrize(
    "content, expected",
    [
        ('{"schema": 1,', "Expecting property name enclosed in double quotes at line 1, column 14"),
        ("[]", "file is 'list', expected a JSON object"),
        ('{"schema": NaN}', "NaN is no JSON"),
        ('{"schema": 1, "schema": 1}', "the key 'schema' is given twice"),
        ("[" * 100_000, "expected valid JSON in UTF-8"),
    ],
)
def test_a_file_that_is_no_json_is_refused(mi: Mi, root: Path, content: str, expected: str) -> None:
    path = root / "model_families" / FAMILY / "family.json"
    path.write_text(content)
    sentence = refusal(mi("probes", FAMILY))
    assert sentence.startswith(f"{path}: file is ")
    assert expected in sentence


def test_a_malformed_family_hides_no_other(mi: Mi, root: Path) -> None:
    mi("families", "new", "good", "--like", FAMILY)
    edit(root, schema=9)
    rows = {row["id"]: row for row in listing(mi("families", "--json").out)}
    assert rows["good"]["state"] == "declared"
    assert rows[FAMILY]["state"] == "malformed"
    assert "schema is 9" in rows[FAMILY]["error"]
    assert "schema is 9" in mi("families").out


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "code": (
        {"code": "sample.sum"},
        "code: unknown code of family sample_sums 'sample.sum': did you mean sample.sums?",
    ),
    "code refuses the defaults": (
        {"parameters": {n: {"type": "int", "default": 4} for n in ("size", "seed")}},
        "code: size is 4, expected an odd number",
    ),
    "analyzer": (
        {"analyzers": [{"id": "sample.answer"}], "visualizations": []},
        "analyzers[0].id is 'sample.answer', expected an analyzer that a plugin offers: sample.answers",
    ),
    "needs": (
        {"analyzers": [{"id": "sample.curve"}], "visualizations": []},
        "analyzers[0].id is 'sample.curve', expected an analyzer whose needs are listed too: "
        "it reads sample.answers",
    ),
    "option": (
        {"analyzers": [{"id": "sample.answers", "options": {"scale": -1}}]},
        "analyzers[0].options: option scale of sample.answers is -1, expected a number of at least 0",
    ),
    "unknown option": (
        {"analyzers": [{"id": "sample.answers", "options": {"scala": 1}}]},
        "analyzers[0].options: unknown option of sample.answers 'scala': did you mean scale?",
    ),
    "visualization": (
        {"visualizations": [{"id": "sample.wrong"}]},
        "visualizations[0].id is 'sample.wrong', expected a visualization that a plugin offers",
    ),
    "visualization of what is not analyzed": (
        {"analyzers": []},
        "visualizations[0].id is 'sample.right', expected a visualization of listed analyzers",
    ),
    "probe kind": (
        {"probes": {"kinds": ["core.full_grid", "core.prompts", "core.grid"], "default": "full"}},
        "probes.kinds[2] is 'core.grid', expected a probe kind that a plugin offers: core.full_grid",
    ),
    "default probe": (
        {"probes": {"kinds": ["core.full_grid", "core.prompts"], "default": "all"}},
        "probes.default is 'all', expected one of the saved probes: full, words",
    ),
}


@pytest.mark.parametrize("changes, expected", INVALID.values(), ids=INVALID)
def test_validate_finds_what_plugins_do_not_keep(
    mi: Mi, root: Path, changes: dict[str, Any], expected: str
) -> None:
    path = edit(root, **changes)
    ran = mi("families", "validate")
    assert ran.code == 2
    failed = [line for line in ran.out.splitlines() if line.startswith("failed")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed  {path}: {expected}")
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.parametrize(
    "file, content, expected",
    [
        (
            "probes/bad.json",
            {"schema": 1, "kind": "core.filter", "options": {"where": ["x <"]}},
            "not an expression",
        ),
        (
            "probes/bad.json",
            {"schema": 1, "kind": "core.filter", "options": {"where": "x"}},
            "a list of strings",
        ),
        ("probes/bad.json", {"schema": 1, "kind": "core.grid"}, "does not allow probes of kind 'core.grid'"),
        ("reports/bad.json", {"schema": 1, "panels": [{"visualization": "sample.r"}]}, "did_not"),
        ("reports/bad.json", {"schema": 1, "probe": "none", "panels": []}, "probe is 'none'"),
        (
            "reports/bad.json",
            {"schema": 1, "panels": [{"visualization": "sample.right", "width": 13}]},
            "width is 13",
        ),
        (
            "reports/bad.json",
            {"schema": 1, "panels": [{"visualization": "sample.right", "options": {"sign": 2}}]},
            "panels[0].options: option sign of sample.right is 2, expected one of 1, -1",
        ),
    ],
)
def test_validate_judges_each_probe_and_report(
    mi: Mi, root: Path, file: str, content: dict[str, Any], expected: str
) -> None:
    expected = expected.replace("did_not", "panels[0].visualization is 'sample.r', expected a visualization")
    path = root / "model_families" / FAMILY / file
    path.write_text(json.dumps(content))
    ran = mi("families", "validate", FAMILY, "--json")
    assert ran.code == 2
    failed = [row for row in listing(ran.out) if row["state"] == "failed"]
    assert [row["file"] for row in failed] == [f"model_families/{FAMILY}/{file}"]
    assert failed[0]["error"].startswith(str(path))
    assert expected in failed[0]["error"]


def test_validating_an_unknown_family_names_the_nearest(mi: Mi) -> None:
    assert f"did you mean {FAMILY}?" in refusal(mi("families", "validate", "sample"))


PLUGIN = """from mi import Field, Visualization, hookimpl

@hookimpl
def visualize(family):
    fields = {"note": Field("text")}
    return [Visualization(id="reader.note", title="N", fields=fields, frame=str, reads=("READS",))]
"""


@pytest.mark.parametrize(
    "reads, other, expected",
    [
        (
            "sample.answer",
            "",
            "'sample.answer', an analyzer that no plugin offers to family sample_sums "
            "(did you mean sample.answers?)",
        ),
        ("broken.gone", "1 / 0", "failed in import: ZeroDivisionError: division by zero"),
    ],
)
def test_validate_finds_an_analyzer_that_is_read_and_not_offered(
    mi: Mi, root: Path, monkeypatch: pytest.MonkeyPatch, reads: str, other: str, expected: str
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,reader,broken")
    monkeypatch.setenv("MI_TRUST", "1")
    folder = root / "local_plugins"
    folder.mkdir(exist_ok=True)
    (folder / "reader.py").write_text(PLUGIN.replace("READS", reads))
    (folder / "broken.py").write_text(other)
    edit(root, visualizations=[{"id": "reader.note"}])
    report = {"schema": 1, "panels": [{"visualization": "reader.note"}]}
    (root / "model_families" / FAMILY / "reports" / "more.json").write_text(json.dumps(report))
    ran = mi("families", "validate", FAMILY, "--json")
    assert ran.code == 2
    said = {Path(row["file"]).name: row["error"] for row in listing(ran.out) if row["state"] == "failed"}
    assert said.keys() == {"family.json", "more.json"}
    for sentence in said.values():
        assert "visualization reader.note of plugin reader" in sentence
        assert f"reads {reads!r}" in sentence
        assert expected in sentence
    assert "visualizations[0].id: " in said["family.json"]
    assert "panels[0].visualization: " in said["more.json"]
