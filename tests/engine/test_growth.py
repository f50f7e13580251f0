"""What a checkpoint costs does not depend on how many there are; counted in calls and bytes, not seconds."""

from __future__ import annotations

import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from mi.cli import cli
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

IO = Path("/proc/self/io")
GROWTH = 1.1  # what one checkpoint more costs may be this much more among twice as many
LATER = "tiny.gap"  # needs results of the same checkpoint, and of the reference


@define
class Cost:
    """What something took: calls of functions on all threads, bytes handed to and from files."""

    calls: int = 0
    read: int = 0
    written: int = 0


@contextmanager
def counted() -> Iterator[Cost]:
    cost, tick = Cost(), itertools.count().__next__
    before = _bytes()
    threading.setprofile(lambda *_: tick())  # type: ignore[arg-type]
    sys.setprofile(lambda *_: tick())
    try:
        yield cost
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    cost.calls = tick()
    cost.read, cost.written = (now - then for now, then in zip(_bytes(), before, strict=True))


def _bytes() -> tuple[int, int]:
    if not IO.exists():  # elsewhere than on Linux calls alone are counted
        return 0, 0
    told = dict(re.findall(r"(\w+): (\d+)", IO.read_text()))
    return int(told["rchar"]), int(told["wchar"])


def by_library(variant: Any, analyzers: list[str]) -> None:
    variant = Workspace.open(variant.workspace.root).variant(variant.id)
    assert not analyze([variant], analyzers=analyzers).failures


def by_command(variant: Any, analyzers: list[str]) -> None:
    words = ["analyze", variant.id, "--analyzers", ",".join(analyzers)]
    assert cli.run(["-w", str(variant.workspace.root), *words]) == 0


def costs(variant: Any, way: Callable[..., None], analyzers: list[str]) -> dict[str, Cost]:
    """What each step costs: everything new, one analyzer more, everything fresh."""
    steps = {"new": analyzers, "one more": [*analyzers, LATER], "fresh": [*analyzers, LATER]}
    found = {}
    for name, asked in steps.items():
        with counted() as found[name]:
            way(variant, asked)
    return found


def check(make: Any, way: Callable[..., None], root: Path, analyzers: list[str], few: int) -> None:
    counts = (few, 2 * few, 4 * few)
    way(make((0,), root=root / "warm"), analyzers)  # imports are nobody's
    found = []
    for count in counts:
        variant = make(range(count), root=root / str(count))
        found.append(costs(variant, way, analyzers))
        committed = ArtifactReader(VariantPaths(variant.folder)).committed
        assert all(len(committed("full", id)) == count for id in ("tiny.means", LATER))
    for step, what in itertools.product(found[0], ("calls", "read", "written")):
        one, two, four = (getattr(cost[step], what) for cost in found)
        among_few, among_many = (two - one) / few, (four - two) / (2 * few)
        slack = 1 if what == "calls" else 100  # of what hardly depends on checkpoints
        assert among_many <= GROWTH * among_few + slack, (step, what, one, two, four)


def test_a_checkpoint_costs_the_same_among_many(make: Any, tmp_path: Path) -> None:
    check(make, by_library, tmp_path, ["tiny.means", "tiny.path"], 66)


@pytest.mark.soak
@pytest.mark.parametrize("way", [by_library, by_command])
def test_a_checkpoint_costs_the_same_among_a_thousand(
    make: Any, tiny: Any, way: Callable[..., None], tmp_path: Path
) -> None:
    check(make, way, tmp_path, [id for id in tiny.ANALYZERS if id != LATER], 250)
