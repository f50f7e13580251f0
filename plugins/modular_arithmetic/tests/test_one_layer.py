"""The factorized pass, the TransformerBridge and the checkpoint's tensors are one and the same model."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mi.domain.family import load_family
from mi.domain.probe import probe_from_rows
from mi.errors import CheckpointError, ParameterError
from mi_modular_arithmetic.bridge import bridge_state
from mi_modular_arithmetic.family import ModularTransformer
from mi_modular_arithmetic.weights import initialize, shapes

FAMILY = load_family(
    Path(str(files("mi_modular_arithmetic"))) / "families" / "modular_addition_1layer" / "family.json"
)
# Heads narrower than d_model / n_heads, so that no dimension can stand for another by accident.
SMALL = {"prime": 11, "d_model": 24, "n_heads": 3, "d_head": 5, "d_mlp": 40}


def _code(**given: object) -> ModularTransformer:
    return ModularTransformer(FAMILY.complete(given))


def _grid(code: ModularTransformer) -> torch.Tensor:
    p = code.parameters["prime"]
    a, b = (g.ravel() for g in np.meshgrid(np.arange(p), np.arange(p), indexing="ij"))
    return torch.as_tensor(probe_from_rows(code, {"a": a, "b": b}, complete=True).tokens)


@pytest.fixture(scope="module")
def small() -> tuple[ModularTransformer, Any]:
    code = _code(**SMALL)
    return code, code.build_model("cpu")


def _weights(code: ModularTransformer, scale: float = 1.0, seed: int = 1) -> dict[str, torch.Tensor]:
    return {n: scale * w for n, w in initialize({**code.parameters, "seed": seed}, "cpu").items()}


@pytest.mark.parametrize("given", [{}, SMALL, {**SMALL, "n_heads": 1, "d_head": 1}], ids=["113", "11", "one"])
def test_the_factorized_logits_are_the_bridges(given: dict[str, Any]) -> None:
    code = _code(**given)
    model, tokens = code.build_model("cpu"), _grid(code)[::7]
    for scale in (1.0, 2.0, 3.0):  # scaled weights have peaked attention patterns
        weights = _weights(code, scale)
        code.load_weights(model, weights)
        with torch.inference_mode():
            expected = model(tokens)[:, -1:]
            found = code.forward(weights, tokens)
        assert found.shape == (len(tokens), 1, code.parameters["prime"])
        assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))


def test_the_factorized_gradients_are_the_bridges(small: tuple[ModularTransformer, Any]) -> None:
    code, model = small
    tokens, weights = _grid(code), _weights(code, 2.0)
    labels = (tokens[:, 0] + tokens[:, 1]) % 11
    leaves = {name: w.requires_grad_() for name, w in weights.items()}
    torch.nn.functional.cross_entropy(code.forward(leaves, tokens)[:, 0], labels).backward()
    code.load_weights(model, {name: w.detach() for name, w in weights.items()})
    model.zero_grad()
    torch.nn.functional.cross_entropy(model(tokens)[:, -1], labels).backward()
    # The gradient in the bridge's own layout, by the same conversion as the weights.
    expected = bridge_state({name: w.grad for name, w in leaves.items()}, code.design)  # type: ignore[misc]
    parameters = dict(model.state_dict(keep_vars=True))
    for name, gradient in expected.items():
        if name.endswith("weight"):
            assert torch.allclose(parameters[name].grad, gradient, atol=1e-6, rtol=1e-4), name


def test_every_weight_matters_to_the_logits(small: tuple[ModularTransformer, Any]) -> None:
    code, _ = small
    tokens, weights = _grid(code), _weights(code, 2.0)
    before = code.forward(weights, tokens)
    for name, tensor in weights.items():
        changed = code.forward({**weights, name: tensor * 1.1}, tokens)
        assert (changed - before).abs().max() > 1e-4, name


def test_the_bridges_accessors_have_the_checkpoints_orientation(
    small: tuple[ModularTransformer, Any],
) -> None:
    code, model = small
    weights = _weights(code)
    code.load_weights(model, weights)
    for name, tensor in weights.items():
        found = getattr(model, name)
        assert torch.equal(found if name in ("W_E", "W_pos", "W_U") else found[0], tensor), name
    assert not model.b_U.any()


def test_loading_is_in_place_and_leaves_nothing_behind(small: tuple[ModularTransformer, Any]) -> None:
    code, model = small
    where = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(7.0)  # biases and the buffer unembed.bias included
    weights = _weights(code)
    code.load_weights(model, weights)
    assert {name: tensor.data_ptr() for name, tensor in model.state_dict().items()} == where
    with torch.inference_mode():
        assert torch.allclose(model(_grid(code))[:, -1:], code.forward(weights, _grid(code)), atol=1e-5)


def test_the_unembedding_bias_is_a_buffer_that_counts(small: tuple[ModularTransformer, Any]) -> None:
    """The trap that ``bridge_state`` guards against."""
    code, model = small
    code.load_weights(model, _weights(code))
    assert "unembed.bias" in model.state_dict()
    assert not any(name.endswith("unembed.bias") for name, _ in model.named_parameters())
    with torch.inference_mode():
        before = model(_grid(code))
        model.state_dict()["unembed.bias"].fill_(1.0)
        assert torch.allclose(model(_grid(code)), before + 1.0, atol=1e-5)


def test_the_native_load_is_strict(small: tuple[ModularTransformer, Any]) -> None:
    code, model = small
    state = bridge_state(_weights(code), code.design)
    assert state.keys() == model.state_dict().keys()
    del state["blocks.0.mlp.in.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*mlp\.in\."):
        model.load_state_dict(state, strict=True)


@pytest.mark.parametrize("name", list(shapes(_code(**SMALL).parameters)))
def test_a_missing_or_misshapen_tensor_is_named(small: tuple[ModularTransformer, Any], name: str) -> None:
    code, model = small
    weights = _weights(code)
    shape = tuple(weights[name].shape)
    code.load_weights(model, weights)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    for wrong, sentence in (
        (
            {n: w for n, w in weights.items() if n != name},
            f"tensor {name} is missing, expected shape {shape}",
        ),
        (
            {**weights, name: weights[name][:-1]},
            f"tensor {name} has shape {(shape[0] - 1, *shape[1:])}, expected {shape}",
        ),
    ):
        with pytest.raises(CheckpointError) as refusal:
            code.load_weights(model, wrong)
        assert str(refusal.value) == sentence
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items())


def test_an_unknown_tensor_is_named(small: tuple[ModularTransformer, Any]) -> None:
    code, model = small
    with pytest.raises(CheckpointError, match="tensor 'b_in' is unknown, expected W_E, W_pos"):
        code.load_weights(model, {**_weights(code), "b_in": torch.zeros(40)})


def test_other_tokens_than_pairs_have_no_logits(small: tuple[ModularTransformer, Any]) -> None:
    code, _ = small
    p = code.parameters["prime"]
    weights, good = _weights(code), torch.tensor([[1, 2, p], [2, 3, p]])
    found = code.forward(weights, torch.tensor([[1, 2, p], [1, 2, 3], [2, 3, p]]))
    assert torch.allclose(found[[0, 2]], code.forward(weights, good), rtol=1e-5, atol=1e-6)
    assert found[1].isnan().all()
    with pytest.raises(ParameterError, match="expected rows of"):
        code.forward(weights, torch.tensor([[1, 2]]))


def test_the_initialization_has_the_declared_spread_and_follows_its_seed() -> None:
    parameters = FAMILY.complete({})
    weights = initialize(parameters, "cpu")
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "W_E": (114, 128),
        "W_pos": (3, 128),
        "W_Q": (4, 128, 32),
        "W_K": (4, 128, 32),
        "W_V": (4, 128, 32),
        "W_O": (4, 32, 128),
        "W_in": (128, 512),
        "W_out": (512, 128),
        "W_U": (128, 113),
    }
    std = 0.8 / math.sqrt(128)
    for name, tensor in weights.items():
        n = tensor.numel()
        assert abs(float(tensor.mean())) < 5 * std / math.sqrt(n), name
        assert abs(float(tensor.std()) / std - 1) < 5 / math.sqrt(2 * n), name
    again, other = initialize(parameters, "cpu"), initialize({**parameters, "seed": 1000}, "cpu")
    assert all(torch.equal(again[name], w) for name, w in weights.items())
    assert not any(torch.equal(other[name], w) for name, w in weights.items())
    split_elsewhere = initialize({**parameters, "data_seed": 1}, "cpu")
    assert all(torch.equal(split_elsewhere[name], w) for name, w in weights.items())
    half = initialize({**parameters, "init_scale": 0.4}, "cpu")
    assert all(torch.allclose(2 * half[name], w) for name, w in weights.items())
