"""Listings say what is there; their JSON has the keys that the docs promise."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sample_plugin import FAMILY, Mi, Ran, run

from mi.cli.common import print_listing

DOCS = Path(__file__).parents[2] / "docs" / "cli-json.md"
VARIANT = "n7_seed0"


@pytest.fixture
def on(trained: Path) -> Mi:
    """The command on the trained workspace."""
    return lambda *arguments: run("-w", str(trained), *arguments)


def objects(ran: Ran) -> list[dict[str, Any]]:
    assert ran.code == 0, ran.err
    rows = json.loads(ran.out)
    assert isinstance(rows, list)
    assert all(isinstance(row, dict) for row in rows)
    return rows


def documented() -> dict[str, set[str]]:
    """Heading -> keys that docs/cli-json.md promises."""
    found = {}
    for section in DOCS.read_text().split("\n## ")[1:]:
        heading = section.splitlines()[0].strip("`")
        first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        found[heading] = {key for cell in first for key in re.findall(r"`(\w+)`", cell)}
    found["mi show VARIANT --json"] |= found["mi variants --json"]
    return found


@pytest.mark.parametrize("heading", sorted(documented()))
def test_json_has_the_keys_that_the_docs_promise(on: Mi, trained: Path, heading: str) -> None:
    (trained / "local_plugins").mkdir(exist_ok=True)
    (trained / "local_plugins" / "mine.py").write_text("")
    if heading.startswith("mi cache"):
        kept = on("analyze", VARIANT, "--keep", "unembed.hook_out@-1", "--threads", "1")
        assert kept.code == 0, kept.err
    command = heading.replace("VARIANT", VARIANT).replace("FAMILY", FAMILY).replace("NAME", "full")
    rows = objects(on(*command.split()[1:]))
    assert rows
    for row in rows:
        assert set(row) == documented()[heading]


def test_variants_have_a_state_and_their_parameters(on: Mi) -> None:
    rows = objects(on("variants", "--json"))
    assert [(r["id"], r["state"], r["checkpoints"], r["last_epoch"]) for r in rows] == [
        (f"{FAMILY}/{VARIANT}", "analyzed", 5, 40)
    ]
    assert rows[0]["parameters"] == {"size": 7, "seed": 0, "decay": 0.0}
    assert f"{FAMILY}/{VARIANT}" in on("variants", FAMILY).out


def test_a_variant_is_declared_then_trained_then_analyzed(on: Mi, trained: Path) -> None:
    commits = trained / "results" / FAMILY / VARIANT / "commits" / "full"

    def state() -> str:
        return str(objects(on("variants", "--json"))[0]["state"])

    (commits / "sample.curve" / "whole.json").unlink()
    assert state() == "trained"
    assert on("analyze", VARIANT).code == 0
    assert state() == "analyzed"
    (trained / "results" / FAMILY / VARIANT / "metadata.json").unlink()
    assert state() == "declared"


def test_an_unreadable_variant_is_said_and_hides_no_other(on: Mi, trained: Path) -> None:
    bad = trained / "results" / FAMILY / "bad"
    bad.mkdir()
    (bad / "config.json").write_text("{")
    ran = on("variants", "--json")
    assert [row["name"] for row in objects(ran)] == [VARIANT]
    assert f"{bad / 'config.json'}: file is" in ran.err
    (bad / "config.json").unlink()
    (trained / "results" / FAMILY / VARIANT / "metadata.json").write_text('{"schema": 7}')
    rows = objects(on("variants", "--json"))
    assert rows[0]["state"] == "damaged"
    assert "schema is 7, expected 1" in rows[0]["error"]


def test_without_variants_or_probes_a_sentence_says_what_to_do(mi: Mi) -> None:
    assert "`mi train`" in mi("variants").out
    assert objects(mi("variants", "--json")) == []


def test_checkpoints_are_numbered_from_the_initialization_with_their_losses(on: Mi, trained: Path) -> None:
    import xarray as xr

    rows = objects(on("checkpoints", VARIANT, "--json"))
    assert [(r["index"], r["epoch"]) for r in rows] == [(0, 0), (1, 10), (2, 20), (3, 30), (4, 40)]
    losses = xr.open_zarr(trained / "results" / FAMILY / VARIANT / "losses.zarr")
    for row in rows:
        assert row["state"] is True
        assert row["metrics"] == {
            name: float(losses[name].sel(epoch=row["epoch"]))
            for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
        }
    lines = on("checkpoints", VARIANT).out.splitlines()
    assert lines[0].split("  ")[:2] == ["index", "epoch"]
    assert len(lines) == 6


def test_show_says_parameters_losses_artifacts_and_disk(on: Mi, trained: Path) -> None:
    row = objects(on("show", VARIANT, "--json"))[0]
    folder = trained / "results" / FAMILY / VARIANT
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert row["files"] == len(files)
    assert row["bytes"] == sum(p.stat().st_size for p in files)
    assert row["final"]["test_loss"]["epoch"] == 40
    assert row["artifacts"] == [
        {"probe": "full", "analyzer": "sample.answers", "epochs": 5, "nonfinite": [], "error": ""},
        {"probe": "full", "analyzer": "sample.curve", "epochs": None, "nonfinite": [], "error": ""},
    ]
    text = on("show", f"{FAMILY}/{VARIANT}").out
    for said in (
        "state:       analyzed",
        "size = 7",
        "train_loss",
        "sample.answers  5 of 5",
        "over all epochs",
    ):
        assert said in text
    assert "5, epochs 0 to 40, 5 of them with their training state" in text


def test_show_of_a_variant_that_was_only_declared(mi: Mi, root: Path) -> None:
    from mi.domain.workspace import Workspace

    workspace = Workspace.open(root)
    workspace.declare(workspace.family(FAMILY), {}).save_config()
    text = mi("show", VARIANT).out
    assert "checkpoints: none yet" in text
    assert f"`mi analyze {VARIANT}`" in text
    assert "`mi train` makes them" in mi("checkpoints", VARIANT).out


def test_a_damaged_commit_record_is_named_in_show(on: Mi, trained: Path) -> None:
    record = next((trained / "results" / FAMILY / VARIANT / "commits/full/sample.answers").glob("*.json"))
    record.write_text("{")
    row = objects(on("show", VARIANT, "--json"))[0]
    assert row["state"] == "trained"
    assert str(record) in row["artifacts"][0]["error"]


def test_what_json_does_not_know_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing([{"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": None}}], {}, True, "")
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [
        {"a": None, "b": [None, 1.5], "c": {"d": None}}
    ]


def test_tables_in_a_pipe_are_not_wrapped(mi: Mi) -> None:
    long = "a-probe-with-a-name-that-is-about-as-long-as-names-may-be-here"
    settings = ["--set", "where=x < 3", "--set", "where=(x + y) % 2 == 0", "--title", "t" * 150]
    assert mi("probe", "new", FAMILY, long, "--kind", "core.filter", *settings).code == 0
    line = next(line for line in mi("probes").out.splitlines() if line.startswith(long))
    assert "t" * 150 in line
    assert "where=x < 3, (x + y) % 2 == 0" in line


@pytest.mark.parametrize(
    "arguments",
    [
        (FAMILY,),
        ("n7_*",),
        (f"{FAMILY}/n7_*", "--where", "seed<5"),
        ("--where", "state=trained,analyzed", "--where", "last_epoch>0"),
        (VARIANT, "--where", "checkpoints>1"),
    ],
)
def test_variants_are_chosen_by_name_and_condition(on: Mi, arguments: tuple[str, ...]) -> None:
    rows = objects(on("variants", *arguments, "--json"))
    assert [row["name"] for row in rows] == [VARIANT]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("variants", "n9_*"), "no variant fits 'n9_*'; there are 1 (see `mi variants`)"),
        (("variants", "n7_sed0"), "unknown family or variant 'n7_sed0': did you mean n7_seed0"),
        (("variants", "--where", "seed>5"), "1 variant does not have seed>5 (see `mi variants`)"),
        (("verify", "--where", "state=trained"), "1 variant does not have state=trained"),
        (("pack", "n9_*"), "no variant fits 'n9_*'"),
        (("clean", "--all", "--where", "sed=1"), "'sed': did you mean seed"),
        (("analyze", "n7_*", "--where", "seed"), "--where 'seed': expected NAME OP VALUE"),
    ],
)
def test_what_no_variant_matches_is_one_sentence(on: Mi, arguments: tuple[str, ...], sentence: str) -> None:
    ran = on(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert sentence in ran.err


def test_a_variant_whose_results_are_stale_is_not_called_analyzed(on: Mi, trained: Path) -> None:
    (row,) = objects(on("variants", "--json"))
    assert row["state"] == "analyzed"
    checkpoints = trained / "results" / FAMILY / VARIANT / "checkpoints"
    first, second = sorted(checkpoints.iterdir())[:2]
    second.write_bytes(first.read_bytes())
    (row,) = objects(on("variants", "--json"))
    assert row["state"] == "stale"
    assert on("analyze", VARIANT, "--threads", "1").code == 0
    assert objects(on("variants", "--json"))[0]["state"] == "analyzed"
