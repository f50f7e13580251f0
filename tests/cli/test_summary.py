"""`mi summary`: a row a variant, as a table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from sample_plugin import FAMILY, Mi, run

from mi.domain.workspace import Workspace
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory

VARIANT = "n7_seed0"


@pytest.fixture
def on(trained: Path) -> Mi:
    """The command on the trained workspace, whose variant has a history that groks, beside one without."""
    workspace = Workspace.open(trained)
    [variant] = workspace.variants()
    history = LossHistory(VariantPaths(variant.folder), ("train_accuracy", "test_accuracy", "test_loss"), 400)
    epochs = list(range(401))
    history.record(
        epochs,
        {
            "train_accuracy": [float(e >= 50) for e in epochs],
            "test_accuracy": [float(e >= 300) for e in epochs],
            "test_loss": [1.0 if e < 250 else 0.1 ** ((e - 250) / 10) if e < 300 else 1e-5 for e in epochs],
        },
    )
    history.save()
    workspace.declare(workspace.family(FAMILY), {"size": 11}).save_config()
    return lambda *arguments: run("-w", str(trained), *arguments)


def test_every_variant_has_an_outcome_with_reasons(on: Mi) -> None:
    ran = on("summary", FAMILY, "--json")
    assert ran.code == 0, ran.err
    bare, grokked = sorted(json.loads(ran.out), key=lambda row: row["outcome"] == "grokked")
    assert (grokked["id"], grokked["outcome"]) == (f"{FAMILY}/{VARIANT}", "grokked")
    assert (grokked["memorized_epoch"], grokked["grokked_epoch"]) == (50, 300)
    assert 200 < grokked["onset_epoch"] < grokked["turn_epoch"] < 300
    assert "train accuracy is at least 0.99 from epoch 50" in grokked["reasons"]
    assert (bare["outcome"], bare["state"], bare["grokked_epoch"]) == ("unmeasured", "declared", None)
    assert bare["parameters"]["size"] == 11


def test_thresholds_are_options(on: Mi) -> None:
    [row] = [r for r in json.loads(on("summary", FAMILY, "--accuracy", "0", "--json").out) if r["epochs"]]
    assert (row["memorized_epoch"], row["grokked_epoch"]) == (0, 0)


def test_the_table_and_the_csv_say_the_same(on: Mi) -> None:
    table = on("summary", FAMILY)
    assert table.code == 0, table.err
    line = next(line for line in table.out.splitlines() if line.startswith(VARIANT))
    assert "grokked" in line
    assert " 300 " in line
    ran = on("summary", FAMILY, "--csv")
    assert ran.code == 0, ran.err
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(ran.out))}
    assert len(rows) == 2
    assert rows[VARIANT]["grokked_epoch"] == "300"
    assert rows[VARIANT]["size"] == "7"
    assert float(rows[VARIANT]["test_loss"]) == 1e-5


def test_a_damaged_history_is_named_and_the_others_are_shown(on: Mi, trained: Path) -> None:
    (trained / "results" / FAMILY / VARIANT / "losses.zarr" / "zarr.json").write_text("{")
    ran = on("summary", FAMILY, "--json")
    assert ran.code == 0
    rows = {row["name"]: row for row in json.loads(ran.out)}
    assert rows[VARIANT]["state"] == "damaged"
    assert "losses.zarr" in rows[VARIANT]["error"]
    assert "losses.zarr" in ran.err
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch",), "unknown family"),
        ((FAMILY, "--probe", "ful"), "did you mean full"),
        ((FAMILY, "--csv", "--json"), "--csv and --json exclude each other"),
    ],
)
def test_bad_input_gets_one_sentence(on: Mi, words: tuple[str, ...], said: str) -> None:
    ran = on("summary", *words)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
