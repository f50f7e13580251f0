"""What a user can get wrong: one sentence, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sample_plugin import FAMILY, Mi, refusal, run, run_process

VARIANT = "n7_seed0"
ADDITION = "modular_addition_1layer"


@pytest.fixture
def on(trained: Path) -> Mi:
    """The command on the trained workspace."""
    return lambda *arguments: run("-w", str(trained), *arguments)


def content(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder: size and time of its last change."""
    files = [p for p in root.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(root)): (p.stat().st_size, p.stat().st_mtime_ns) for p in files}


@pytest.mark.parametrize(
    "command, expected",
    [
        (
            "families add sample_sum",
            "unknown family that a plugin ships 'sample_sum': did you mean sample_sums?",
        ),
        ("families validate sample_sum", "unknown family 'sample_sum': did you mean sample_sums?"),
        ("families new x --like sample_sum", "unknown family 'sample_sum': did you mean sample_sums?"),
        (
            "variants sample_sum",
            "unknown family or variant 'sample_sum': did you mean sample_sums or sample_sums/n7_seed0?",
        ),
        ("train sample_sum", "unknown family 'sample_sum': did you mean sample_sums?"),
        ("probes sample_sum", "unknown family 'sample_sum': did you mean sample_sums?"),
        ("probe show sample_sum full", "unknown family 'sample_sum': did you mean sample_sums?"),
        ("probe show sample_sums fulll", "unknown probe of family sample_sums 'fulll': did you mean full?"),
        ("show n7_seed", "unknown variant 'n7_seed': did you mean n7_seed0?"),
        ("checkpoints n7_seed", "unknown variant 'n7_seed': did you mean n7_seed0?"),
        ("analyze n7_seed", "unknown variant 'n7_seed': did you mean n7_seed0?"),
        ("show other/n7_seed0", "unknown family 'other': known: sample_sums."),
        ("analyze n7_seed0 --analyzers sample.answer", "'sample.answer': did you mean sample.answers"),
        ("analyze n7_seed0 --probe fulll", "'fulll': did you mean full?"),
        ("analyze n7_seed0 --epochs 0:x", "expected an epoch or START:STOP:STEP"),
        ("analyze n7_seed0 --epochs 15", "epoch"),
        ("plugins sampel", "unknown plugin 'sampel': did you mean sample?"),
        ("chekpoints n7_seed0", "unknown command 'chekpoints': did you mean checkpoints"),
        (
            "train sample_sums --set sise=9",
            "unknown parameter of family sample_sums 'sise': did you mean size or seed?",
        ),
        ("train sample_sums --set size", "--set 'size': expected NAME=VALUE"),
        ("train sample_sums --set size=8", "size is 8, expected an odd number"),
        ("train sample_sums --set size=1", "size is 1, expected a whole number from 3 to 31"),
        ("train sample_sums --set size=nine", "size is 'nine', expected a whole number from 3 to 31"),
        ("train sample_sums --set size=9 --set size=11", "--set size is given twice"),
        ("train sample_sums --set seed=3 --checkpoints 0:a", "expected an epoch or START:STOP:STEP"),
    ],
)
def test_a_wrong_name_or_value_is_one_sentence_and_changes_nothing(
    on: Mi, trained: Path, command: str, expected: str
) -> None:
    before = content(trained)
    assert expected in refusal(on(*command.split()))
    assert content(trained) == before


@pytest.mark.parametrize(
    "setting, expected",
    [
        ("prime=57", "prime is 57, expected a prime of at least 3; the nearest: 53 or 59"),
        ("prime=2", "prime is 2, expected a whole number from 3 to 1000"),
        ("prime=seven", "prime is 'seven', expected a whole number from 3 to 1000"),
        ("prime=7.0", "prime is '7.0', expected a whole number from 3 to 1000"),
        ("prim=7", f"unknown parameter of family {ADDITION} 'prim': did you mean prime?"),
        ("train_fraction=1", "train_fraction is 1, which trains on"),
    ],
)
def test_the_shipped_family_refuses_what_makes_no_model(
    root: Path, monkeypatch: pytest.MonkeyPatch, setting: str, expected: str
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", "modular_arithmetic,fourier_library,geometry_library")
    shutil.rmtree(root / "model_families" / FAMILY)
    assert run("-w", str(root), "families", "add", ADDITION).code == 0
    before = content(root)
    assert expected in refusal(run("-w", str(root), "train", ADDITION, "--set", setting))
    assert content(root) == before


def test_without_a_workspace_the_sentence_says_how_to_make_one(
    tmp_path: Path, sample_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["families"], ["variants"], ["show", "x"], ["probes"], ["train", "x"], ["analyze", "x"]):
        assert "create one with `mi init`" in refusal(run(*command))
    monkeypatch.setenv("MI_WORKSPACE", str(tmp_path / "none"))
    assert f"{tmp_path / 'none'} is no workspace" in refusal(run("variants"))
    assert f"{tmp_path / 'other'} is no workspace" in refusal(run("-w", str(tmp_path / "other"), "variants"))
    assert list(tmp_path.iterdir()) == [tmp_path / "site"] or not list(tmp_path.iterdir())


def test_results_that_cannot_be_written_lose_nothing(mi: Mi, root: Path) -> None:
    # A file where the family's folder should be: not even root can write below it.
    (root / "results" / FAMILY).write_text("in the way")
    before = content(root)
    sentence = refusal(mi("train", FAMILY, "--epochs", "5"))
    assert str(root / "results" / FAMILY / VARIANT) in sentence
    assert "cannot be written" in sentence
    assert content(root) == before


def test_a_truncated_checkpoint_is_named_and_the_others_are_analyzed(on: Mi, trained: Path) -> None:
    folder = trained / "results" / FAMILY / VARIANT
    path = folder / "checkpoints" / "e00000020.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    shutil.rmtree(folder / "commits")
    shutil.rmtree(folder / "artifacts.zarr")
    ran = on("analyze", VARIANT, "--analyzers", "sample.answers")
    assert ran.code == 2
    assert str(path) in ran.err
    assert "Traceback" not in ran.err + ran.out
    from mi.store.artifacts import ArtifactReader
    from mi.store.layout import VariantPaths

    assert list(ArtifactReader(VariantPaths(folder)).committed("full", "sample.answers")) == [0, 10, 30, 40]


def test_in_a_real_process_a_refusal_is_one_line_and_exit_code_2(root: Path, tmp_path: Path) -> None:
    for arguments in (
        ("-w", str(tmp_path / "none"), "variants"),
        ("-w", str(root), "show", "nothing"),
        ("-w", str(root), "train", FAMILY, "--set", "size=8"),
        ("-w", str(root), "families", "add", FAMILY),
    ):
        assert refusal(run_process(*arguments))
    assert refusal(run_process("variants", cwd=tmp_path, MI_WORKSPACE=str(tmp_path / "none")))


def test_debug_shows_the_traceback_and_the_sentence(root: Path) -> None:
    ran = run_process("--debug", "-w", str(root), "show", "nothing")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("mi: unknown variant 'nothing'")


def test_a_reader_of_a_pipe_that_goes_away_is_no_error(root: Path, sample_site: Path) -> None:
    import subprocess
    import sys

    code = "from mi.cli import main; main()"
    arguments = [sys.executable, "-c", code, "-w", str(root), "families", "--json"]
    environ = {**os.environ, "PYTHONPATH": str(sample_site)}
    process = subprocess.Popen(
        ["bash", "-c", 'set -o pipefail; "$@" | true', "-", *arguments], stderr=subprocess.PIPE, env=environ
    )
    _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err
