"""Served workspaces, made once a session: of the sample plugin, and of a real family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sample_plugin import FAMILY, SITE, mi, root, run, sample_site
from server.samples import add_variant
from server.serving import Served, served

from mi.domain.report import Panel, Report, save_report
from mi.domain.workspace import Workspace

__all__ = ["mi", "root", "sample_site"]

TROUBLE = Path(__file__).parent / "trouble"
MODULAR = "modular_addition_1layer"


@contextmanager
def shown() -> Iterator[None]:
    """`tests/sample` and `trouble` as the only plugins beside the modular addition family's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        patch.syspath_prepend(TROUBLE)
        patch.setenv("MI_LOAD_PLUGINS", "sample,trouble,modular_arithmetic,fourier_library,geometry_library")
        patch.delenv("MI_WORKSPACE", raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def sample_only() -> Iterator[None]:
    """The plugins of ``shown``, for these tests alone: the process goes on with those of other folders."""
    with shown():
        yield


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Variants: two analyzed, one half-trained, one not analyzed; reports of all kinds."""
    with ExitStack() as stack:
        with shown():
            folder = tmp_path_factory.mktemp("lab") / "lab"
            assert run("init", str(folder)).code == 0
            assert run("-w", str(folder), "families", "add", FAMILY).code == 0
            workspace = Workspace.open(folder)
            add_variant(workspace, FAMILY, {"size": 7})
            add_variant(workspace, FAMILY, {"size": 9}, last=60, every=6)
            add_variant(workspace, FAMILY, {"size": 11}, status="interrupted", reached=20)
            add_variant(workspace, FAMILY, {"size": 13}, analyzed=False)
            workspace.declare(workspace.family(FAMILY), {"size": 15}).save_config()
            reports = folder / "model_families" / FAMILY / "reports"
            kinds = ("raises", "leaves", "ragged", "no_figure")
            panels = [Panel(visualization=f"trouble.{kind}") for kind in kinds]
            panels += [
                Panel(visualization="sample.rigth"),
                Panel(visualization="sample.right", options={"sing": 1}),
            ]
            panels += [Panel(visualization="sample.right"), Panel(visualization="core.losses", width=12)]
            save_report(Report(name="trouble", title="Trouble", probe="full", panels=tuple(panels)), reports)
            slow = Panel(visualization="trouble.slow", options={"waits": True})
            save_report(Report(name="slow", probe="full", panels=(slow,)), reports)
            save_report(Report(name="empty", probe="full"), reports)
            save_report(Report(name="no_probe", probe="none", panels=tuple(panels[-2:])), reports)
            (reports / "broken.json").write_text('{"schema": 1, "panels": [{"visualisation": "<b>"}]}')
            running = stack.enter_context(served(workspace))
        yield running


@pytest.fixture(scope="session")
def modular(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A tiny modular addition model, trained and analyzed by the real commands."""
    with ExitStack() as stack:
        with shown():
            folder = tmp_path_factory.mktemp("modular") / "ws"
            assert run("init", str(folder)).code == 0
            assert run("-w", str(folder), "families", "add", MODULAR).code == 0
            sizes = {"prime": 11, "train_fraction": 0.5, "d_mlp": 16, "d_model": 16}
            size = [word for name, value in sizes.items() for word in ("--set", f"{name}={value}")]
            train = ["train", MODULAR, *size, "--epochs", "60", "--checkpoints", "0:60:10", "--set"]
            for seed in (1, 2):
                done = run("-w", str(folder), *train, f"seed={seed}")
                assert done.code == 0, done.err
            workspace = Workspace.open(folder)
            done = run("-w", str(folder), "analyze", *(v.name for v in workspace.variants()))
            assert done.code == 0, done.err
            running = stack.enter_context(served(workspace))
        yield running
