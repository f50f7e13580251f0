from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mi.cli.group import cli
from mi.domain.workspace import Variant, Workspace
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses
from mi.training import train, variant_state

Start = Callable[..., "subprocess.Popen[str]"]
SLOW = ("--set", "pause=0.02", "--epochs", "60", "--checkpoints", "0:60:4")


@pytest.fixture
def mi(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(["-w", str(workspace.root), *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_closing_line_says_what_there_is(mi) -> None:
    code, out, err = mi("train", "lines", "--set", "seed=4", "--epochs", "9", "--checkpoints", "0:9:3")
    assert (code, err) == (0, "")
    number = r"[\d.e+-]+"
    assert re.fullmatch(
        rf"lines/seed4: 4 checkpoints to epoch 9, 9 epochs trained in {number} s; "
        rf"train loss {number}, test loss {number}\n",
        out,
    )


def test_every_option_reaches_the_training(mi, workspace: Workspace) -> None:
    kept = ["--epochs", "8", "--checkpoints", "0:8:2", "--states", "every 2", "--evaluate-every", "3"]
    code, _, _ = mi("train", "lines", "--set", "optimizer=sgd", *kept, "--threads", "1", "--device", "cpu")
    assert code == 0
    variant = workspace.variant("seed0_optimizersgd")
    paths = VariantPaths(variant.folder)
    assert sorted(p.name for p in paths.states.iterdir()) == [paths.state(e).name for e in (0, 4, 8)]
    losses = open_losses(paths)
    assert losses.test_loss.dropna("epoch").epoch.values.tolist() == [0, 2, 3, 4, 6, 8]


def test_without_a_terminal_progress_is_plain_lines_on_stderr(mi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mi.cli.training_bar.PLAIN_SECONDS", 0.0)
    code, out, err = mi("train", "lines", "--epochs", "6", "--checkpoints", "0:6:2")
    assert code == 0
    assert out.count("\n") == 1
    lines = err.splitlines()
    number = r"[\d.e+-]+"
    for line in lines:
        shown = rf"seed0: epoch \d of 6, \d+ s left, train loss {number}, test loss {number}"
        assert re.fullmatch(shown, line), line
    # Told at every checkpoint, and in between when the machine is slow.
    assert {"0", "2", "4", "6"} <= {line.split()[2] for line in lines}


def test_on_a_terminal_there_is_a_bar_with_the_losses(
    mi, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    code, out, err = mi("train", "lines", "--epochs", "6", "--checkpoints", "0:6:2")
    assert code == 0
    assert out.count("\n") == 1
    assert "6/6" in err
    assert "━" in err
    assert "train loss" in err


def test_a_results_folder_that_cannot_be_written_is_one_sentence(mi, workspace: Workspace) -> None:
    (workspace.root / "results").write_text("in the way")
    code, out, err = mi("train", "lines")
    assert (code, out) == (2, "")
    assert "cannot be written" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lnes"], r"unknown family 'lnes': did you mean lines\?"),
        (["lines", "--set", "sed=1"], r"unknown parameter of family lines 'sed': did you mean seed"),
        (["lines", "--set", "seed=one"], r"seed is 'one', expected a whole number"),
        (["lines", "--set", "seed"], r"--set 'seed': expected NAME=VALUE"),
        (["lines", "--epochs", "-3"], r"epochs is -3, expected a whole number of at least 0"),
        (["lines", "--checkpoints", "a:b"], r"epochs 'a:b': expected an epoch or START:STOP:STEP"),
        (["lines", "--states", "some"], r"states is 'some', expected 'all', 'every N' or 'last'"),
        (
            ["lines", "--device", "abacus"],
            r"device 'abacus' cannot be used: expected cpu, cuda, cuda:1, mps or xpu",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    mi, workspace: Workspace, arguments: list[str], sentence: str
) -> None:
    code, out, err = mi("train", *arguments)
    assert (code, out) == (2, "")
    assert re.match(rf"mi: {sentence}", err)
    assert err.count("\n") == 1
    assert not (workspace.root / "results").exists()


def test_a_family_that_a_plugin_ships_is_hinted_at(mi, workspace: Workspace) -> None:
    import shutil

    shutil.rmtree(workspace.root / "model_families" / "lines")
    code, _, err = mi("train", "lines")
    assert code == 2
    assert "`mi families add lines`" in err


def test_an_existing_variant_is_refused_with_what_to_do(mi) -> None:
    assert mi("train", "lines", "--epochs", "4")[0] == 0
    code, _, err = mi("train", "lines", "--epochs", "4")
    assert code == 2
    assert err == (
        "mi: lines/seed0 exists (trained to epoch 4); continue it with --resume, nothing is overwritten\n"
    )
    code, out, err = mi("train", "lines", "--epochs", "4", "--resume")
    assert code == 0
    assert "trained already" in err
    assert "2 checkpoints to epoch 4, 0 epochs trained" in out


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _same(a: VariantPaths, b: VariantPaths) -> None:
    assert open_losses(a).identical(open_losses(b))
    assert [c.epoch for c in list_checkpoints(a)] == [c.epoch for c in list_checkpoints(b)]
    for one, other in zip(list_checkpoints(a), list_checkpoints(b), strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


@pytest.fixture
def undisturbed(declare, tmp_path_factory: pytest.TempPathFactory) -> VariantPaths:
    variant = declare()  # how long a pass takes changes no bit
    folder = tmp_path_factory.mktemp("undisturbed") / variant.name
    train(
        Variant(
            workspace=variant.workspace, family=variant.family, parameters=variant.parameters, folder=folder
        ),
        epochs=60,
        schedule="0:60:4",
    )
    return VariantPaths(folder)


def test_ctrl_c_exits_130_and_tells_how_to_go_on(
    start: Start, mi, declare, undisturbed: VariantPaths
) -> None:
    paths = VariantPaths(declare(pause=0.02).folder)
    process = start(*SLOW)
    _wait_for(paths.checkpoint(12), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    told = re.fullmatch(
        r"mi: interrupted at epoch (\d+), nothing lost; "
        r"continue with `mi train lines --set pause=0\.02 --resume`\n",
        err,
    )
    assert told, err
    assert variant_state(paths) == f"interrupted at {told.group(1)}"
    code, out, _ = mi("train", "lines", "--set", "pause=0.02", "--resume")
    assert code == 0
    assert "16 checkpoints to epoch 60" in out
    _same(paths, undisturbed)


@pytest.mark.parametrize(
    ("asked", "found"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)]
)
def test_threads_that_wait_do_not_spin_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], found: str | None
) -> None:
    from mi.cli import main

    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that the end of the test puts back what was there
        monkeypatch.delenv(name)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["mi", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert os.environ.get("GOMP_SPINCOUNT") == found


def test_densify_adds_checkpoints_and_says_so(mi, workspace: Workspace) -> None:
    assert mi("train", "lines", "--epochs", "12", "--checkpoints", "0:12:4")[0] == 0
    code, out, err = mi("train", "seed0", "--densify", "5:7:1")
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"lines/seed0: 3 checkpoints added, 7 now; 3 epochs trained again in [\d.]+ s, "
        r"1 checkpoints on the way came out equal\n",
        out,
    )
    assert mi("train", "lines", "--set", "seed=0", "--densify", "9")[0] == 0
    epochs = [c.epoch for c in list_checkpoints(VariantPaths(workspace.variant("seed0").folder))]
    assert epochs == [0, 4, 5, 6, 7, 8, 9, 12]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["seed0", "--densify", "5", "--epochs", "9"], "finished; without --epochs"),
        (["seed0", "--densify", "5", "--set", "seed=0"], "--set says which variant of a family: 'seed0' is"),
        (["seed7", "--densify", "5"], "unknown variant 'seed7': did you mean seed0"),
        (["lines", "--set", "seed=3", "--densify", "5"], "lines/seed3 is not trained; `mi train` does"),
        (["lines", "--jobs", "2"], "give --grid with it"),
    ],
)
def test_densify_refuses_in_one_sentence(
    mi, workspace: Workspace, arguments: list[str], sentence: str
) -> None:
    assert mi("train", "lines", "--epochs", "4")[0] == 0
    code, out, err = mi("train", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
