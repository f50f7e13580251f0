"""Killed, stopped or crossed by another process, at any instant: nothing half-done is ever visible."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mi.engine.analyze import analyze
from mi.errors import LockedError, StoreError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

EPOCHS = range(0, 1000, 10)  # two blocks
MANY = range(0, 2000, 10)  # long enough to be met at work, however fast the machine


class Forker:
    """See ``forker.py``."""

    def __init__(self) -> None:
        here = Path(__file__).parent
        self.process = subprocess.Popen(
            [sys.executable, str(here / "forker.py")],
            env=os.environ | {"PYTHONPATH": str(here / "site"), "MI_LOAD_PLUGINS": "tiny"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, variant: Any, *more: str) -> int:
        """Begin ``mi analyze``; the child's process id."""
        assert self.process.stdin is not None
        arguments = ["-w", str(variant.workspace.root), "analyze", variant.id, *more]
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        return self._read()

    def wait(self) -> int:
        """The exit code; negative for a signal."""
        return os.waitstatus_to_exitcode(self._read())

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    one = Forker()
    yield one
    one.process.kill()
    one.process.communicate()


def contents(variant: Any) -> dict[str, Any]:
    reader = ArtifactReader(VariantPaths(variant.folder))
    return {id: reader.dataset("full", id).load() for id in reader.analyzers("full")}


def check_visible(variant: Any, truth: dict[str, Any]) -> int:
    """Everything visible is bit for bit what an undisturbed run gives; how many results there are."""
    seen = 0
    for id, data in contents(variant).items():
        if truth[id].attrs["scope"] == "checkpoint":
            whole = truth[id].sel(epoch=data["epoch"].values)
            assert data.equals(whole), id
            seen += data.sizes["epoch"]
    return seen


def wait_for_a_commit(variant: Any, seconds: float = 20) -> None:
    """Until something more is committed than there is now."""
    commits, end = VariantPaths(variant.folder).commits, time.monotonic() + seconds

    def state() -> set[tuple[str, int]]:
        return {(str(p), p.stat().st_mtime_ns) for p in commits.rglob("[0-9w]*.json")}

    before = state()
    while time.monotonic() < end:
        with suppress(FileNotFoundError):  # a record may go between being listed and being looked at
            if not state() <= before:
                return
        time.sleep(0.005)


def kill_and_compare(make: Any, forker: Forker, kills: int, seed: int, grow: bool = False) -> None:
    """Kill again and again; with ``grow``, while checkpoints are inserted between ones that have results."""
    straight = make(EPOCHS)
    analyze([straight])
    truth = contents(straight)
    root = straight.workspace.root.parent / "killed"
    if grow:
        analyze([make(EPOCHS[1::2], root=root)])
    variant = make(EPOCHS, root=root)
    chance = random.Random(seed)
    seen = [check_visible(variant, truth)]
    for turn in range(kills):
        child = forker.start(variant)
        if turn % 2:  # the instants around a commit
            wait_for_a_commit(variant)
            time.sleep(chance.uniform(0.0, 0.1))
        else:  # preparing, the first passes, tidying up
            time.sleep(chance.uniform(0.0, 1.0))
        with suppress(ProcessLookupError):  # it has come to its end already
            os.kill(child, signal.SIGKILL)
        assert forker.wait() in (-signal.SIGKILL, 0)
        seen.append(check_visible(variant, truth))
    assert seen == sorted(seen)  # what was committed before stays
    assert len(set(seen)) > 2  # kills did hit the middle of the work
    forker.start(variant)
    assert forker.wait() == 0
    after = contents(variant)
    assert after.keys() == truth.keys()
    for id, data in after.items():
        assert data.equals(truth[id]), id
    assert not list(variant.folder.rglob("*.partial"))
    assert not VariantPaths(variant.folder).staging.exists()


def test_killed_at_ten_instants_it_ends_as_if_undisturbed(make: Any, forker: Forker) -> None:
    kill_and_compare(make, forker, kills=10, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("grow", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_many_instants_it_ends_as_if_undisturbed(
    make: Any, forker: Forker, seed: int, grow: bool
) -> None:
    kill_and_compare(make, forker, kills=40, seed=100 + seed, grow=grow)


def test_ctrl_c_keeps_what_is_done_and_exits_130(make: Any, forker: Forker) -> None:
    variant = make(MANY)
    child = forker.start(variant)
    paths = VariantPaths(variant.folder)
    for _ in range(3000):
        if ArtifactReader(paths).committed("full", "tiny.means"):
            break
        time.sleep(0.01)
    os.kill(child, signal.SIGINT)
    assert forker.wait() == 130
    done = len(ArtifactReader(paths).committed("full", "tiny.means"))
    assert 0 < done < len(MANY)
    assert '"interrupted": true' in paths.log.read_text()
    summary = analyze([variant])
    assert summary.total.forward_passes == len(MANY) - done
    assert len(ArtifactReader(paths).committed("full", "tiny.means")) == len(MANY)


def test_a_second_process_is_refused_and_nothing_is_lost(make: Any, forker: Forker) -> None:
    variant = make(MANY)
    forker.start(variant)
    paths = VariantPaths(variant.folder)
    while not paths.artifacts.exists():
        time.sleep(0.01)
    with pytest.raises(LockedError, match="another process is training or analyzing this variant"):
        analyze([variant])
    assert forker.wait() == 0
    assert analyze([variant]).line().startswith("200 checkpoints, 0 forward passes, everything fresh")


def test_a_results_folder_that_cannot_be_written_is_said(make: Any) -> None:
    variant = make()
    paths = VariantPaths(variant.folder)
    if os.geteuid() == 0:  # root writes through modes, but not into an immutable folder
        if subprocess.run(["chattr", "+i", paths.root], capture_output=True).returncode:
            pytest.skip("root, and a file system without immutable folders")
        undo = ["chattr", "-i", str(paths.root)]
    else:
        paths.root.chmod(0o555)
        undo = ["chmod", "755", str(paths.root)]
    try:
        with pytest.raises(StoreError, match=f"{variant.name}.* cannot be written"):
            analyze([variant])
    finally:
        subprocess.run(undo, check=True)
    assert not paths.artifacts.exists()
    assert analyze([variant]).failures == []
