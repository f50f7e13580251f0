"""Fixtures around `tests/sample`: a real plugin on the path, a workspace with its family, the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mi.testing import Ran, run

SITE = Path(__file__).parent / "sample"
FAMILY = "sample_sums"
Mi = Callable[..., Ran]


@pytest.fixture
def sample_site(monkeypatch: pytest.MonkeyPatch) -> Path:
    """`tests/sample` as an installed plugin, and no other plugin."""
    monkeypatch.syspath_prepend(SITE)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample")
    for name in ("MI_WORKSPACE", "MI_DISABLE_PLUGINS", "MI_STRICT_PLUGINS", "MI_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return SITE


@pytest.fixture
def root(tmp_path: Path, sample_site: Path) -> Path:
    """A workspace's folder that holds the sample plugin's family."""
    folder = tmp_path / "ws"
    assert run("init", str(folder)).code == 0
    assert run("-w", str(folder), "families", "add", FAMILY).code == 0
    return folder


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one trained and analyzed variant, n7_seed0; copy it before writing to it."""
    folder = tmp_path_factory.mktemp("trained") / "ws"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        patch.setenv("MI_LOAD_PLUGINS", "sample")
        for arguments in (
            ("init", str(folder)),
            ("-w", str(folder), "families", "add", FAMILY),
            (
                "-w",
                str(folder),
                "train",
                FAMILY,
                "--epochs",
                "40",
                "--checkpoints",
                "0::10",
                "--threads",
                "1",
            ),
            ("-w", str(folder), "analyze", "n7_seed0", "--threads", "1"),
        ):
            ran = run(*arguments)
            assert ran.code == 0, ran.err
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, sample_site: Path) -> Path:
    """A copy of ``trained_once`` of one's own."""
    return shutil.copytree(trained_once, tmp_path / "trained")


@pytest.fixture
def mi(root: Path) -> Mi:
    """The command in this process, on the workspace ``root``."""
    return lambda *arguments: run("-w", str(root), *arguments)


def run_process(*arguments: str, cwd: Path | None = None, **environ: str) -> Ran:
    """``mi ARGUMENTS`` in a process of its own, with the sample plugin installed."""
    done = subprocess.run(
        [sys.executable, "-c", "from mi.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SITE), "MI_LOAD_PLUGINS": "sample", **environ},
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def refusal(ran: Ran) -> str:
    """The one sentence of a refused command: exit code 2, nothing else on either stream."""
    return ran.refusal()
