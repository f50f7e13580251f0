"""Many variants at once: declared up front, each trained as if it were alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mi.cli.group import cli
from mi.domain.grid import LIMIT, grid
from mi.domain.workspace import Variant, Workspace
from mi.errors import ParameterError, StoreError
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.training import train, train_many, variant_state

SITE = Path(__file__).parent / "site"
LENGTH: dict[str, Any] = {"epochs": 12, "schedule": "0:12:4"}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Workspace:
    """The workspace, whose plugin other processes find too: they get this one's import path."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return workspace


@pytest.fixture
def mi(elsewhere: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(["-w", str(elsewhere.root), "train", "lines", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def _rows(out: str) -> dict[str, list[str]]:
    """Cells of the table by variant's name."""
    lines = [line for line in out.splitlines() if line.startswith("lines/")]
    return {line.split()[0].removeprefix("lines/"): re.split(r"\s{2,}", line.strip())[1:] for line in lines}


def test_several_axes_multiply_the_last_running_fastest(workspace: Workspace) -> None:
    family = workspace.family("lines")
    found = grid(family, ["seed=0:2,7", "optimizer=sgd,adamw"], {"pause": 0.5})
    assert [(one["seed"], one["optimizer"], one["pause"]) for one in found] == [
        (seed, optimizer, 0.5) for seed in (0, 1, 7) for optimizer in ("sgd", "adamw")
    ]
    assert [one["seed"] for one in grid(family, ["seed=10:0:-4"], {})] == [10, 6, 2]
    assert [one["learning_rate"] for one in grid(family, ["learning_rate=0.5,1"], {})] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("axes", "given", "sentence"),
    [
        (["seed"], {}, "--grid 'seed': expected NAME=VALUES, such as seed=0:10"),
        (["sed=1"], {}, r"unknown parameter of family lines 'sed': did you mean seed\?"),
        (["seed=one"], {}, "seed is 'one', expected a whole number"),
        (["seed=0:-3"], {}, "--grid 'seed=0:-3' names no value; STOP of START:STOP is left out"),
        (["seed=0:4:0"], {}, "seed is '0:4:0', expected START:STOP or START:STOP:STEP"),
        (["seed=0:4,2"], {}, "--grid 'seed=0:4,2' names seed = 2 twice"),
        (["learning_rate=0:1"], {}, "learning_rate is '0:1', but a range is of whole numbers"),
        (["seed=1", "seed=2"], {}, "seed is given by --grid twice"),
        (["seed=1"], {"seed": 3}, "seed is given by --grid and --set"),
        (["seed=0:1000000"], {}, f"1000000 values, expected at most {LIMIT}"),
        (["seed=0:9999", "pause=0,1"], {}, f"the grid has 19998 variants, expected at most {LIMIT}"),
    ],
)
def test_a_senseless_grid_is_one_sentence(
    workspace: Workspace, axes: list[str], given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        grid(workspace.family("lines"), axes, given)


def test_each_variant_has_the_bits_of_training_it_alone(
    elsewhere: Workspace, declare, contents, tmp_path_factory: pytest.TempPathFactory
) -> None:
    variants = [declare(seed=seed, optimizer=name) for seed in (3, 4) for name in ("adamw", "sgd")]
    events: list[tuple[str, str]] = []
    summary = train_many(
        variants, jobs=2, **LENGTH, watch=lambda id, event: events.append((id, event["event"]))
    )
    assert [(one.variant, one.state, one.reached) for one in summary.outcomes] == [
        (variant.id, "trained", 12) for variant in variants
    ]
    assert not summary.failed and not summary.interrupted
    for variant, outcome in zip(variants, summary.outcomes, strict=True):
        folder = tmp_path_factory.mktemp("alone") / variant.name
        alone = Variant(
            workspace=elsewhere, family=variant.family, parameters=variant.parameters, folder=folder
        )
        said = train(alone, **LENGTH)
        assert contents(variant) == contents(alone)
        assert outcome.metrics == said.metrics and outcome.checkpoints == said.checkpoints
        told = [event for id, event in events if id == variant.id]
        assert told[0] == "begun" and told[-1] == "done" and "progress" in told
    # Two at once, and never more: a third begins only when one of the two is done.
    running = 0
    for _, event in events:
        running += (event == "begun") - (event == "done")
        assert running <= 2


def test_what_is_trained_is_skipped_and_what_is_begun_needs_resume(
    elsewhere: Workspace, declare, contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, half, new = (declare(seed=seed) for seed in (1, 2, 3))
    train(done, **LENGTH)
    train(half, epochs=4, schedule="0:12:4")
    before = contents(done), contents(half)
    with pytest.raises(
        StoreError, match=r"1 of 3 variants exist: seed2 \(trained to epoch 4\); continue the"
    ):
        train_many([done, half, new], **LENGTH)
    assert (contents(done), contents(half)) == before and not new.folder.exists()
    summary = train_many([done, half, new], jobs=1, **LENGTH, resume=True)
    assert [one.state for one in summary.outcomes] == ["trained already", "trained", "trained"]
    assert [one.trained for one in summary.outcomes] == [0, 8, 12]
    assert contents(done) == before[0]
    assert len(list_checkpoints(VariantPaths(half.folder))) == 4


def test_one_that_fails_fails_alone(mi, elsewhere: Workspace, declare) -> None:
    with variant_lock(VariantPaths(declare(learning_rate=0.5, optimizer="sgd").folder), "analyzing"):
        code, out, err = mi(
            *("--grid", "learning_rate=0.01,0.5,10000.0", "--set", "optimizer=sgd"),
            *("--epochs", "300", "--checkpoints", "0:300:100", "--jobs", "2"),
        )
    assert code == 2
    good, taken, bad = _rows(out).values()
    assert good[:2] == ["trained", "300"]
    assert taken[0] == "failed" and "another process is analyzing it" in taken[-1]
    assert bad[0] == "failed" and "the training loss is" in bad[-1]
    assert "3 variants: 1 trained, 2 failed; " in out
    assert len([line for line in err.splitlines() if " failed: lines/" in line or " failed: " in line]) == 2
    assert variant_state(VariantPaths(declare(learning_rate=0.01, optimizer="sgd").folder)) == "trained"


def test_a_process_that_is_killed_loses_its_variant_alone(elsewhere: Workspace, declare) -> None:
    variants = [declare(seed=seed, pause=0.01) for seed in range(3)]
    killed: list[str] = []

    def watch(id: str, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["epoch"] >= 4 and not killed:
            killed.append(id)
            os.kill(_writer(variants, id), signal.SIGKILL)

    summary = train_many(variants, jobs=2, **LENGTH, watch=watch)
    states = {one.variant: one.state for one in summary.outcomes}
    assert states.pop(killed[0]) == "failed" and set(states.values()) == {"trained"}
    (lost,) = (one for one in summary.outcomes if one.state == "failed")
    assert lost.error.startswith("its process was ended by SIGKILL")
    assert [one.state for one in train_many(variants, jobs=1, resume=True).outcomes].count("trained") == 1


def _writer(variants: list[Variant], id: str) -> int:
    import json

    (variant,) = (one for one in variants if one.id == id)
    return int(json.loads(VariantPaths(variant.folder).writer.read_bytes())["pid"])


def test_all_is_declared_and_checked_before_anything_is_trained(mi, elsewhere: Workspace) -> None:
    code, out, err = mi("--grid", "seed=0:3", "--grid", "optimizer=adamw,adam")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "optimizer is 'adam', expected one of" in err
    code, _, err = mi("--grid", "seed=0:3", "--states", "some")
    assert code == 2 and "states is 'some'" in err
    assert not (elsewhere.root / "results").exists()


def test_the_table_has_a_row_a_variant(mi) -> None:
    code, out, err = mi("--grid", "seed=0:2", "--epochs", "6", "--checkpoints", "0:6:3", "--jobs", "1")
    assert (code, err) == (0, "")
    assert list(_rows(out)) == ["seed0", "seed1"]
    assert re.search(r"variant +state +epoch +seconds +train loss +test loss", out)
    assert out.splitlines()[-1].startswith("2 variants: 2 trained; ")
    code, out, _ = mi("--grid", "seed=0:2", "--epochs", "6", "--jobs", "1")
    assert code == 0 and out.splitlines()[-1].startswith("2 variants: 2 trained already; ")


def test_on_a_terminal_there_are_bars(mi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "140")
    code, out, err = mi("--grid", "seed=0:2", "--set", "pause=0.02", "--epochs", "30", "--jobs", "2")
    assert code == 0 and "trained" in out
    assert "2 variants" in err and "━" in err and "seed1_pause0.02" in err and "train loss" in err


def test_without_a_terminal_a_line_says_how_far_all_are(mi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mi.cli.training_bar.PLAIN_SECONDS", 0.0)
    code, _, err = mi("--grid", "seed=0:2", "--epochs", "6", "--jobs", "1")
    assert code == 0
    assert "0 of 2 variants done; seed0 starting" in err
    assert re.search(r"^1 of 2 variants done; seed1 epoch \d of 6$", err, re.MULTILINE)
    assert err.splitlines()[-1] == "2 of 2 variants done; "


def _start(workspace: Workspace, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from mi.cli import main; main()", "train", "lines", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=workspace.root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])},
    )


def _wait_until(process: subprocess.Popen[str] | None, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


SLOW = (
    "--grid",
    "seed=0:3",
    "--set",
    "pause=0.02",
    "--epochs",
    "60",
    "--checkpoints",
    "0:60:4",
    "--jobs",
    "2",
)


@pytest.mark.parametrize("how", ["ctrl-c", "kill"])
def test_the_end_of_the_command_leaves_variants_that_resume_to_the_bit(
    elsewhere: Workspace, declare, contents, how: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    variants = [declare(seed=seed, pause=0.02) for seed in range(3)]
    paths = [VariantPaths(variant.folder) for variant in variants]
    process = _start(elsewhere, *SLOW)
    try:
        _wait_until(process, lambda: paths[0].checkpoint(8).exists() and paths[1].checkpoint(4).exists())
        process.send_signal(signal.SIGINT if how == "ctrl-c" else signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    if how == "ctrl-c":
        assert process.returncode == 130
        rows = _rows(out)
        assert [cells[0].rpartition(" at ")[0] or cells[0] for cells in rows.values()] == [
            *("interrupted", "interrupted", "not begun")
        ]
        assert err.endswith("mi: stopped, nothing lost; the same command with --resume goes on\n")
    # Also where the command was killed its processes have saved their states and are gone.
    _wait_until(None, lambda: all(variant_state(p).startswith("interrupted at") for p in paths[:2]))
    assert not variants[2].exists
    with pytest.raises(StoreError, match=r"2 of 3 variants exist: seed0_pause0\.02 \(interrupted at epoch"):
        train_many(variants, epochs=60)
    summary = train_many(variants, resume=True, epochs=60, schedule="0:60:4", jobs=2)
    assert [one.state for one in summary.outcomes] == ["trained"] * 3
    folder = tmp_path_factory.mktemp("alone") / "seed0"
    fast = declare(seed=0)  # how long a pass takes changes no bit
    alone = Variant(workspace=elsewhere, family=fast.family, parameters=fast.parameters, folder=folder)
    train(alone, epochs=60, schedule="0:60:4")
    assert contents(variants[0]) == contents(alone)
