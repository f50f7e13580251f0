"""Clocks that jump: what is fresh is told by content, and nothing by which file is the newer one."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from unbroken.analyses import ANALYZE, VARIANT
from unbroken.bench import checkpoint, findings, visible, workspace
from unbroken.net import order
from unbroken.trainings import SCENARIOS as TRAININGS
from unbroken.trainings import TrainingNet
from unbroken.warm import Server

from mi.store.artifacts import ArtifactReader
from mi.store.losses import open_losses, signature

EPOCHS = range(0, 60, 10)
LONG_AGO, FAR_AHEAD = 1_000_000_000, 4_000_000_000


def _stamp(root: Path, chance: random.Random | None) -> None:
    """Every file and folder gets a time: the same (None), or any of 95 years."""
    for path in [*root.rglob("*"), root]:
        when = LONG_AGO if chance is None else chance.randint(LONG_AGO, FAR_AHEAD)
        os.utime(path, (when, when), follow_symlinks=False)


@pytest.mark.parametrize("chance", [None, random.Random(5)], ids=["all the same", "at random"])
def test_times_of_files_make_nothing_stale_and_hide_no_change(
    server: Server, tmp_path: Path, chance: random.Random | None
) -> None:
    root, output = tmp_path / "ws", tmp_path / "output"
    paths = workspace(root, EPOCHS)
    assert server.run(order(root, ANALYZE)).code == 0
    before = visible(paths)
    _stamp(root, chance)
    assert server.run(order(root, ANALYZE, output=output)).code == 0
    assert "6 checkpoints, 0 forward passes, everything fresh" in output.read_text()
    assert visible(paths) == before
    assert findings(paths) == []
    # A checkpoint of other bytes that looks as old as the one before it.
    checkpoint(paths, 30, seed=1)
    os.utime(paths.checkpoint(30), (LONG_AGO, LONG_AGO))
    output.unlink()
    assert server.run(order(root, ANALYZE, output=output)).code == 0
    assert "6 checkpoints, 1 forward pass," in output.read_text()
    _stamp(root, chance)
    other = workspace(tmp_path / "other", EPOCHS)
    checkpoint(other, 30, seed=1)
    assert server.run(order(tmp_path / "other", ANALYZE)).code == 0
    assert visible(paths) == visible(other)
    output.unlink()
    assert server.run(order(root, ("clean", VARIANT, "--dry-run"), output=output)).code == 0
    assert "nothing to drop" in output.read_text()


def test_an_open_dataset_notices_a_new_generation_whatever_its_time(server: Server, tmp_path: Path) -> None:
    root = tmp_path / "ws"
    paths = workspace(root, EPOCHS)
    assert server.run(order(root, ANALYZE)).code == 0
    _stamp(root, None)
    reader = ArtifactReader(paths)
    old, token = reader.dataset("full", "tiny.means"), reader.token("full", "tiny.means")
    checkpoint(paths, 30, seed=1)
    workspace(root, range(5, 60, 10))
    assert server.run(order(root, ANALYZE)).code == 0
    _stamp(root, None)
    assert reader.token("full", "tiny.means") != token
    with pytest.raises(Exception, match="was computed anew while it was being read"):
        old["mean"].load()
    assert reader.dataset("full", "tiny.means").sizes["epoch"] == 12


def test_a_training_goes_on_whatever_the_times_are(server: Server, tmp_path: Path) -> None:
    net = TrainingNet.lay(TRAININGS[1], server, tmp_path)
    root = net.fresh()
    paths = TrainingNet.paths(root)
    shown = signature(paths.losses)
    assert len(open_losses(paths).epoch) == 6
    _stamp(root, random.Random(6))
    assert server.run(order(root, net.scenario.command)).code == 0
    assert net.visible(paths) == net.after
    _stamp(root, None)
    assert signature(paths.losses) != shown
    assert findings(paths) == []
