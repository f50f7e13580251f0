"""Many variants at once: declared up front, each trained as if it were alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mi.cli.grid_bar import display_of
from mi.cli.group import cli
from mi.domain.grid import LIMIT, grid
from mi.domain.workspace import Variant, Workspace
from mi.errors import ParameterError, StoreError
from mi.store.layout import VariantPaths
from mi.store.lock import is_locked, variant_lock
from mi.training import read_record, train, train_many, variant_state

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
        (["sed=1"], {}, r"unknown parameter of family lines 'sed': did you mean seed"),
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
    "pause=0.1",
    "--epochs",
    "60",
    "--checkpoints",
    "0:60:4",
    "--jobs",
    "2",
)


@pytest.fixture
def alone(declare, contents, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """What a training of the variant by itself leaves; how long a pass takes changes no bit."""

    def leave(settings: dict[str, Any], **parameters: Any) -> dict[str, Any]:
        variant = declare(**parameters)
        folder = tmp_path_factory.mktemp("alone") / variant.name
        elsewhere = Variant(
            workspace=variant.workspace, family=variant.family, parameters=variant.parameters, folder=folder
        )
        train(elsewhere, **settings)
        return contents(elsewhere)

    return leave


def test_each_variant_has_the_bits_of_training_it_alone(
    mi, declare, contents, alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is trained already, one is continued, two are new: two processes for three variants."""
    monkeypatch.setattr("mi.cli.training_bar.PLAIN_SECONDS", 0.0)
    done, half = declare(seed=3, optimizer="sgd"), declare(seed=4, optimizer="sgd")
    train(done, **LENGTH)
    train(half, epochs=4, schedule="0:12:4")
    before = contents(done), contents(half)
    grid = ("--grid", "seed=3:5", "--grid", "optimizer=sgd,adamw", "--jobs", "2", "--epochs", "12")
    code, out, err = mi(*grid)
    assert (code, out, err.count("\n")) == (2, "", 1)
    said = "1 of 4 variants exist: seed4_optimizersgd (trained to epoch 4); continue them with --resume"
    assert said in err
    assert (contents(done), contents(half)) == before
    code, out, err = mi(*grid, "--checkpoints", "0:12:4", "--resume")
    assert code == 0, err
    rows = _rows(out)
    assert {name: cells[:2] for name, cells in rows.items()} == {
        "seed3_optimizersgd": ["trained already", "12"],
        "seed3": ["trained", "12"],
        "seed4_optimizersgd": ["trained", "12"],
        "seed4": ["trained", "12"],
    }
    assert re.search(r"variant +state +epoch +seconds +train loss +test loss", out)
    assert out.splitlines()[-1].startswith("4 variants: 1 trained already, 3 trained; ")
    assert contents(done) == before[0]
    lasting = alone(LENGTH, seed=4, optimizer="sgd")
    assert contents(half) == lasting
    for seed in (3, 4):
        assert contents(declare(seed=seed)) == alone(LENGTH, seed=seed)
    lines = err.splitlines()
    assert lines[0] == "1 of 4 variants done; "
    assert lines[-1] == "4 of 4 variants done; "
    assert any(re.search(r"seed\d\w* epoch \d+ of 12", line) for line in lines)


def test_a_process_that_is_killed_loses_its_variant_alone(elsewhere: Workspace, declare) -> None:
    variants = [declare(seed=seed, pause=0.01) for seed in range(3)]
    killed: list[str] = []
    running: set[str] = set()

    def watch(id: str, event: Mapping[str, Any]) -> None:
        if event["event"] == "begun":
            running.add(id)
        elif event["event"] in ("done", "failed"):
            running.discard(id)
        assert len(running) <= 2
        if event["event"] == "progress" and event["epoch"] >= 4 and not killed:
            killed.append(id)
            os.kill(_writer(variants, id), signal.SIGKILL)

    summary = train_many(variants, jobs=2, **LENGTH, watch=watch)
    states = {one.variant: one.state for one in summary.outcomes}
    assert states.pop(killed[0]) == "failed" and set(states.values()) == {"trained"}
    (lost,) = (one for one in summary.outcomes if one.state == "failed")
    assert lost.error.startswith("its process was ended by SIGKILL")
    (variant,) = (one for one in variants if one.id == lost.variant)
    assert train(variant, resume=True).start >= 0
    assert variant_state(VariantPaths(variant.folder)) == "trained"


def test_on_a_terminal_there_is_a_bar_for_all_and_one_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "140")
    with display_of(3) as watch:
        watch("some/n0", {"event": "skipped"})
        watch("some/n1", {"event": "begun"})
        watch("some/n2", {"event": "begun"})
        watch("some/n1", {"event": "progress", "epoch": 5, "epochs": 20, "metrics": {"test_loss": 0.125}})
        watch.bar.refresh()
        watch("some/n2", {"event": "said", "line": "threads was 2"})
        watch("some/n2", {"event": "failed", "sentence": "the loss is nan"})
        watch("some/n1", {"event": "done"})
    err = capsys.readouterr().err
    for words in ("3 variants", "━", "n1", "5/20", "test loss 0.125", "mi: threads was 2", "3 done"):
        assert words in err
    assert "mi: some/n2 failed: the loss is nan" in err


@pytest.mark.parametrize("how", ["ctrl-c", "kill"])
def test_the_end_of_the_command_leaves_variants_that_resume_to_the_bit(
    workspace: Workspace, start, declare, contents, alone, how: str
) -> None:
    variants = [declare(seed=seed, pause=0.1) for seed in range(3)]
    paths = [VariantPaths(variant.folder) for variant in variants]
    process = start(*SLOW)
    _wait_until(process, lambda: paths[0].checkpoint(8).exists() and paths[1].checkpoint(4).exists())
    process.send_signal(signal.SIGINT if how == "ctrl-c" else signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    if how == "ctrl-c":
        assert process.returncode == 130
        states = [cells[0] for cells in _rows(out).values()]
        assert all(re.fullmatch(r"interrupted at \d+", state) for state in states[:2])
        assert states[2] == "not begun"
        assert err.endswith("mi: stopped, nothing lost; the same command with --resume goes on\n")
    # Also where the command was killed its processes have saved their states and are gone.
    _wait_until(None, lambda: all(variant_state(p).startswith("interrupted at") for p in paths[:2]))
    _wait_until(None, lambda: not any(is_locked(p) for p in paths[:2]))
    assert not variants[2].exists
    assert read_record(paths[0]).status == "interrupted"  # not killed: its very epoch is saved
    with pytest.raises(StoreError, match=r"2 of 3 variants exist: seed0_pause0\.1 \(interrupted at epoch"):
        train_many(variants, epochs=60)
    quick = declare(seed=0)
    shutil.copytree(variants[0].folder, quick.folder)
    quick.save_config()
    train(quick, resume=True)
    assert contents(quick) == alone({"epochs": 60, "schedule": "0:60:4"}, seed=0)
