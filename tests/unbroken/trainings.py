"""Trainings that are killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define
from unbroken.bench import findings
from unbroken.net import Net, Scenario
from unbroken.warm import SITES

from mi.store.checkpoints import list_checkpoints, list_states, load_tensors
from mi.store.integrity import DAMAGED
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses
from mi.training import variant_state

TRAIN = ("train", "lines", "--resume", "--checkpoints", "0:100:2")


def _new(root: Path, mi: Callable[..., None]) -> None:
    shutil.copytree(SITES[1] / "mi_lines" / "families" / "lines", root / "model_families" / "lines")
    (root / "results").mkdir()


def _begun(root: Path, mi: Callable[..., None]) -> None:
    _new(root, mi)
    mi(*TRAIN, "--epochs", "5")


def _thinned(root: Path, mi: Callable[..., None]) -> None:
    _new(root, mi)
    mi(*TRAIN, "--epochs", "2", "--states", "last")


SCENARIOS = (
    Scenario("a training", _new, (*TRAIN, "--epochs", "6")),
    Scenario("a training made longer", _begun, (*TRAIN, "--epochs", "10")),
    Scenario("a training that keeps one state", _thinned, (*TRAIN, "--epochs", "8")),
)


@define
class TrainingNet(Net):
    """What is visible: checkpoints, states and losses."""

    @staticmethod
    def paths(root: Path) -> VariantPaths:
        """The variant's in a workspace."""
        return VariantPaths(root / "results" / "lines" / "seed0")

    @staticmethod
    def visible(paths: VariantPaths) -> dict[Any, Any]:
        """Bytes of every file that is read as a checkpoint or state, and every loss."""
        found: dict[Any, Any] = {
            ("checkpoint", c.epoch): c.path.read_bytes() for c in list_checkpoints(paths)
        }
        found |= {("state", e): path.read_bytes() for e, path in list_states(paths).items()}
        if paths.losses.exists():
            losses = open_losses(paths)
            found |= {("losses", str(name)): losses[name].values.tobytes() for name in losses.variables}
        return found

    def look(self, paths: VariantPaths, at: int) -> None:
        """Checkpoints and their losses are those of an undisturbed training; a state continues the last."""
        there = list_checkpoints(paths)
        held = {("checkpoint", c.epoch): c.path.read_bytes() for c in there}
        assert held.items() <= {**self.after, **self.before}.items(), at
        before = {key for key in self.before if key[0] == "checkpoint"}
        assert before <= held.keys(), at  # what was there stays
        assert not there or [c.epoch for c in there] == [k[1] for k in sorted(self._kept())][: len(there)], at
        if there:
            assert max(list_states(paths)) >= there[-1].epoch, at
            truth, losses = self._losses(), open_losses(paths)
            for name, expected in truth.items():
                found = losses[name].values[: there[-1].epoch + 1]
                assert found.tobytes() == expected[: len(found)].tobytes(), (name, at)
                assert len(found) == there[-1].epoch + 1, (name, at)
        for path in list_states(paths).values():
            load_tensors(path)
        assert variant_state(paths).split(" ")[0] in ("declared", "interrupted", "trained"), at
        assert [f for f in findings(paths) if f.state == DAMAGED] == [], at

    def _kept(self) -> list[tuple[str, int]]:
        return [key for key in self.after if key[0] == "checkpoint"]

    def _losses(self) -> dict[str, np.ndarray]:
        return {
            key[1]: np.frombuffer(data, dtype=np.float64)
            for key, data in self.after.items()
            if key[0] == "losses" and key[1] != "epoch"
        }
