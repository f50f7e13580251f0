"""Transformers of any depth, with LayerNorm or without, on every task: one model, and it trains."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mi.domain.family import load_family
from mi.domain.probe import Probe, probe_from_rows
from mi.domain.workspace import Workspace
from mi.errors import CheckpointError, ParameterError
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses
from mi.training import train
from mi_modular_arithmetic.bridge import bridge_state
from mi_modular_arithmetic.family import ModularTransformer
from mi_modular_arithmetic.tasks import TASKS
from mi_modular_arithmetic.transformer import last_logits
from mi_modular_arithmetic.weights import initialize, shapes

FAMILY = "modular_arithmetic_transformer"
SHIPPED = Path(str(files("mi_modular_arithmetic"))) / "families"
DECLARED = load_family(SHIPPED / FAMILY / "family.json")
# No dimension equals another, so that none can stand for another by accident.
SMALL = {"modulus": 7, "d_model": 24, "n_heads": 3, "d_head": 5, "d_mlp": 40, "train_fraction": 0.6}
DESIGNS: list[dict[str, Any]] = [
    {},
    {"activation": "gelu", "task": "mul"},
    {"layer_norm": True, "activation": "silu"},
    {"n_layers": 2, "task": "sub", "modulus": 6},
    {"n_layers": 3, "layer_norm": True, "activation": "gelu_new", "task": "div"},
]


def code_of(**given: object) -> ModularTransformer:
    return ModularTransformer(DECLARED.complete({**SMALL, **given}))


def grid(code: ModularTransformer) -> Probe:
    a, b = (x.ravel() for x in np.meshgrid(*code.axes().values(), indexing="ij"))
    return probe_from_rows(code, {"a": a, "b": b}, complete=True)


def weights_of(code: ModularTransformer) -> dict[str, torch.Tensor]:
    """Weights of which every one matters: large, and gains and biases that are not 1 and 0."""
    generator = torch.Generator().manual_seed(2)
    found = initialize(code.parameters, "cpu")
    return {
        name: 2 * tensor if tensor.ndim > 1 else tensor + 0.3 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in found.items()
    }


@pytest.mark.parametrize("given", DESIGNS, ids=str)
def test_logits_and_gradients_are_the_hooked_models(given: dict[str, Any]) -> None:
    code = code_of(**given)
    probe, model, weights = grid(code), code.build_model("cpu"), weights_of(code)
    tokens, labels = torch.as_tensor(probe.tokens), torch.as_tensor(probe.labels)
    code.load_weights(model, weights)
    for tensor in weights.values():
        tensor.requires_grad_()
    found, expected = code.forward(weights, tokens), model(tokens)[:, -1:]
    assert found.shape == (len(probe), 1, code.group.size)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert float(expected.detach().std()) > 0.1, "logits that are all alike would prove nothing"
    F.cross_entropy(found[:, 0], labels).backward()
    F.cross_entropy(expected[:, 0], labels).backward()
    parameters = dict(model.state_dict(keep_vars=True))
    for name, gradient in bridge_state({n: w.grad for n, w in weights.items()}, code.design).items():  # type: ignore[misc]
        if name.endswith("weight") or ".ln" in name or name.startswith("ln"):
            assert torch.allclose(parameters[name].grad, gradient, rtol=1e-3, atol=1e-6), name
            assert gradient.abs().max() > 0, name


def test_the_factorized_pass_is_the_general_one_where_it_is_used() -> None:
    code = code_of(activation="gelu")
    assert code.design.factorizes
    assert not code_of(n_layers=2).design.factorizes and not code_of(layer_norm=True).design.factorizes
    tokens, weights = torch.as_tensor(grid(code).tokens), weights_of(code)
    general = last_logits(weights, tokens, code.design)
    assert torch.allclose(code.forward(weights, tokens)[:, 0], general, rtol=1e-4, atol=1e-5)


def test_tensors_are_named_by_layer_where_there_are_several() -> None:
    one, deep = shapes(code_of().parameters), shapes(code_of(n_layers=2, layer_norm=True).parameters)
    assert list(one) == ["W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"]
    norms = ("ln1.w", "ln1.b", "ln2.w", "ln2.b")
    blocks = [f"blocks.{i}.{name}" for i in range(2) for name in (*list(one)[2:-1], *norms)]
    assert list(deep) == ["W_E", "W_pos", *blocks, "ln_final.w", "ln_final.b", "W_U"]
    assert shapes(code_of(task="mul").parameters)["W_E"] == (7, 24), "six units and '='"


def test_loading_is_strict_in_every_layer() -> None:
    code = code_of(n_layers=2, layer_norm=True)
    model, weights = code.build_model("cpu"), weights_of(code)
    for name, wrong, words in (
        ("blocks.1.W_in", None, "tensor blocks.1.W_in is missing, expected shape"),
        ("blocks.0.ln2.b", torch.zeros(23), "tensor blocks.0.ln2.b has shape"),
        ("W_in", torch.zeros(24, 40), "tensor 'W_in' is unknown"),
    ):
        given = {**weights, name: wrong} if wrong is not None else {**weights}
        if wrong is None:
            del given[name]
        with pytest.raises(CheckpointError, match=words):
            code.load_weights(model, given)


@pytest.mark.parametrize("task", ["mul", "div"])
def test_products_need_a_prime(task: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        code_of(task=task, modulus=12)
    assert str(refusal.value) == (
        f"modulus is 12, expected a prime of at least 3 for the task {task} ({TASKS[task].formula}), "
        "whose operands all need an inverse; the nearest: 11 or 13"
    )
    for task in ("add", "sub", "quad"):
        assert code_of(task=task, modulus=12).group.size == 12


def test_the_defaults_are_the_papers_and_names_say_what_differs() -> None:
    one_layer = load_family(SHIPPED / "modular_addition_1layer" / "family.json")
    theirs, ours = one_layer.complete({}), DECLARED.complete({})
    assert {name: value for name, value in ours.items() if name in theirs} == {
        name: value for name, value in theirs.items() if name != "prime"
    }
    assert ours["modulus"] == theirs["prime"] == 113
    assert (ours["task"], ours["n_layers"], ours["activation"], ours["layer_norm"]) == (
        "add",
        1,
        "relu",
        False,
    )
    assert DECLARED.variant_name(ours) == "p113_add_seed999"
    deep = DECLARED.complete({"task": "div", "modulus": 97, "n_layers": 2, "layer_norm": True})
    assert DECLARED.variant_name(deep) == "p97_div_seed999_layers2_lntrue"


def test_the_two_families_are_one_model_where_they_overlap() -> None:
    one_layer = load_family(SHIPPED / "modular_addition_1layer" / "family.json")
    sizes = {name: value for name, value in SMALL.items() if name != "modulus"}
    theirs = ModularTransformer(one_layer.complete({"prime": 7, **sizes}))
    ours = code_of()
    first, second = theirs.training("cpu"), ours.training("cpu")
    assert list(first.weights) == list(second.weights)
    assert all(first.weights[name].equal(second.weights[name]) for name in first.weights)
    losses = [t.training_pass(t.weights, 0, torch.Generator()).loss.item() for t in (first, second)]
    assert losses[0] == losses[1]
    assert grid(theirs).digest == grid(ours).digest


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    from mi.domain.scaffold import add_family

    root = tmp_path_factory.mktemp("workspace")
    (root / "model_families").mkdir()
    opened = Workspace.open(root)
    add_family(opened, FAMILY)
    return opened


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("add", {"modulus": 6, "n_layers": 2}),
        ("sub", {"layer_norm": True, "weight_decay": 0.1}),
        ("mul", {"activation": "gelu"}),
        ("div", {"n_layers": 2, "layer_norm": True, "weight_decay": 0.1}),
        ("quad", {"activation": "silu"}),
    ],
)
def test_every_task_is_learned(workspace: Workspace, task: str, given: dict[str, Any]) -> None:
    parameters = {**SMALL, "learning_rate": 0.01, "weight_decay": 0.3, "task": task, **given}
    variant = workspace.declare(workspace.family(FAMILY), parameters)
    train(variant, epochs=60, schedule="0:60:20")
    paths = VariantPaths(variant.folder)
    losses = open_losses(paths)
    assert losses.train_loss[0] > 1.2
    assert losses.train_accuracy[-1] > 0.9 and losses.train_loss[-1] < 0.5
    code, last = variant.code, list_checkpoints(paths)[-1]
    weights = load_tensors(last.path)
    # By hand: the loss of the pairs that were held out, answered as the task says, by the hooked model.
    model = code.build_model("cpu")
    code.load_weights(model, weights)
    test = [
        (int(a), int(b))
        for i, a in enumerate(code.axes()["a"])
        for j, b in enumerate(code.axes()["b"])
        if not code.context()["train"][i, j]
    ]
    first = 1 if task in ("mul", "div") else 0
    p, n = code.group.p, code.group.size
    right = [int(TASKS[task].answer(np.array(a), np.array(b), p)) - first for a, b in test]
    with torch.inference_mode():
        logits = model(torch.tensor([[a - first, b - first, n] for a, b in test]))[:, -1]
    expected = F.cross_entropy(logits.double(), torch.tensor(right)).item()
    assert losses.test_loss.sel(epoch=last.epoch).item() == pytest.approx(expected, rel=1e-4)
