"""Commit records as readers see them while a writer merges and drops them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mi.store import commits as records
from mi.store.commits import Commits


def test_records_that_are_merged_while_they_are_read_hide_no_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(tmp_path / "probe" / "one")
    for block in range(3):
        commits.add(block, {block: f"f{block}"}, {}, {block: {"x": 1}})
    load, merged = records._load, []

    def loaded(path: Path) -> Any:
        data = load(path)
        if not merged:  # the writer's turn, between the reader's first record and its second
            merged.append(True)
            commits.merge()
        return data

    for read in (commits.read, commits.nonfinite):
        monkeypatch.setattr(records, "_load", loaded)
        assert list(read()) == [0, 1, 2]
        assert len(commits.files()) == 1
        monkeypatch.undo()
        merged.clear()
        for block in range(3):
            commits.add(block, {block: f"f{block}"}, {}, {block: {"x": 1}})


def test_a_whole_that_is_dropped_is_absent_and_never_damaged(tmp_path: Path) -> None:
    commits = Commits(tmp_path / "probe" / "one")
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(commits.whole())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(200):
            commits.add_whole("f", {})
            commits.drop()
    finally:
        stop.set()
        reader.join()
    assert seen <= {"f", None}
