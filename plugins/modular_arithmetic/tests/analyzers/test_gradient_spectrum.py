"""The gradient by frequency: where symmetry says what it must be, and against a literal pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from analysis_kit import BY_ID, analyze, grid_probe, subject
from attrs import evolve
from handmade_networks import NETWORKS, relabelled, relu, weights
from pair_kit import grid
from test_mlp_networks import embedded, one_hot, variant

from mi.engine.data import CheckpointData, Subject
from mi.engine.gradients import Gradients
from mi.errors import NotApplicableError
from mi.refs import resolve
from mi_modular_arithmetic.analyzers.gradient_spectrum import gradient_spectrum
from mi_modular_arithmetic.tasks import Group

PLACES = ["embedding", "attention", "input", "output"]


def noisy(p: int, scale: float = 0.1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(p)
    return {
        name: tensor + scale * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in weights(p, NETWORKS[p]).items()
    }


def plain_energy(x: np.ndarray) -> np.ndarray:
    """Energy (n//2,) of x (n, …) over its first axis, all else summed: from the complex transform."""
    n = len(x)
    power = (np.abs(np.fft.fft(x.reshape(n, -1), axis=0)) ** 2).sum(axis=1) / n
    return np.array([power[k] + (power[n - k] if 2 * k != n else 0) for k in range(1, n // 2 + 1)])


def plain_loss(W: Mapping[str, np.ndarray], p: int, shift: np.ndarray) -> float:
    """Mean train cross-entropy, literally; ``shift`` (2, p, heads) is added to the scores of the operands."""
    a, b = (x.ravel() for x in np.meshgrid(np.arange(p), np.arange(p), indexing="ij"))
    heads, _, d_head = W["W_Q"].shape
    x = W["W_E"][np.stack([a, b, np.full(p * p, p)], axis=1)] + W["W_pos"]
    mid = x[:, 2].copy()
    for h in range(heads):
        score = np.sum((x @ W["W_K"][h]) * (x[:, 2:] @ W["W_Q"][h]), axis=2) / np.sqrt(d_head)
        score[:, 0] += shift[0, a, h]
        score[:, 1] += shift[1, b, h]
        pattern = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        mid += np.sum(pattern[:, :, None] * (x @ W["W_V"][h]), axis=1) @ W["W_O"][h]
    logits = (mid + relu(mid @ W["W_in"]) @ W["W_out"]) @ W["W_U"]
    top = logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - logits[np.arange(p * p), (a + b) % p]
    return float(losses[grid_probe(p).masks["train"]].mean())


def difference(W: Mapping[str, np.ndarray], p: int, name: str, h: float = 1e-5) -> np.ndarray:
    """The gradient of the loss in one tensor, or in the scores, by central differences."""
    zero = np.zeros((2, p, len(W["W_Q"])))
    base = zero if name == "scores" else W[name]
    found = np.zeros(base.shape)
    for cell in np.ndindex(*base.shape):
        ends = []
        for sign in (1, -1):
            moved = base.copy()
            moved[cell] += sign * h
            ends.append(
                plain_loss(W, p, moved) if name == "scores" else plain_loss({**W, name: moved}, p, zero)
            )
        found[cell] = (ends[0] - ends[1]) / (2 * h)
    return found


def test_every_place_agrees_with_differences_of_a_literal_pass() -> None:
    p = 7
    W = noisy(p)
    found = analyze("gradient_spectrum", W, {})
    assert list(resolve(BY_ID["gradient_spectrum"].coordinates)(subject(p, W))["place"]) == PLACES
    w = {name: tensor.numpy() for name, tensor in W.items()}
    a, b = (x.ravel() for x in np.meshgrid(np.arange(p), np.arange(p), indexing="ij"))
    scores = np.zeros((2, p, len(w["W_Q"])))
    equals = w["W_E"][p] + w["W_pos"][2]
    attention = np.zeros((p * p, len(w["W_Q"]), 3))
    for h in range(len(w["W_Q"])):
        query = equals @ w["W_Q"][h] / np.sqrt(w["W_Q"].shape[2])
        for j in range(2):
            scores[j, :, h] = (w["W_E"][:p] + w["W_pos"][j]) @ w["W_K"][h] @ query
        rows = np.stack(
            [scores[0, a, h], scores[1, b, h], np.full(p * p, equals @ w["W_K"][h] @ query)], axis=1
        )
        attention[:, h] = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    mean = attention.mean(axis=0)  # (heads, 3)

    def read(W_in: np.ndarray) -> np.ndarray:
        """What each operand adds to the neurons: (p, 2 · neurons)."""
        parts = [
            sum(mean[h, j] * w["W_E"][:p] @ w["W_V"][h] @ w["W_O"][h] @ W_in for h in range(len(mean)))
            for j in range(2)
        ]
        return np.concatenate(parts, axis=1)

    expected = [
        (difference(w, p, "W_E")[:p], w["W_E"][:p]),
        (difference(w, p, "scores").transpose(1, 0, 2), scores.transpose(1, 0, 2)),
        (read(difference(w, p, "W_in")), read(w["W_in"])),
        (difference(w, p, "W_U").T, w["W_U"].T),
    ]
    for i, (gradient, present) in enumerate(expected):
        pulled, there = plain_energy(gradient), plain_energy(present)
        np.testing.assert_allclose(found["energy"][i], pulled, rtol=1e-5, err_msg=PLACES[i])
        np.testing.assert_allclose(found["share"][i], pulled / pulled.sum(), rtol=1e-5)
        cosine = pulled @ there / np.linalg.norm(pulled) / np.linalg.norm(there)
        np.testing.assert_allclose(found["cosine"][i], cosine, rtol=1e-5)


@pytest.mark.parametrize("p", NETWORKS)
@pytest.mark.parametrize(
    ("name", "build"), [("modular_addition_mlp", one_hot), ("modular_addition_embedding_mlp", embedded)]
)
def test_trained_on_all_pairs_the_exact_network_is_pulled_at_its_own_frequencies_alone(
    name: str, build: Any, p: int
) -> None:
    # Shifting both operands turns each frequency's phases and changes no loss; so the gradient turns with
    # them, and can hold no other frequency than the network's own.
    W = {key: 0.1 * tensor for key, tensor in build(p, NETWORKS[p]).items()}
    code = variant(name, p, W)
    probe = evolve(grid(code), masks={"train": np.ones(p * p, dtype=bool)})

    def differentiate(rows: str) -> Gradients:
        with torch.enable_grad():
            leaves = {key: tensor.clone().requires_grad_() for key, tensor in W.items()}
            tokens, labels = torch.as_tensor(probe.tokens), torch.as_tensor(probe.labels)
            loss = code.row_losses(code.forward(leaves, tokens), tokens, labels).mean()
            found = torch.autograd.grad(loss, list(leaves.values()))
        return Gradients(loss.detach(), dict(zip(leaves, found, strict=True)), {})

    data = Subject(
        parameters=code.parameters,
        dimensions={},
        context={"elements": np.arange(p), "classes": np.arange(p)},
        probe=probe,
        epochs=(0,),
        weights={key: tuple(tensor.shape) for key, tensor in W.items()},
    )
    checkpoint = CheckpointData(
        subject=data, epoch=0, device="cpu", activations={}, weights=W, differentiate=differentiate
    )
    with torch.no_grad():
        found = gradient_spectrum(checkpoint)
    places = list(resolve(BY_ID["gradient_spectrum"].coordinates)(data)["place"])
    assert places == [q for q in PLACES if q != "attention" and (q != "embedding" or "W_E" in W)]
    keys = [k - 1 for k in NETWORKS[p]]
    mine = found["share"][:, keys].sum(dim=1)
    np.testing.assert_allclose(mine, 1.0, atol=1e-6, err_msg=str(places))
    assert (found["energy"][:, keys] > 0).all()


def test_the_spectrum_follows_the_group_s_order() -> None:
    # The same network with its numbers renamed, on multiplication: the same gradient, in the group's order.
    group = Group("mul", 7)
    n = group.size
    amplitudes = {1: 1.0, 2: 0.5}
    plain = weights(n, amplitudes)
    moved = relabelled(plain, group.elements)
    found = analyze("gradient_spectrum", moved, {}, group=group)
    assert found["energy"].shape == (4, n // 2)
    assert np.isfinite(found["share"][[0, 2, 3]]).all()
    np.testing.assert_allclose(found["share"][[0, 2, 3]].sum(axis=1), 1)


def test_a_memorized_network_still_has_a_gradient_in_float32() -> None:
    p = 7
    W = {name: tensor.float() for name, tensor in noisy(p, 0.01).items()}
    W["W_U"] = W["W_U"] * 4
    found = analyze("gradient_spectrum", W, {})
    assert found["energy"].dtype == np.float64
    assert (found["energy"] > 0).all() and np.isfinite(found["cosine"]).all()


def test_another_kind_of_network_is_told_that_it_does_not_apply() -> None:
    data = subject(7, weights(7, NETWORKS[7]))
    deep = evolve(data, weights={**data.weights, "blocks.1.W_Q": (2, 8, 4)})
    with pytest.raises(NotApplicableError, match="not applicable: needs a transformer of one layer"):
        resolve(BY_ID["gradient_spectrum"].coordinates)(deep)
