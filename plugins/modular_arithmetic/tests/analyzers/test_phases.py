"""Phases, the board of frequencies and the parts of a pair's logit, against what is known."""

from collections.abc import Mapping

import numpy as np
import plain_formulas as plain
import pytest
import torch
from analysis_kit import BY_ID, analyze, grid_probe, subject
from handmade_networks import NETWORKS, activations, relu, square, weights

from mi.errors import NotApplicableError
from mi.refs import resolve
from mi_modular_arithmetic.circuit import neuron_inputs
from mi_modular_arithmetic.tasks import Group
from mi_modular_arithmetic.weights import initialize, shapes

Weights = Mapping[str, torch.Tensor]
STATIONS = ["embedding", "attention", "input", "output", "logits"]
AMPLITUDES = {**NETWORKS, 113: {14: 0.5, 35: 0.8}}


def disturbed(p: int, size: float = 0.1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(p)
    return {
        name: tensor + size * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in weights(p, AMPLITUDES[p]).items()
    }


def wrap(x: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * x))


@pytest.mark.parametrize("p", AMPLITUDES)
def test_the_exact_network_is_aligned_localized_and_evenly_spread(p: int) -> None:
    W = weights(p, AMPLITUDES[p])
    found = analyze("phase_alignment", W, {})
    for i, (k, amplitude) in enumerate(AMPLITUDES[p].items()):
        mine = slice(16 * i, 16 * (i + 1))
        phi = -2 * np.pi * np.arange(16) / 16  # cos(w a + φ) is cos(w a - (-φ))
        assert (found["dominant"][mine] == k).all()
        np.testing.assert_allclose(found["input_amplitude"][mine, k - 1], 1, atol=1e-9)
        np.testing.assert_allclose(found["output_amplitude"][mine, k - 1], amplitude, atol=1e-9)
        assert np.abs(wrap(found["phase"][mine] - phi)).max() < 1e-6
        assert np.abs(wrap(found["input_phase"][mine, k - 1] - 2 * phi)).max() < 1e-6
        assert np.abs(wrap(found["output_phase"][mine, k - 1] - 2 * phi)).max() < 1e-6
        np.testing.assert_allclose(found["misalignment"][mine], 0, atol=1e-6)
        np.testing.assert_allclose(found["weight"][mine], amplitude, atol=1e-9)
        np.testing.assert_allclose(found["rayleigh"][:, k - 1], 0, atol=1e-9)
        assert found["misalignment_by_frequency"][k - 1] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found["ipr"], 1)
    others = [k for k in range(1, p // 2 + 1) if k not in AMPLITUDES[p]]
    assert np.isnan(found["rayleigh"][:, [k - 1 for k in others]]).all(), "groups without a neuron"
    assert found["mean_misalignment"] == pytest.approx(0, abs=1e-6)


def plain_inputs(W: Weights, pattern: np.ndarray) -> np.ndarray:
    """θ_j from the attention that was seen, (2, p, neurons)."""
    w = {name: tensor.double().numpy() for name, tensor in W.items()}
    p, heads = len(w["W_E"]) - 1, len(w["W_V"])
    return np.stack(
        [
            sum(
                pattern[:, h, j].mean() * w["W_E"][:p] @ w["W_V"][h] @ w["W_O"][h] @ w["W_in"]
                for h in range(heads)
            )
            for j in range(2)
        ]
    )


@pytest.mark.parametrize("p", [7, 12, 59])
def test_phases_agree_with_the_formulas(p: int) -> None:
    W = disturbed(p)
    theta = plain_inputs(W, activations(W)["blocks.0.attn.hook_pattern@-1"].numpy())
    np.testing.assert_allclose(neuron_inputs(W, np.arange(p)), theta, rtol=1e-6, atol=1e-9)
    found = analyze("phase_alignment", W, {}, threshold=0.3)
    ks = np.arange(1, p // 2 + 1)
    scale = np.array([plain.epsilon(k, p) for k in ks])[:, None] / p
    read = np.fft.fft(theta, axis=1)[:, ks] * scale  # α e^{-iφ}
    written = np.fft.fft((W["W_out"] @ W["W_U"]).numpy(), axis=1)[:, ks] * scale.T
    alpha = np.sqrt(np.abs(read).prod(axis=0)).T  # (neurons, p//2)
    np.testing.assert_allclose(found["input_amplitude"], alpha, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["output_amplitude"], np.abs(written), rtol=1e-6)
    total = -np.angle(read[0] * read[1]).T
    assert np.abs(wrap(found["input_phase"] - total)).max() < 1e-6
    assert np.abs(wrap(found["output_phase"] + np.angle(written))).max() < 1e-6
    best = alpha.argmax(axis=1)
    rows = np.arange(len(best))
    np.testing.assert_array_equal(found["dominant"], best + 1)
    off = np.abs(wrap(total + np.angle(written)))[rows, best]
    np.testing.assert_allclose(found["misalignment"], off, atol=1e-6)
    weight = alpha[rows, best] ** 2 * np.abs(written)[rows, best]
    np.testing.assert_allclose(found["mean_misalignment"], np.sum(off * weight) / weight.sum(), rtol=1e-6)
    ipr = (alpha**4).sum(axis=1) / (alpha**2).sum(axis=1) ** 2
    np.testing.assert_allclose(found["ipr"], ipr, rtol=1e-6)
    group = (alpha[rows, best] ** 2 / (alpha**2).sum(axis=1)) >= 0.3
    for k in ks:
        mine = (best + 1 == k) & group
        for i, m in enumerate((1, 2, 4)):
            if mine.any():
                mean = np.abs(np.mean(np.exp(-1j * m * np.angle(read[0][k - 1, mine]))))
                assert found["rayleigh"][i, k - 1] == pytest.approx(mean, abs=1e-6)
            else:
                assert np.isnan(found["rayleigh"][i, k - 1])


def test_a_network_that_subtracts_fits_by_the_difference_of_its_phases() -> None:
    # Embedded backwards, b has the opposite phase; the two operands share one table, so attention tells them
    # apart: head 0 looks at a, head 1 at b and turns the sine round.
    p, k = 7, 2
    W = {name: tensor.clone() for name, tensor in weights(p, {k: 1.0}).items()}
    W["W_pos"][0, 2], W["W_pos"][1, 3] = 1.0, 1.0  # channels that numbers leave alone
    W["W_E"][p, 2] = 1.0
    for h in range(2):
        W["W_V"][h] = 0
        W["W_V"][h, 0, 0], W["W_V"][h, 1, 1] = 1.0, (1.0, -1.0)[h]
        W["W_O"][h] = 0
        W["W_O"][h, 0, 0], W["W_O"][h, 1, 1] = 1.0, 1.0
    W["W_Q"] = torch.zeros_like(W["W_Q"])
    W["W_K"] = torch.zeros_like(W["W_K"])
    W["W_Q"][:, 2, 0] = 1.0
    W["W_K"][0, 2, 0], W["W_K"][1, 3, 0] = 60.0, 60.0
    W["W_K"][1, 2, 0] = 0.0
    found = analyze("phase_alignment", W, {}, group=Group("sub", p))
    np.testing.assert_allclose(found["misalignment"][found["dominant"] == k], 0, atol=1e-2)
    added = analyze("phase_alignment", W, {}, group=Group("add", p))
    assert added["mean_misalignment"] > 1


def test_neurons_see_what_operands_add_to_them() -> None:
    # On the paper's initialization, in the real transformer: θ is what neurons see of a, averaged over b.
    from mi_modular_arithmetic.family import ModularTransformer

    sizes = {"prime": 13, "d_model": 32, "n_heads": 4, "d_head": 8, "d_mlp": 64, "seed": 1, "init_scale": 0.8}
    assert set(shapes(sizes)) == {"W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"}
    W = initialize(sizes, "cpu")
    model = ModularTransformer(sizes | {"train_fraction": 0.5, "data_seed": 0}).build_model("cpu")
    ModularTransformer(sizes | {"train_fraction": 0.5, "data_seed": 0}).load_weights(model, W)
    tokens = torch.tensor([[a, b, 13] for a in range(13) for b in range(13)])
    with torch.inference_mode():
        _, cache = model.run_with_cache(
            tokens, names_filter=["blocks.0.mlp.hook_pre"], return_cache_object=False
        )
    pre = cache["blocks.0.mlp.hook_pre"][:, -1].reshape(13, 13, -1).double()
    theta = neuron_inputs(W, np.arange(13)).double()
    for j, seen in enumerate((pre.mean(dim=1), pre.mean(dim=0))):
        x, y = (v - v.mean(dim=0) for v in (theta[j], seen))
        assert float((x * y).sum() / (x.norm() * y.norm())) > 0.99
        without_ov = W["W_E"][:13].double() @ W["W_in"].double()
        z = without_ov - without_ov.mean(dim=0)
        assert float((z * y).sum() / (z.norm() * y.norm())) < 0.5


@pytest.mark.parametrize("p", [7, 12, 59])
def test_the_board_agrees_with_the_formulas_and_sums_to_one(p: int) -> None:
    W = disturbed(p)
    sites = activations(W)
    share = dict(zip(STATIONS, analyze("frequency_board", W, sites)["share"], strict=True))
    w = {name: tensor.numpy() for name, tensor in W.items()}
    scores = analyze("attention_scores", W, sites)["score"]
    theta = plain_inputs(W, sites["blocks.0.attn.hook_pattern@-1"].numpy())
    logits = plain.centred(sites["unembed.hook_out@-1"].numpy())
    expected = {
        "embedding": w["W_E"][:p],
        "attention": scores.reshape(-1, p).T,
        "input": np.concatenate(list(theta), axis=1),
        "output": (w["W_out"] @ w["W_U"]).T,
        "logits": logits.T,
    }
    for station, x in expected.items():
        np.testing.assert_allclose(share[station], plain.share(x), rtol=1e-6, atol=1e-12, err_msg=station)
        assert share[station].sum() == pytest.approx(1)


def test_the_board_of_the_exact_network_has_its_frequencies_everywhere() -> None:
    p = 59
    W = weights(p, AMPLITUDES[p])
    share = dict(zip(STATIONS, analyze("frequency_board", W, activations(W, square))["share"], strict=True))
    keys = [k - 1 for k in AMPLITUDES[p]]
    assert np.isnan(share["attention"]).all(), "uniform attention has no frequencies"
    for station in ("embedding", "input", "output", "logits"):
        assert share[station][keys].sum() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(share["embedding"][keys], 1 / 3, atol=1e-9)
    squares = np.array([a * a for a in AMPLITUDES[p].values()])
    np.testing.assert_allclose(share["output"][keys], squares / squares.sum(), atol=1e-9)


@pytest.mark.parametrize("p", [7, 12, 59])
def test_parts_of_the_right_logit_sum_to_it_but_for_what_is_within_the_class(p: int) -> None:
    W = disturbed(p)
    sites = activations(W, relu)
    found = analyze("pair_parts", W, sites)
    L = plain.centred(sites["unembed.hook_out@-1"].numpy())
    labels = grid_probe(p).labels
    right = L[np.arange(p * p), labels].reshape(p, p)
    np.testing.assert_allclose(found["right"], right, rtol=1e-6)
    M = plain.class_means(L, labels, p)
    for k in range(1, p // 2 + 1):
        np.testing.assert_allclose(found["part"][:, k - 1], np.diag(plain.component(M, k)), atol=1e-9)
    whole = found["part"].sum(axis=1) + found["constant"]
    np.testing.assert_allclose(whole, np.diag(M), atol=1e-9)
    of_class = np.array([right.ravel()[labels == s].mean() for s in range(p)])
    np.testing.assert_allclose(whole, of_class, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["phase_alignment", "frequency_board", "frequency_ablation", "head_ablation"]
)
def test_another_network_is_said_not_to_fit(name: str) -> None:
    from attrs import evolve

    good = subject(7, weights(7, NETWORKS[7]))
    coordinates = resolve(BY_ID[name].coordinates)
    coordinates(good)
    for data, sentence in (
        (evolve(good, weights={**good.weights, "b_U": (7,)}), "a transformer of one layer"),
        (evolve(good, weights={**good.weights, "W_Q": (2, 2, 8, 4)}), "a transformer of one layer"),
        (evolve(good, parameters={"layer_norm": True}), "without LayerNorm"),
    ):
        with pytest.raises(NotApplicableError, match=f"not applicable: .*{sentence}"):
            coordinates(data)


def test_phases_of_a_task_without_classes_are_said_not_to_fit() -> None:
    data = subject(7, weights(7, NETWORKS[7]), group=Group("quad", 7))
    with pytest.raises(NotApplicableError, match=r"a \+ b or a − b"):
        resolve(BY_ID["phase_alignment"].coordinates)(data)
