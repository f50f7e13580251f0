"""What an analysis was planned with is changed under its hands: never stored as what it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from unbroken.bench import NAME, checkpoint, findings, visible, workspace
from unbroken.warm import SITES

from mi.domain.workspace import Variant, Workspace
from mi.engine.analyze import AnalysisSummary, analyze
from mi.errors import PlanError
from mi.store.layout import VariantPaths

EPOCHS = range(0, 70, 10)


class At:
    """Does something once a checkpoint is done."""

    def __init__(self, epoch: int, act: Callable[[], None]) -> None:
        self.epoch, self.act = epoch, act

    def start(self, variant: str, checkpoints: int) -> None:
        pass

    def checkpoint(self, variant: str, epoch: int) -> None:
        if epoch == self.epoch:
            self.act()


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Variant]:
    """The variant of the workspace, opened anew."""
    for site in SITES:
        monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "tiny")
    workspace(tmp_path, EPOCHS)
    return lambda: Workspace.open(tmp_path).variant(f"tiny/{NAME}")


def _run(variant: Variant, epoch: int, act: Callable[[], None]) -> AnalysisSummary:
    return analyze([variant], progress=At(epoch, act))


@pytest.mark.parametrize("how", ["renamed", "overwritten", "cut", "gone"])
def test_a_checkpoint_changed_after_planning_is_named_and_left_out(
    opened: Callable[[], Variant], tmp_path: Path, how: str
) -> None:
    variant = opened()
    paths = VariantPaths(variant.folder)
    file = paths.checkpoint(40)

    def change() -> None:
        if how == "renamed":
            checkpoint(paths, 40, seed=1)
        elif how == "overwritten":  # the same file, while it may be in use
            checkpoint(paths, 41, seed=1)
            file.write_bytes(paths.checkpoint(41).read_bytes())
            paths.checkpoint(41).unlink()
        elif how == "cut":
            file.write_bytes(file.read_bytes()[:-20])
        else:
            file.unlink()

    summary = _run(variant, 10, change)
    (failure,) = [f for f in summary.failures if f.epoch is not None]
    assert failure.epoch == 40
    said = "no such checkpoint" if how == "gone" else "was replaced while it was being analyzed"
    assert said in failure.message
    held = visible(paths)
    assert {e for id, e in held if id == "tiny.means"} == {*EPOCHS} - {40}
    if how == "cut":
        checkpoint(paths, 40, seed=1)
    elif how == "gone":
        checkpoint(paths, 40)
    assert analyze([opened()]).failures == []
    other = workspace(tmp_path / "other", EPOCHS)
    other.checkpoint(40).write_bytes(file.read_bytes())
    assert analyze([Workspace.open(tmp_path / "other").variant(f"tiny/{NAME}")]).failures == []
    assert visible(paths) == visible(other)
    assert findings(paths) == []


def test_a_reference_changed_after_planning_costs_what_compares_with_it_alone(
    opened: Callable[[], Variant],
) -> None:
    variant = opened()
    paths = VariantPaths(variant.folder)
    checkpoint(paths, 60, seed=1)
    start = paths.checkpoint(60).read_bytes()

    class Start(At):
        def start(self, variant: str, checkpoints: int) -> None:
            self.act()

    summary = analyze([variant], progress=Start(-1, lambda: checkpoint(paths, 60, seed=2)))
    assert "was replaced while it was being analyzed" in summary.failures[0].message
    held = visible(paths)
    assert {e for id, e in held if id == "tiny.means"} == {*EPOCHS} - {60}
    assert not any(id == "tiny.gap" for id, _ in held)
    paths.checkpoint(60).write_bytes(start)
    assert analyze([opened()]).failures == []


def test_a_probe_changed_between_two_blocks_is_said_and_nothing_of_it_is_stored(
    opened: Callable[[], Variant], tmp_path: Path
) -> None:
    epochs = range(0, 700, 10)  # two blocks; the last checkpoint's comes first
    paths = workspace(tmp_path, epochs)
    probe = tmp_path / "model_families" / "tiny" / "probes" / "full.json"

    def change() -> None:
        data = {"schema": 1, "kind": "core.filter", "options": {"where": ["x < 3"]}}
        probe.write_text(json.dumps(data))

    family = tmp_path / "model_families" / "tiny" / "family.json"
    declared = json.loads(family.read_text())
    declared["probes"]["kinds"].append("core.filter")
    family.write_text(json.dumps(declared))
    before = probe.read_bytes()
    variant = opened()
    with pytest.raises(PlanError, match=r"the probe 'full', or what tiny\.\w+ is made with, was changed"):
        _run(variant, 690, change)
    held = visible(paths)
    assert {e for id, e in held if id == "tiny.means"} == {*range(640, 700, 10)}
    probe.write_bytes(before)
    assert analyze([opened()]).failures == []
    assert {e for id, e in visible(paths) if id == "tiny.means"} == {*epochs}
    assert findings(paths) == []
