"""Irreps of networks and logits whose answer is known, and of others against the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from composition_kit import activations, analyze, code_of, standard, standard_network
from pair_kit import drawn, make

from mi_fourier_library import symmetric_group
from mi_modular_arithmetic.composition.analyzers import MATRICES

Real = np.ndarray
POST, OUT = "blocks.0.mlp.hook_post@-1", "unembed.hook_out@-1"


def character_table(n: int, irrep: int) -> Real:
    """χ_ρ(a b c⁻¹) over the pairs, (n!², n!), one product after the other."""
    group = symmetric_group(n)
    chi, product, inverse = group.characters[irrep], group.product, group.inverse
    return chi[product[product.reshape(-1)][:, inverse]]


@pytest.mark.parametrize("n", [3, 4])
def test_the_standard_representation_is_a_representation(n: int) -> None:
    rho, group = standard(n), symmetric_group(n)
    np.testing.assert_allclose(np.trace(rho, axis1=1, axis2=2), group.characters[1], atol=1e-12)
    pairs = np.einsum("gij,hjk->ghik", rho, rho)
    np.testing.assert_allclose(rho[group.product], pairs, atol=1e-12)


@pytest.mark.parametrize("n", [3, 4])
def test_a_network_of_one_representation_is_all_its_character(n: int) -> None:
    code, weights = code_of(n), standard_network(n)
    sites = activations(code, weights)
    np.testing.assert_allclose(sites[OUT], character_table(n, 1), atol=1e-9)
    assert (sites[OUT].argmax(1).numpy() == code.answers().reshape(-1)).all(), "it composes"
    only = np.eye(len(code.dimensions()["irrep"]))[0]
    logits = analyze("irrep_logits", code, weights, sites)
    for name in ("coefficient", "fve", "share"):
        np.testing.assert_allclose(logits[name], only, atol=1e-9)
    assert logits["within_class"] == pytest.approx(0, abs=1e-9)
    shares = analyze("irrep_weights", code, weights, sites)["share"]
    np.testing.assert_allclose(shares, np.tile(only, (len(MATRICES), 1)), atol=1e-9)
    neurons = analyze("irrep_neurons", code, weights, sites)
    np.testing.assert_allclose(neurons["fraction"], fractions(n, sites[POST].numpy()), atol=1e-9)
    np.testing.assert_allclose(neurons["fraction"].sum(1) + neurons["rest"], 1, atol=1e-9)


def fractions(n: int, post: Real) -> Real:
    """The share of each neuron's variance over (a, b) in each irrep, by projectors: (neurons, irreps - 1)."""
    group = symmetric_group(n)
    order = len(group.elements)
    grid = post.reshape(order, order, -1)
    grid = grid - grid.mean(axis=(0, 1))
    quotient = group.product[:, group.inverse]
    shares = []
    for chi in group.characters[1:]:
        P = chi[group.identity] / order * chi[quotient]
        flat = np.full((order, order), 1 / order)
        parts = [
            np.einsum("xa,yb,abm->xym", one, other, grid) for one, other in ((P, P), (P, flat), (flat, P))
        ]
        shares.append(sum((part**2).sum(axis=(0, 1)) for part in parts) / (grid**2).sum(axis=(0, 1)))
    return np.stack(shares, axis=1)


@pytest.mark.parametrize(("weight", "irrep"), [(2.0, 1), (-0.5, 2), (3.0, 3), (1.0, 4)])
def test_logits_of_one_character_are_all_its(weight: float, irrep: int) -> None:
    code = code_of(4)
    offset = np.random.default_rng(0).normal(size=(24 * 24, 1))  # the same for every answer: nothing
    logits = torch.as_tensor(weight * character_table(4, irrep) + offset)
    found = analyze("irrep_logits", code, {}, {OUT: logits})
    only = np.eye(4)[irrep - 1]
    np.testing.assert_allclose(found["coefficient"], weight * only, atol=1e-9)
    np.testing.assert_allclose(found["fve"], only, atol=1e-9)
    np.testing.assert_allclose(found["share"], only, atol=1e-9)


def test_variances_of_a_mixture_are_the_squares_of_its_weights() -> None:
    code = code_of(4)
    logits = 2 * character_table(4, 1) + character_table(4, 3)
    noise = np.random.default_rng(1).normal(size=logits.shape)
    labels = code.answers().reshape(-1)
    noise -= np.stack([noise[labels == s].mean(axis=0) for s in range(24)])[labels]  # no class mean left
    noise -= noise.mean(axis=1, keepdims=True)
    found = analyze("irrep_logits", code, {}, {OUT: torch.as_tensor(logits + noise)})
    kept = (logits**2).sum() / ((logits + noise) ** 2).sum()
    np.testing.assert_allclose(found["fve"], kept * np.array([0.8, 0, 0.2, 0]), atol=1e-3)
    assert found["within_class"] == pytest.approx(1 - kept, abs=1e-3)


