"""Several processes want the same variant: one works, others are told or wait; readers see whole epochs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from server.serving import served
from unbroken.analyses import ANALYZE, VARIANT
from unbroken.bench import NAME, Visible, findings, visible, workspace
from unbroken.net import order
from unbroken.warm import Ended, Order, Server

from mi.domain.workspace import Workspace
from mi.store.checkpoints import load_tensors, save_tensors
from mi.store.layout import VariantPaths
from mi.store.lock import is_locked

EPOCHS = range(0, 400, 10)
SLOW = {"MI_TINY_SLEEP": "0.01"}
SLOWER = {"MI_TINY_SLEEP": "0.2"}  # of what is ended long before it is done
MANY = 4


@pytest.fixture(scope="module")
def truth(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Visible:
    root = tmp_path_factory.mktemp("truth")
    paths = workspace(root, EPOCHS)
    assert server.run(order(root, ANALYZE)).code == 0
    return visible(paths)


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def _read_meanwhile(paths: VariantPaths, truth: Visible) -> list[int]:
    """Open everything and compare, for as long as somebody writes; how much was visible each time."""
    seen = []
    while True:
        working = is_locked(paths)
        held = visible(paths)
        assert held.items() <= truth.items()
        seen.append(len(held))
        if not working:
            return seen


def test_of_several_analyzers_at_once_one_works_and_the_others_name_it(
    server: Server, truth: Visible, tmp_path: Path
) -> None:
    root = tmp_path / "ws"
    paths = workspace(root, EPOCHS)
    outputs = [tmp_path / f"output-{i}" for i in range(MANY)]
    children = {
        server.start(order(root, ANALYZE, output=output, environment=SLOW)): output for output in outputs
    }
    _until(lambda: is_locked(paths))  # its file is there a moment before it is held
    seen = _read_meanwhile(paths, truth)
    ended = [server.wait(child).code for child in children]
    assert sorted(ended) == [0] + [2] * (MANY - 1)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3  # it was read while it grew
    assert visible(paths) == truth
    assert findings(paths) == []
    holder = next(pid for pid, code in zip(children, ended, strict=True) if code == 0)
    for pid, output in children.items():
        said = output.read_text().splitlines()[-1]
        if pid == holder:
            assert said.startswith("40 checkpoints, 40 forward passes")
        else:
            where = f"process {holder} on {re.escape(socket.gethostname())}, since .*"
            assert re.fullmatch(
                rf"mi: {NAME}: another process is analyzing it \({where}\); wait for it with --wait", said
            )
    assert not paths.writer.exists()


def test_those_who_wait_find_everything_done(server: Server, truth: Visible, tmp_path: Path) -> None:
    root = tmp_path / "ws"
    paths = workspace(root, EPOCHS)
    outputs = [tmp_path / f"output-{i}" for i in range(MANY)]
    waiting = (*ANALYZE, "--wait")
    children = [server.start(order(root, waiting, output=output, environment=SLOW)) for output in outputs]
    seen = []
    _until(paths.lock.exists)
    while len(seen) < 20 or is_locked(paths):
        held = visible(paths)
        assert held.items() <= truth.items()
        seen.append(len(held))
    assert [server.wait(child).code for child in children] == [0] * MANY
    last = sorted(output.read_text().splitlines()[-1].partition(";")[0] for output in outputs)
    idle = f"40 checkpoints, 0 forward passes, everything fresh ({len(truth)} results)"
    busy = f"40 checkpoints, 40 forward passes, {len(truth)} results computed, 0 fresh"
    assert last == [idle] * (MANY - 1) + [busy]
    assert sum("; waiting for it" in output.read_text() for output in outputs) == MANY - 1
    assert len(paths.log.read_text().splitlines()) == MANY
    assert visible(paths) == truth


def test_two_that_wait_for_the_same_variants_in_another_order_both_end(
    server: Server, tmp_path: Path
) -> None:
    root = tmp_path / "ws"
    for seed in (0, 1):
        workspace(root, EPOCHS[:6], seed=seed)
    names = (VARIANT, VARIANT.replace("seed0", "seed1"))
    children = [
        server.start(order(root, ("analyze", *chosen, "--wait"), environment=SLOW))
        for chosen in (names, names[::-1])
    ]
    assert [server.wait(child).code for child in children] == [0, 0]


def test_the_lock_of_a_killed_process_is_free_at_once(server: Server, tmp_path: Path) -> None:
    root = tmp_path / "ws"
    paths = workspace(root, EPOCHS)
    child = server.start(order(root, ANALYZE, environment=SLOWER))
    _until(lambda: paths.commits.exists())
    assert is_locked(paths)
    os.kill(child, signal.SIGKILL)
    assert server.wait(child).code == -signal.SIGKILL
    assert not is_locked(paths)
    assert paths.writer.exists()  # what it had said of itself; nobody believes it without the lock
    assert server.run(order(root, ANALYZE)).code == 0


def test_ctrl_c_keeps_what_is_done_and_exits_130(server: Server, truth: Visible, tmp_path: Path) -> None:
    root = tmp_path / "ws"
    paths = workspace(root, EPOCHS)
    child = server.start(order(root, ANALYZE, environment=SLOWER))
    _until(lambda: bool(list(paths.commits.glob("full/tiny.means/*.json"))))
    os.kill(child, signal.SIGINT)
    assert server.wait(child).code == 130
    held = visible(paths)
    assert held.items() <= truth.items()
    done = sum(id == "tiny.means" for id, _ in held)
    assert 0 < done < len(EPOCHS)
    assert json.loads(paths.log.read_text())["interrupted"] is True
    output = tmp_path / "output"
    assert server.run(order(root, ANALYZE, output=output)).code == 0
    assert f"40 checkpoints, {40 - done} forward passes" in output.read_text()
    assert visible(paths) == truth


def test_training_and_analyzing_exclude_each_other(server: Server, tmp_path: Path) -> None:
    families = Path(__file__).parent.parent / "training" / "site" / "mi_lines" / "families"
    shutil.copytree(families / "lines", tmp_path / "model_families" / "lines")
    (tmp_path / "results").mkdir()
    train = ("train", "lines", "--set", "pause=0.05", "--epochs", "4000")  # until it is told to stop
    paths = VariantPaths(tmp_path / "results" / "lines" / "seed0_pause0.05")
    child = server.start(order(tmp_path, train))
    _until(lambda: paths.checkpoint(0).exists())
    for command in (("analyze", "lines/seed0_pause0.05"), ("clean", "lines/seed0_pause0.05", "--yes"), train):
        output = tmp_path / command[0]
        assert server.run(order(tmp_path, command, output=output)).code == 2
        assert "another process is training it (process " in output.read_text()
    os.kill(child, signal.SIGINT)
    assert server.wait(child).code == 130


def test_a_report_served_meanwhile_never_shows_half_an_epoch(
    server: Server, trained: Path, tmp_path: Path
) -> None:
    """The served pages, fetched for as long as analyses add, replace and drop epochs under them."""
    paths = VariantPaths(trained / "results" / "sample_sums" / "n7_seed0")
    truth = visible(paths)
    page = "/report?family=sample_sums&variant=n7_seed0"

    def work(*arguments: str) -> Order:
        return Order(arguments=("-w", str(trained), *arguments), root=trained / "results")

    def start_over() -> None:
        shutil.rmtree(paths.artifacts)
        shutil.rmtree(paths.commits)

    def replace() -> None:
        weights = load_tensors(paths.checkpoint(20))
        save_tensors(paths.checkpoint(20), {n: t + 1 for n, t in weights.items()}, {})

    fetched = 0
    with served(Workspace.open(trained)) as site:
        for change in (start_over, replace, lambda: paths.checkpoint(30).unlink()):
            change()
            child = server.start(work("analyze", "n7_seed0"))
            ended: list[Ended] = []
            while not ended:
                for path in ("/", page):
                    answer = site.get(path)
                    assert answer.status == 200
                    for word in ("damaged", "cannot be read", "Traceback"):
                        assert word not in answer.body
                    fetched += 1
                if not is_locked(paths):
                    ended.append(server.wait(child))
            assert ended[0].code == 0
            assert server.run(work("clean", "n7_seed0", "--yes")).code == 0
    assert fetched > 6
    after = visible(paths)
    assert {key for key in truth if key[1] != 30} >= after.keys() - {("sample.curve", None)}
    assert {e for id, e in after if after[id, e] != truth.get((id, e)) and e is not None} <= {20}
    assert findings(paths) == []
