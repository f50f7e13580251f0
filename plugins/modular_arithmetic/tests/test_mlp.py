"""MLPs over pairs: the functional pass, the hooked model and the literal formula are one network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pair_kit import CODES, drawn, family, grid, literal, make

from mi.errors import CheckpointError, ParameterError
from mi_modular_arithmetic.mlp import ACTIVATIONS, initialize, operand_tables, shapes


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CODES)
def test_all_three_are_the_formula(name: str, activation: str) -> None:
    code = make(name, activation=activation)
    model, tokens = code.build_model("cpu"), grid(code).tokens
    for scale in (1.0, 3.0):
        weights = drawn(code, scale)
        code.load_weights(model, weights)
        expected = literal(code, weights, tokens)
        with torch.inference_mode():
            hooked, cache = model.run_with_cache(torch.as_tensor(tokens))
        functional = code.forward(weights, torch.as_tensor(tokens))
        bound = 1e-6 * np.abs(expected).max()
        assert hooked.shape == functional.shape == (len(tokens), 1, code.order)
        assert np.abs(hooked[:, 0].numpy() - expected).max() < bound
        assert np.abs(functional[:, 0].numpy() - expected).max() < bound
        assert torch.equal(cache["unembed.hook_out"], hooked)
        assert cache["blocks.0.mlp.hook_post"].shape == (len(tokens), 1, 24)
        activated = ACTIVATIONS[activation](cache["blocks.0.mlp.hook_pre"])
        assert torch.equal(cache["blocks.0.mlp.hook_post"], activated)
        left, right = operand_tables(weights)
        pre = left[tokens[:, 0]] + right[tokens[:, 1]]
        torch.testing.assert_close(pre, cache["blocks.0.mlp.hook_pre"][:, 0], rtol=1e-4, atol=1e-5)


def test_looking_up_rows_is_multiplying_with_one_hot_vectors_to_the_bit() -> None:
    code = make("modular_addition_mlp")
    weights, tokens = drawn(code), torch.as_tensor(grid(code).tokens)
    model = code.build_model("cpu")
    code.load_weights(model, weights)
    _, cache = model.run_with_cache(tokens)
    one_hot = torch.nn.functional.one_hot(tokens, 11).flatten(1).float()
    product = torch.stack([(row[:, None] * weights["W_in"]).sum(0) for row in one_hot])
    assert torch.equal(cache["blocks.0.mlp.hook_pre"][:, 0], product)


@pytest.mark.parametrize("name", CODES)
def test_functional_gradients_are_the_models(name: str) -> None:
    code = make(name)
    probe = grid(code)
    tokens, labels = torch.as_tensor(probe.tokens), torch.as_tensor(probe.labels)
    leaves = {n: w.requires_grad_() for n, w in drawn(code, 2.0).items()}
    torch.nn.functional.cross_entropy(code.forward(leaves, tokens)[:, 0], labels).backward()
    model = code.build_model("cpu")
    code.load_weights(model, {n: w.detach() for n, w in leaves.items()})
    torch.nn.functional.cross_entropy(model(tokens)[:, 0], labels).backward()
    for n, parameter in model.named_parameters():
        assert leaves[n].grad is not None and parameter.grad.abs().max() > 0
        assert torch.allclose(parameter.grad, leaves[n].grad, atol=1e-6, rtol=1e-4), n


@pytest.mark.parametrize("name", ["modular_addition_embedding_mlp", "symmetric_group_composition"])
def test_embeddings_can_be_edited_at_their_hook(name: str) -> None:
    code = make(name)
    tokens, weights = torch.as_tensor(grid(code).tokens), drawn(code)
    model = code.build_model("cpu")
    code.load_weights(model, weights)

    def exchange(embedded: torch.Tensor, hook: Any) -> torch.Tensor:
        return embedded[:, [0, 0]]

    found = model.run_with_hooks(tokens, fwd_hooks=[("hook_embed", exchange)])
    assert (found.view(code.order, code.order, -1).std(dim=1) < 1e-5).all(), "b no longer matters"
    assert (model(tokens).view(code.order, code.order, -1).std(dim=1) > 1e-3).any()


@pytest.mark.parametrize("name", CODES)
def test_weights_that_do_not_fit_are_named(name: str) -> None:
    code = make(name)
    model, weights = code.build_model("cpu"), drawn(code)
    for tensor, shape in shapes(code.inputs, code.order, code.parameters).items():
        with pytest.raises(CheckpointError, match=f"tensor {tensor} is missing"):
            code.load_weights(model, {n: w for n, w in weights.items() if n != tensor})
        with pytest.raises(CheckpointError, match=f"tensor {tensor} has shape .*, expected"):
            code.load_weights(model, {**weights, tensor: torch.zeros(shape[0] + 1, shape[1])})
    with pytest.raises(ParameterError, match="expected rows of two"):
        code.forward(weights, torch.zeros(4, 3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("modular_addition_mlp", {"W_in": (226, 512), "W_U": (512, 113)}),
        ("modular_addition_embedding_mlp", {"W_E": (226, 16), "W_in": (16, 512), "W_U": (512, 113)}),
        (
            "symmetric_group_composition",
            {"W_E_left": (120, 256), "W_E_right": (120, 256), "W_in": (512, 128), "W_U": (128, 120)},
        ),
    ],
)
def test_defaults_are_the_literatures(name: str, expected: dict[str, tuple[int, int]]) -> None:
    parameters = family(name).complete({})
    code = CODES[name](parameters)
    weights = initialize(code.inputs, code.order, parameters, "cpu")
    assert {n: tuple(w.shape) for n, w in weights.items()} == expected
    for n, tensor in weights.items():
        width = expected[n][1] if n.startswith("W_E") else expected[n][0]
        assert float(tensor.std()) * math.sqrt(width) == pytest.approx(1, abs=0.05)
    assert {n: parameters[n] for n in ("learning_rate", "weight_decay", "train_fraction")} == {
        "modular_addition_mlp": {"learning_rate": 1e-4, "weight_decay": 1.0, "train_fraction": 0.75},
        "modular_addition_embedding_mlp": {
            "learning_rate": 1e-3,
            "weight_decay": 2.0,
            "train_fraction": 0.75,
        },
        "symmetric_group_composition": {"learning_rate": 1e-3, "weight_decay": 1.0, "train_fraction": 0.4},
    }[name]


@pytest.mark.parametrize("name", CODES)
def test_training_measures_what_the_model_answers(name: str) -> None:
    code = make(name, train_fraction=0.5)
    task, probe = code.training("cpu"), grid(code)
    with torch.no_grad():
        metrics = {
            **task.training_pass(task.weights, 0, torch.Generator()).metrics,
            **task.evaluate(task.weights),
        }
    weights = {n: w.detach() for n, w in task.weights.items()}
    logits = literal(code, weights, probe.tokens)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = np.arange(len(logs))
    for subset, mask in probe.masks.items():
        loss = -logs[rows, probe.labels][mask].mean()
        right = (logits.argmax(axis=1) == probe.labels)[mask].mean()
        assert float(metrics[f"{subset}_loss"]) == pytest.approx(loss, rel=1e-5)
        assert float(metrics[f"{subset}_accuracy"]) == pytest.approx(right, abs=1e-6)
    norm = sum(float(w.double().square().sum()) for w in weights.values())
    assert float(metrics["weight_norm"]) == pytest.approx(norm, rel=1e-6)
    assert tuple(sorted(metrics)) == tuple(sorted(task.metrics))


@pytest.mark.parametrize("name", CODES)
def test_splits_and_moduli_that_make_no_training_are_refused(name: str) -> None:
    for fraction in (0.0, 1.0):
        with pytest.raises(ParameterError, match="expected at least one training and one test pair"):
            make(name, train_fraction=fraction)
    if name != "symmetric_group_composition":
        with pytest.raises(ParameterError, match="prime is 9, expected a prime"):
            make(name, prime=9)