def test_any_network_agrees_with_the_formulas() -> None:
    code = make("symmetric_group_composition")
    weights = {name: tensor.double() for name, tensor in drawn(code, 2.0).items()}
    sites = activations(code, weights)
    group = symmetric_group(3)
    neurons = analyze("irrep_neurons", code, weights, sites)
    expected = fractions(3, sites[POST].numpy())
    np.testing.assert_allclose(neurons["fraction"], expected, rtol=1e-6, atol=1e-12)
    assert (neurons["dominant"] == expected.argmax(axis=1) + 1).all()
    np.testing.assert_allclose(neurons["dominant_fraction"], expected.max(axis=1), rtol=1e-6)
    logits = sites[OUT].numpy()
    logits = logits - logits.mean(axis=1, keepdims=True)
    found = analyze("irrep_logits", code, weights, sites)
    for i, chi in enumerate(group.characters[1:]):
        direction = character_table(3, i + 1)
        along = (logits * direction).sum() / (direction**2).sum()
        assert found["coefficient"][i] == pytest.approx(along, rel=1e-6)
        fve = along**2 * (direction**2).sum() / (logits**2).sum()
        assert found["fve"][i] == pytest.approx(fve, rel=1e-6)
        P = chi[0] / 6 * chi[group.product[:, group.inverse]]
        share = ((logits @ P) ** 2).sum() / (logits**2).sum()
        assert found["share"][i] == pytest.approx(share, rel=1e-6)
    labels = code.answers().reshape(-1)
    means = np.stack([logits[labels == s].mean(axis=0) for s in range(6)])
    within = ((logits - means[labels]) ** 2).sum() / (logits**2).sum()
    assert found["within_class"] == pytest.approx(within, rel=1e-6)
    w = {name: tensor.numpy() for name, tensor in weights.items()}
    shares = analyze("irrep_weights", code, weights, sites)["share"]
    for row, matrix in (
        (0, w["W_E_left"]),
        (1, w["W_E_right"]),
        (2, w["W_E_left"] @ w["W_in"][:5]),
        (3, w["W_E_right"] @ w["W_in"][5:]),
        (4, w["W_U"].T),
    ):
        parts = [
            ((chi[0] / 6 * chi[group.product[:, group.inverse]] @ matrix) ** 2).sum()
            for chi in group.characters[1:]
        ]
        np.testing.assert_allclose(shares[row], np.array(parts) / sum(parts), rtol=1e-6)


def test_the_last_of_the_answers_does_not_matter_more_than_the_first() -> None:
    """Relabelling by an automorphism of the group, x -> g x g⁻¹ on all three, leaves every irrep alone."""
    code = make("symmetric_group_composition")
    weights = {name: tensor.double() for name, tensor in drawn(code, 2.0).items()}
    group, g = symmetric_group(3), 4
    moved = group.product[group.product[g], group.inverse[g]]  # x -> g x g⁻¹
    other = {name: tensor[moved] if name.startswith("W_E") else tensor for name, tensor in weights.items()}
    other["W_U"] = weights["W_U"][:, moved]
    for name in ("irrep_weights", "irrep_neurons", "irrep_logits"):
        one = analyze(name, code, weights, activations(code, weights))
        two = analyze(name, code, other, activations(code, other))
        for key in one:
            np.testing.assert_allclose(one[key], two[key], atol=1e-9)


def test_dead_neurons_and_silent_logits_have_no_irrep() -> None:
    code = make("symmetric_group_composition")
    weights = {name: tensor.double() for name, tensor in drawn(code).items()}
    sites = activations(code, weights)
    post = sites[POST].clone()
    post[:, 3] = 0
    neurons = analyze("irrep_neurons", code, weights, {POST: post})
    assert neurons["dominant"][3] == 0 and np.isnan(neurons["fraction"][3]).all()
    silent = analyze("irrep_logits", code, weights, {OUT: torch.ones(36, 6)})
    assert np.isnan(silent["fve"]).all() and np.isnan(silent["within_class"])


def plain_loss(logits: Real, labels: Real) -> Real:
    """Cross-entropy of each row."""
    own = logits[np.arange(len(logits)), labels]
    return np.asarray(np.log(np.exp(logits).sum(axis=1)) - own)


def test_progress_measures_agree_with_the_formulas() -> None:
    code = make("symmetric_group_composition", train_fraction=0.5)
    weights = {name: tensor.double() for name, tensor in drawn(code, 3.0).items()}
    sites = activations(code, weights)
    fve = torch.tensor([0.02, 0.9])
    found = analyze("irrep_progress", code, weights, sites, reference={"fve": fve})
    assert found["key"].tolist() == [0, 1], "0.9 of 0.92 is more than 95 %"
    logits = sites[OUT].numpy()
    logits = logits - logits.mean(axis=1, keepdims=True)
    labels, train = code.answers().reshape(-1), code.context()["train"].reshape(-1)
    parts = []
    for irrep in (1, 2):
        direction = character_table(3, irrep)
        parts.append((logits * direction).sum() / (direction**2).sum() * direction)
    for part, excluded in zip(parts, found["excluded_loss"], strict=True):
        expected = plain_loss(logits - part, labels)[train].mean()
        assert excluded == pytest.approx(expected, rel=1e-6)
    assert found["excluded_loss_key"] == pytest.approx(found["excluded_loss"][1], rel=1e-9)
    restricted = plain_loss(parts[1] + (logits - parts[1]).mean(axis=0), labels)
    assert found["restricted_loss_test"] == pytest.approx(restricted[~train].mean(), rel=1e-6)
    assert found["restricted_loss_all"] == pytest.approx(restricted.mean(), rel=1e-6)


def test_a_network_of_one_representation_needs_it_alone() -> None:
    code, weights = code_of(3), standard_network(3)
    weights["W_U"] = 8 * weights["W_U"]
    sites = activations(code, weights)
    fve = torch.as_tensor(analyze("irrep_logits", code, weights, sites)["fve"])
    found = analyze("irrep_progress", code, weights, sites, reference={"fve": fve})
    assert found["key"].tolist() == [1, 0]
    assert found["restricted_loss_test"] < 1e-4
    assert found["excluded_loss"][0] == pytest.approx(np.log(6)), "nothing is left"
    assert found["excluded_loss"][1] < 1e-4
