"""Checks of a family's training: one sound step, declared metrics, the same bits after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mi.domain.code import Training, VariantCode
from mi.errors import ParameterError
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths
from mi.testing.conformance.family_model import ModelChecks, make_code
from mi.testing.conformance.process import left_behind
from mi.testing.conformance.spec import Spec, Specimen
from mi.testing.conformance.verdict import attempt, broken, moot, quiet, said
from mi.testing.workspace import one_thread
from mi.training import train


class TrainingChecks(ModelChecks):
    """Checks of ``training``; skipped where the family declares none."""

    @pytest.fixture
    def task(self, code: VariantCode) -> Training:
        """A new training task."""
        try:
            return code.training(self.device)
        except ParameterError as error:
            moot(f"the family declares no training ({said(error)})")
        except Exception as error:
            broken(f"{type(code).__name__}.training raises {said(error)}; return a Training")

    def test_training_takes_a_step(self, task: Training, code: VariantCode) -> None:
        """Weights are leaves that require grad; the loss is a finite scalar; a step changes some weight."""
        who = f"{type(code).__name__}.training"
        for name, tensor in task.weights.items():
            if not (tensor.is_leaf and tensor.requires_grad):
                broken(
                    f"{who}: weight {name} is no leaf that requires grad; call requires_grad_() on it last"
                )
        before = {name: tensor.detach().clone() for name, tensor in task.weights.items()}
        passed = attempt(lambda: _pass(task), f"{who}().training_pass", "return a TrainingPass")
        if passed.loss.ndim or not passed.loss.isfinite() or not passed.loss.requires_grad:
            broken(f"{who}().training_pass gives the loss {passed.loss}; give a finite scalar with a graph")
        optimizer = task.optimizer(list(task.weights.values()))
        passed.loss.backward()
        optimizer.step()
        if all(tensor.equal(before[name]) for name, tensor in task.weights.items()):
            broken(f"{who}: an optimizer step changes no weight; compute the loss from the given weights")

    def test_metrics_are_declared(self, task: Training, code: VariantCode) -> None:
        """A pass and the evaluation return the declared metrics, each once, as scalars without a graph."""
        who = f"{type(code).__name__}.training"
        import torch

        with quiet("see test_training_takes_a_step"):
            passed = dict(_pass(task).metrics)
        with torch.no_grad():
            evaluated = attempt(
                lambda: dict(task.evaluate(task.weights)), f"{who}().evaluate", "return metrics"
            )
        if twice := sorted(passed.keys() & evaluated.keys()):
            broken(f"{who}: metric {twice[0]!r} comes from the pass and from evaluate(); return it once")
        returned = {**passed, **evaluated}
        if odd := sorted(returned.keys() ^ set(task.metrics)):
            where = "returned but not declared" if odd[0] in returned else "declared but not returned"
            broken(f"{who}: metric {odd[0]!r} is {where}; list in `metrics` exactly what is returned")
        for name, value in returned.items():
            if getattr(value, "ndim", None) != 0 or value.requires_grad:
                broken(f"{who}: metric {name!r} is {value!r:.60}; return a scalar tensor, detached")

    def test_training_leaves_the_process_alone(self, task: Training, code: VariantCode) -> None:
        """A pass and an evaluation draw from the generator that they are given, and from no global one."""
        import torch

        def everything() -> None:
            _pass(task)
            with torch.no_grad():
                task.evaluate(task.weights)

        with quiet("see test_training_takes_a_step"):
            changed = left_behind(everything)
        if changed:
            broken(f"{type(code).__name__}.training: {changed[0]} is another after a pass; "
                   "draw batches with the generator that training_pass is given")  # fmt: skip

    def test_training_resumes_to_the_bit(
        self, task: Training, specimen: Specimen, spec: Spec, tmp_path: Path
    ) -> None:
        """Stopped half-way and resumed, training gives the same checkpoints and losses, to the bit."""
        with quiet("see test_training_takes_a_step and test_metrics_are_declared"):
            again = make_code(specimen, {}).training(self.device).weights
            if any(not tensor.equal(again[name]) for name, tensor in task.weights.items()):
                moot("see test_initialization_is_seeded")
            whole = _trained(specimen, tmp_path / "whole", spec, [spec.epochs])
        halves = attempt(
            lambda: _trained(specimen, tmp_path / "halves", spec, [spec.epochs // 2, spec.epochs]),
            f"family {specimen.family.name}: resuming its training",
            "keep all of its state in weights, optimizer and generator",
        )
        for name in sorted(whole.keys() & halves.keys()):
            if whole[name] != halves[name]:
                broken(
                    f"family {specimen.family.name}: {name} differs when training is resumed at epoch "
                    f"{spec.epochs // 2}; draw only from the generator; depend on no earlier call"
                )


def _pass(task: Training) -> Any:
    import torch

    generator = torch.Generator().manual_seed(task.generator_seed)
    return task.training_pass(task.weights, 0, generator)


def _trained(specimen: Specimen, folder: Path, spec: Spec, lengths: list[int]) -> dict[str, bytes]:
    """Every checkpoint and metric of a training in as many parts as there are lengths."""
    from attrs import evolve

    from mi.store.losses import open_losses

    variant = specimen.workspace.declare(specimen.family, spec.parameters)
    schedule = f"0::{max(1, spec.epochs // 2)}"
    for i, length in enumerate(lengths):
        # A new object each time: its code, too, is made anew, as in a new process.
        part = evolve(variant, folder=folder)
        with one_thread():
            train(part, epochs=length, schedule=schedule, states="last", device=spec.device, resume=i > 0)
    paths = VariantPaths(folder)
    found = {f"the checkpoint at epoch {c.epoch}": c.path.read_bytes() for c in list_checkpoints(paths)}
    losses = open_losses(paths)
    found |= {f"metric {n}": np.asarray(losses[n].values).tobytes() for n in losses.data_vars}
    return found
