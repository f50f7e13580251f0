"""The same inputs give the same bytes on the same device and number of threads; docs/determinism.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerics import worlds

from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.testing.workspace import one_thread

FAMILIES = tuple(worlds.PLUGINS)
ROWS_AT_ONCE = 20
Results = Mapping[str, Mapping[str, np.ndarray]]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_two_processes_write_the_same_files(tmp_path: Path) -> None:
    """Checkpoints, metadata, compressed chunks and commit records, with one thread and with two."""
    folders = [tmp_path / "one", tmp_path / "other"]
    environment = {**os.environ, "GOMP_SPINCOUNT": "1000"}  # as `mi` sets it
    processes = [
        subprocess.Popen(
            [sys.executable, worlds.__file__, str(folder), "1", "2"], stderr=subprocess.PIPE, env=environment
        )
        for folder in folders
    ]
    for process in processes:
        _, told = process.communicate()
        assert process.returncode == 0, told.decode()
    for threads in (1, 2):
        one, other = (files(folder / f"threads{threads}") for folder in folders)
        assert one.keys() == other.keys() and len(one) > 200
        assert [name for name in one if one[name] != other[name]] == []


@pytest.fixture(scope="module", params=FAMILIES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A variant of each family."""
    root = tmp_path_factory.mktemp("world") / "ws"
    with one_thread():
        return worlds.laid(
            worlds.workspace_of(root, request.param), request.param, worlds.SMALL[request.param]
        )


@pytest.fixture
def copied(world: Any, tmp_path: Path) -> Callable[[], Any]:
    """``copied()``: the variant in a workspace of its own, with nothing analyzed."""

    def copy() -> Any:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(
            world.workspace.root, root, ignore=shutil.ignore_patterns("artifacts.zarr", "commits")
        )
        return Workspace(root, world.workspace.host).variant(world.id)

    return copy


def results(variant: Any) -> Results:
    reader = ArtifactReader(VariantPaths(variant.folder))
    (probe,) = reader.probes()
    found = {}
    for id in reader.analyzers(probe):
        data = reader.dataset(probe, id).load()
        found[id] = {str(n): data[n].values for n in data.variables}
    return found


def run(variant: Any, **settings: Any) -> None:
    with one_thread():
        summary = analyze([variant], **settings)
    assert summary.failures == []


def unequal(one: Results, other: Results) -> list[str]:
    return [
        f"{id}/{name}"
        for id, arrays in one.items()
        for name, values in arrays.items()
        if values.tobytes() != other[id][name].tobytes()
    ]


@pytest.fixture(scope="module", autouse=True)
def batches() -> Iterator[None]:
    """The probe goes in a few batches of rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mi.engine.capture.Resident.rows_at_once", lambda self, row_bytes: ROWS_AT_ONCE)
        yield


@pytest.fixture(scope="module")
def together(world: Any) -> Results:
    """All analyzers at once."""
    assert len(world.probe()[1]) > 2 * ROWS_AT_ONCE
    run(world)
    found = results(world)
    assert len(found) >= 10
    return found


def test_an_analyzer_alone_gives_what_it_gives_among_others(
    copied: Callable[[], Any], together: Results
) -> None:
    """Alone it asks for fewer sites, so that the pass may stop at an earlier layer."""
    variant = copied()
    for id in together:
        run(variant, analyzers=[id])
    assert unequal(together, results(variant)) == []


def test_another_order_and_epoch_by_epoch_give_what_all_at_once_gives(
    copied: Callable[[], Any], together: Results
) -> None:
    variant = copied()
    listed = [use.id for use in variant.family.analyzers]
    worlds.rewrite(variant.family.folder / "family.json", reversed(listed))
    variant = Workspace(variant.workspace.root, variant.workspace.host).variant(variant.id)
    for epoch in (3, 8, 0):
        run(variant, epochs=[epoch])
    assert unequal(together, results(variant)) == []
