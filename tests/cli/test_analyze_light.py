"""Where everything is fresh, ``mi analyze`` imports neither torch nor anything else that takes long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mi.domain.workspace import Workspace

HEAVY = ("torch", "transformer_lens", "transformers", "safetensors.torch", "xarray", "pandas", "zarr")
SMALL = "d_model=8 d_head=4 n_heads=2 vocabulary=8 context=9 batch=2 segment_min=2 segment_max=3 test_rows=2"
SETTINGS = {"modular_addition_1layer": ["prime=7"], "induction_attention_only": SMALL.split()}


def imported(code: str) -> tuple[list[str], str]:
    """Which of the heavy packages a process has imported after ``code``; and what it printed before."""
    script = f"{code}\nimport sys; print('IMPORTED', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    out, _, last = done.stdout.rstrip().rpartition("IMPORTED")
    return last.split(), out


@pytest.fixture(scope="module", params=SETTINGS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one small variant, analyzed."""
    root = tmp_path_factory.mktemp("light") / "ws"
    settings = [word for one in SETTINGS[request.param] for word in ("--set", one)]
    for words in (
        ("init", str(root)),
        ("-w", str(root), "families", "add", request.param),
        ("-w", str(root), "train", request.param, *settings, "--epochs", "2", "--checkpoints", "0::1"),
        ("-w", str(root), "analyze", "--all"),
    ):
        command = [sys.executable, "-c", "from mi.cli import main; main()", *words]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    return root


@pytest.mark.parametrize("words", [("--threads", "1"), ("--dry-run",)])
def test_nothing_heavy_is_imported_where_all_is_fresh(fresh: Path, words: tuple[str, ...]) -> None:
    command = ["-w", str(fresh), "analyze", "--all", *words]
    heavy, out = imported(f"from mi.cli.group import cli; assert cli.run({command!r}) == 0")
    assert heavy == []
    assert ("everything fresh" in out) != ("--dry-run" in words)
    assert ("0 stale, 0 forward passes" in out) == ("--dry-run" in words)


def test_what_every_plan_calls_imports_no_torch(fresh: Path) -> None:
    """The family's implementation, and coordinates of every analyzer that is offered to it."""
    workspace = Workspace.open(fresh)
    [variant] = workspace.variants()
    offered = workspace.host.analyzers(variant.family).values()
    coordinates = {one.coordinates for one in offered if isinstance(one.coordinates, str)}
    assert len(coordinates) > 5
    code = workspace.host.family_codes()[variant.family.code].implementation
    heavy, _ = imported(
        f"from mi.refs import resolve\nfor ref in {[code, *sorted(coordinates)]!r}: resolve(ref)"
    )
    assert heavy == []
