"""A workspace with the gallery plugin, and variants written by the store's own writers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sample_plugin import FAMILY, SITE, run

from mi.domain.report import Panel, Report
from mi.domain.workspace import Variant, Workspace
from mi.store.blocks import GroupWriter
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory
from mi.store.prepare import prepare
from mi.store.schema import ArraySpec, GroupSpec

# Unequal gaps, as real schedules have them.
EPOCHS = (0, 10, 20, 30, 50, 70, 100, 150, 200, 300, 400, 500)
GALLERY = Path(__file__).parent / "site"
WORKING = ("map", "history", "curves", "bars", "points", "groups")


@contextmanager
def installed() -> Iterator[None]:
    """The sample plugin and the gallery as the only plugins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        patch.syspath_prepend(GALLERY)
        patch.setenv("MI_LOAD_PLUGINS", "sample,gallery")
        for name in ("MI_WORKSPACE", "MI_DISABLE_PLUGINS", "MI_STRICT_PLUGINS"):
            patch.delenv(name, raising=False)
        yield


def new_workspace(folder: Path) -> Workspace:
    assert run("init", str(folder)).code == 0
    assert run("-w", str(folder), "families", "add", FAMILY).code == 0
    return Workspace.open(folder)


def right(size: int, epoch: int) -> np.ndarray:
    """What the artifacts hold at an epoch, (x, y)."""
    x, y = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    return (np.cos(2 * np.pi * (x + 2 * y) / size + epoch / 80) * (1 + epoch / 100)).astype(np.float32)


def add_variant(
    workspace: Workspace,
    *,
    size: int = 7,
    seed: int = 0,
    epochs: Sequence[int] = EPOCHS,
    analyzed: Sequence[int] | None = None,
    losses: bool = True,
) -> Variant:
    """A variant with checkpoints at ``epochs`` and artifacts at ``analyzed`` (all of them by default)."""
    variant = workspace.declare(workspace.family(FAMILY), {"size": size, "seed": seed})
    variant.save_config()
    paths = VariantPaths(variant.folder)
    paths.checkpoints.mkdir()
    for epoch in epochs:
        paths.checkpoint(epoch).write_bytes(b"")  # views list checkpoints and never open one
    if losses and epochs:
        t = np.arange(max(epochs) + 1)
        history = LossHistory(paths, ("train_loss", "test_loss"), len(t) - 1)
        curves = {
            "train_loss": 3 * np.exp(-t / 30) + 1e-4,
            "test_loss": 4 / (1 + np.exp((t - 250) / 30)) + 1e-4,
        }
        history.record(t.tolist(), {name: values.tolist() for name, values in curves.items()})
        history.save()
    write_right(variant, epochs if analyzed is None else analyzed)
    return variant


def write_right(variant: Variant, epochs: Sequence[int], analyzer: str = "sample.answers") -> None:
    if not epochs:
        return
    paths, size = VariantPaths(variant.folder), int(variant.parameters["size"])
    spec = GroupSpec(
        probe="full",
        analyzer=analyzer,
        axes={"x": np.arange(size), "y": np.arange(size)},
        arrays=(ArraySpec("right", ("epoch", "x", "y"), "float32", math.nan, {}),),
        identity="i",
        attrs={"version": 1},
    )
    prepare(paths, spec, list(epochs), [])
    writer = GroupWriter(paths, spec, list(epochs), {e: f"f{e}" for e in epochs}, {"device": "cpu"})
    for epoch in epochs:
        writer.put(epoch, {"right": right(size, epoch)})
    writer.flush()


def report_of(*names: str, **more: object) -> Report:
    panels = tuple(Panel(visualization=n if "." in n else f"gallery.{n}", width=6) for n in names)
    return Report(name="gallery", title="A gallery", panels=panels, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One a test module: tests there only read it, or add variants of their own."""
    with installed():
        yield new_workspace(tmp_path_factory.mktemp("gallery") / "ws")


@pytest.fixture(scope="module")
def variant(workspace: Workspace) -> Variant:
    return add_variant(workspace)
