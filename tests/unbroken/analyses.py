"""Analyses that are killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import define
from unbroken.bench import NAME, checkpoint, flagged, visible, workspace
from unbroken.net import Net, Scenario

from mi.store.layout import VariantPaths

VARIANT = f"tiny/{NAME}"
ANALYZE = ("analyze", VARIANT)
KEEP = (*ANALYZE, "--keep", "hook_hidden@-1", "--keep", "hook_logits")


def _first(root: Path, mi: Callable[..., None]) -> None:
    workspace(root, range(0, 60, 10))


def _grown(root: Path, mi: Callable[..., None]) -> None:
    workspace(root, range(0, 60, 20))
    mi("analyze", VARIANT)
    workspace(root, range(0, 60, 10))


def _option(root: Path, mi: Callable[..., None]) -> None:
    workspace(root, range(0, 60, 10))
    mi("analyze", VARIANT)
    workspace(root, (), options={"tiny.means": {"power": 2}})


def _replaced(root: Path, mi: Callable[..., None]) -> None:
    paths = workspace(root, range(0, 60, 10))
    mi("analyze", VARIANT)
    checkpoint(paths, 20, seed=1)


def _absent(root: Path, mi: Callable[..., None]) -> None:
    """Activations of checkpoints of which some are gone, and analyzers that are new."""
    paths = workspace(root, range(0, 60, 10), analyzers=("tiny.norms",))
    mi(*KEEP)
    for epoch in (10, 50):
        paths.checkpoint(epoch).unlink()
    workspace(root, ())


def _stale(root: Path, mi: Callable[..., None]) -> None:
    paths = workspace(root, range(0, 60, 10))
    mi("analyze", VARIANT)
    paths.checkpoint(50).unlink()  # the reference: what compares with it is stale
    checkpoint(paths, 0, seed=1)
    workspace(root, (), analyzers=("tiny.means", "tiny.gap"))


def _kept(root: Path, mi: Callable[..., None]) -> None:
    _grown(root, mi)
    mi("analyze", VARIANT, "--keep", "hook_hidden", "--epochs", "0,20")


def _packed(root: Path, mi: Callable[..., None]) -> None:
    workspace(root, range(0, 60, 20))
    mi("analyze", VARIANT)
    mi("pack", VARIANT)
    workspace(root, range(0, 60, 10))


def _beside(root: Path, mi: Callable[..., None]) -> None:
    _finished(root, mi)
    mi("pack", VARIANT)


def _finished(root: Path, mi: Callable[..., None]) -> None:
    workspace(root, range(0, 60, 10))
    mi("analyze", VARIANT)


SCENARIOS = (
    Scenario("a first analysis", _first, ANALYZE),
    Scenario("checkpoints added between", _grown, ANALYZE),
    Scenario("an option changed", _option, ANALYZE),
    Scenario("a checkpoint replaced", _replaced, ANALYZE),
    Scenario("kept activations read", _absent, ANALYZE),
    Scenario("a cleaning", _stale, ("clean", VARIANT, "--yes"), (ANALYZE,)),
    Scenario("activations kept", _kept, (*ANALYZE, "--keep", "hook_hidden", "--keep", "hook_logits@-1")),
    Scenario("checkpoints added to what is packed", _packed, ANALYZE),
    Scenario("activations kept beside what is packed", _beside, (*ANALYZE, "--keep", "hook_hidden@-1")),
    Scenario("a packing", _finished, ("pack", VARIANT)),
)


@define
class AnalysisNet(Net):
    """What is visible: every committed result, with its fingerprint."""

    visible = staticmethod(visible)

    @staticmethod
    def paths(root: Path) -> VariantPaths:
        """The variant's in a workspace."""
        return VariantPaths(root / "results" / "tiny" / NAME)

    def look(self, paths: VariantPaths, at: int) -> None:
        """What a reader sees is whole, and right for the fingerprint that it carries."""
        for key, seen in visible(paths).items():
            assert seen in (self.before.get(key), self.after.get(key)), (key, at)
        for key, bits in flagged(paths).items():
            assert bits in [side[key][1] for side in (self.before, self.after) if key in side], (key, at)
