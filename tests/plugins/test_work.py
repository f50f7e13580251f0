"""Analyzers that misbehave, through `mi analyze`: each is named, and the others' results stand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from plugins.work import write_work
from sample_plugin import FAMILY, Ran, run, sample_site, trained, trained_once

from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

__all__ = ["sample_site", "trained", "trained_once"]

NAMES = ("absent", "after_absent", "base", "exits", "fails_at_20", "fine", "lines", "shape", "undeclared")
EPOCHS = [0, 10, 20, 30, 40]
BY = "analyzer work.{0} of plugin work (mi-work 2.0)"


@pytest.fixture
def analyzed(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """`mi analyze` where family.json lists every one of them."""
    monkeypatch.syspath_prepend(write_work(tmp_path / "site"))
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,work")
    file = trained / "model_families" / FAMILY / "family.json"
    declared = json.loads(file.read_text())
    declared["analyzers"] += [{"id": f"work.{name}"} for name in NAMES]
    file.write_text(json.dumps(declared))
    yield run("-w", str(trained), "analyze", "n7_seed0")
    for name in [n for n in sys.modules if n.startswith("mi_work_")]:
        del sys.modules[name]


def test_each_failure_is_one_line_that_names_analyzer_plugin_and_epoch(analyzed: Ran, trained: Path) -> None:
    assert analyzed.code == 2
    said = [line for line in analyzed.err.splitlines() if line.startswith("mi: ")]
    ours = {re.sub(r"line \d+", "line N", line.removeprefix("mi: n7_seed0: ")) for line in said}
    file, place = f"model_families/{FAMILY}/family.json: ", "(mi_work_functions.py, line N)"
    once = {
        f"{file}{BY.format('absent')}: cannot load 'mi_work_absent:f': ModuleNotFoundError: No module named "
        "'nowhere_to_be_found'",
        f"{file}{BY.format('after_absent')}: skipped, because work.absent is broken",
        f"{BY.format('fails_at_20')} at epoch 20: raised ZeroDivisionError: at 20 {place}",
    }
    everywhere = {
        BY.format("undeclared"): "returned undeclared output 'more'",
        BY.format("shape"): "output 'value' has shape (2,), expected () ()",
        BY.format("base"): f"raised Evil: no Exception at all {place}",
        BY.format("exits"): f"raised SystemExit: 7 {place}",
        BY.format("lines"): rf"raised ValueError: one two\x1b[31m<b>three</b> {place}",
    }
    folded = {
        f"{who} at {len(EPOCHS)} checkpoints (first: epoch 0): {why}" for who, why in everywhere.items()
    }
    assert ours == once | folded
    assert len(said) == len(ours)
    log = json.loads((trained / "results" / FAMILY / "n7_seed0" / "log.jsonl").read_text().splitlines()[-1])
    each = {f"{who} at epoch {epoch}: {why}" for who, why in everywhere.items() for epoch in EPOCHS}
    assert {re.sub(r"line \d+", "line N", message) for message in log["failures"]} == once | each


def test_the_results_of_the_others_stand(analyzed: Ran, trained: Path) -> None:
    reader = ArtifactReader(VariantPaths(trained / "results" / FAMILY / "n7_seed0"))
    committed = {name: list(reader.committed("full", f"work.{name}")) for name in NAMES}
    whole = {"fine": EPOCHS, "fails_at_20": [0, 10, 30, 40]}
    assert committed == {name: whole.get(name, []) for name in NAMES}
    assert list(reader.committed("full", "sample.answers")) == EPOCHS
    assert "0 forward passes" in analyzed.out
