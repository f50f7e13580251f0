"""A workspace with the family ``lines`` of the plugin in ``site/``, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mi.domain.scaffold import add_family
from mi.domain.workspace import Variant, Workspace

SITE = Path(__file__).parent / "site"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads, and small matrices want one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.syspath_prepend(SITE)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "lines")
    monkeypatch.delenv("MI_WORKSPACE", raising=False)
    (tmp_path / "model_families").mkdir()
    opened = Workspace.open(tmp_path)
    add_family(opened, "lines")
    return opened


Declare = Callable[..., Variant]


@pytest.fixture
def declare(workspace: Workspace) -> Declare:
    """The variant with these parameters, not yet on disk."""
    return lambda **given: workspace.declare(workspace.family("lines"), given)


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``mi train lines …`` in a process of its own."""
    running: list[subprocess.Popen[str]] = []
    path = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", "from mi.cli import main; main()", "train", "lines", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=workspace.root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"},
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def contents() -> Callable[[Variant], dict[str, Any]]:
    """Everything that a training leaves and that must be the same to the bit, however it came about."""

    def read(variant: Variant) -> dict[str, Any]:
        from mi.store.layout import VariantPaths
        from mi.store.losses import open_losses

        paths = VariantPaths(variant.folder)
        losses = open_losses(paths)
        return {
            **{f"losses/{name}": losses[name].values.tobytes() for name in losses},
            "losses/epoch": losses.epoch.values.tobytes(),
            **{f"checkpoints/{p.name}": p.read_bytes() for p in paths.checkpoints.iterdir()},
            **{f"states/{p.name}": p.read_bytes() for p in paths.states.iterdir()},
        }

    return read
