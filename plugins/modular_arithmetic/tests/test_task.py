from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from mi.domain.family import load_family
from mi.domain.workspace import Workspace
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses
from mi.training import train
from mi_modular_arithmetic.family import ModularTransformer
from mi_modular_arithmetic.losses import accuracy, cross_entropy

FAMILY = load_family(
    Path(str(files("mi_modular_arithmetic"))) / "families" / "modular_addition_1layer" / "family.json"
)
TINY = {"prime": 7, "train_fraction": 0.6, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32}


def test_a_fresh_network_knows_nothing() -> None:
    task = ModularTransformer(FAMILY.complete({})).training("cpu")
    passed = task.training_pass(task.weights, 0, torch.Generator())
    with torch.no_grad():
        metrics = {**passed.metrics, **task.evaluate(task.weights)}
    assert tuple(sorted(metrics)) == tuple(sorted(task.metrics))
    for name in ("train_loss", "test_loss"):
        assert metrics[name].dtype == torch.float64
        assert abs(metrics[name].item() - math.log(113)) < 0.05, name
    for name in ("train_accuracy", "test_accuracy"):
        assert metrics[name] < 0.03
    assert passed.loss.dtype == torch.float64
    expected = sum(float(w.detach().double().square().sum()) for w in task.weights.values())
    assert metrics["weight_norm"].item() == pytest.approx(expected, rel=1e-6)


def test_losses_are_the_plain_formula_on_the_two_halves_of_the_split() -> None:
    code = ModularTransformer(FAMILY.complete(TINY))
    task, train_pairs = code.training("cpu"), code.context()["train"]
    with torch.no_grad():
        metrics = {
            **task.training_pass(task.weights, 0, torch.Generator()).metrics,
            **task.evaluate(task.weights),
        }
        for name, chosen in (("train", train_pairs), ("test", ~train_pairs)):
            losses, right = [], []
            for a, b in zip(*np.nonzero(chosen), strict=True):
                tokens = torch.tensor([[int(a), int(b), 7]])
                logits = code.forward(task.weights, tokens)[0, 0].double()
                losses.append(float(-logits.log_softmax(-1)[(a + b) % 7]))
                right.append(int(logits.argmax()) == (a + b) % 7)
            assert metrics[f"{name}_loss"].item() == pytest.approx(np.mean(losses), rel=1e-6)
            assert metrics[f"{name}_accuracy"].item() == pytest.approx(np.mean(right))


def test_float64_keeps_what_float32_rounds_to_zero() -> None:
    logits = torch.zeros(1, 113)
    logits[0, 5] = 30.0
    label = torch.tensor([5])
    assert torch.nn.functional.cross_entropy(logits, label) == 0.0
    assert cross_entropy(logits, label).item() == pytest.approx(112 * math.exp(-30), rel=1e-3)
    assert accuracy(logits, label) == 1.0
    assert accuracy(logits, torch.tensor([4])) == 0.0


def test_the_optimizer_is_adamw_with_the_declared_numbers() -> None:
    given = {**TINY, "learning_rate": 0.02, "weight_decay": 0.7, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6}
    task = ModularTransformer(FAMILY.complete(given)).training("cpu")
    ours = {name: w.detach().clone() for name, w in task.weights.items()}
    first = {name: torch.zeros_like(w) for name, w in ours.items()}
    second = {name: torch.zeros_like(w) for name, w in ours.items()}
    optimizer = task.optimizer(list(task.weights.values()))
    for step in range(1, 4):
        optimizer.zero_grad()
        task.training_pass(task.weights, step - 1, torch.Generator()).loss.backward()
        for name, w in task.weights.items():  # Loshchilov and Hutter 2019, algorithm 2
            assert w.grad is not None
            first[name] = 0.8 * first[name] + 0.2 * w.grad
            second[name] = 0.95 * second[name] + 0.05 * w.grad**2
            up, down = first[name] / (1 - 0.8**step), (second[name] / (1 - 0.95**step)).sqrt() + 1e-6
            ours[name] = ours[name] - 0.02 * (up / down + 0.7 * ours[name])
        optimizer.step()
    for name, w in task.weights.items():
        assert torch.allclose(w.detach(), ours[name], rtol=1e-4, atol=1e-6), name


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    from mi.domain.scaffold import add_family

    monkeypatch.setenv("MI_LOAD_PLUGINS", "modular_arithmetic")
    (tmp_path / "model_families").mkdir()
    opened = Workspace.open(tmp_path)
    add_family(opened, "modular_addition_1layer")
    return opened


def test_a_tiny_variant_learns_its_training_pairs(workspace: Workspace) -> None:
    variant = workspace.declare(workspace.family("modular_addition_1layer"), {**TINY, "weight_decay": 0.1})
    train(variant, epochs=300, schedule="0:300:100")
    paths = VariantPaths(variant.folder)
    losses = open_losses(paths)
    assert tuple(losses) == ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm")
    assert losses.train_loss[0] > 1.5
    assert losses.train_loss[-1] < 0.2
    assert losses.train_accuracy[-1] > 0.9
    # What is said of a checkpoint's epoch holds for the checkpoint's weights.
    code, middle = variant.code, list_checkpoints(paths)[2]
    weights = load_tensors(middle.path)
    assert losses.test_loss.sel(epoch=middle.epoch).item() == pytest.approx(
        code.training("cpu").evaluate(weights)["test_loss"].item(), rel=1e-6
    )
    norm = sum(float(w.double().square().sum()) for w in weights.values())
    assert losses.weight_norm.sel(epoch=middle.epoch).item() == pytest.approx(norm, rel=1e-6)


def test_the_same_seed_trains_to_the_same_bits(workspace: Workspace) -> None:
    family = workspace.family("modular_addition_1layer")
    found = []
    for folder in ("one", "two"):
        variant = workspace.declare(family, TINY)
        variant.folder = workspace.root / folder / variant.name
        train(variant, epochs=30, schedule="0:30:10")
        found.append([c.path.read_bytes() for c in list_checkpoints(VariantPaths(variant.folder))])
    assert len(found[0]) == 4
    assert found[0] == found[1]
