"""Attention from '=': the scores make the real transformer's attention row; spectra of known scores."""

import numpy as np
import plain_formulas as plain
import pytest
import torch
from analysis_kit import analyze
from handmade_networks import NETWORKS, activations, weights

from mi.plugins import load_host
from mi_modular_arithmetic.weights import shapes

SITES = ("blocks.0.attn.hook_pattern", "blocks.0.mlp.hook_post")
SMALL = {"d_model": 24, "n_heads": 3, "d_head": 8, "d_mlp": 20}


@pytest.fixture(params=[7, 59])
def network(request: pytest.FixtureRequest) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Random weights, large enough for attention to differ, run by the real TransformerBridge."""
    from mi_modular_arithmetic.family import ModularTransformer

    sizes = SMALL | {"prime": request.param}
    code = ModularTransformer(sizes | {"train_fraction": 0.5, "data_seed": 0})
    generator = torch.Generator().manual_seed(3)
    W = {name: 0.5 * torch.randn(shape, generator=generator) for name, shape in shapes(sizes).items()}
    model = code.build_model("cpu")
    code.load_weights(model, W)
    p = request.param
    tokens = torch.tensor([[a, b, p] for a in range(p) for b in range(p)])
    with torch.inference_mode():
        _, cache = model.run_with_cache(tokens, names_filter=list(SITES), return_cache_object=False)
    return W, {
        "blocks.0.attn.hook_pattern@-1": cache[SITES[0]][:, :, -1].clone(),
        "blocks.0.mlp.hook_post@-1": cache[SITES[1]][:, -1].clone(),
    }


def test_scores_make_the_attention_of_the_real_transformer(
    network: tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]],
) -> None:
    W, sites = network
    found = analyze("attention_scores", W, sites)
    p = len(W["W_E"]) - 1
    a, b = np.mgrid[:p, :p]
    score = found["score"]
    exps = np.exp(
        np.stack(
            [
                score[:, 0][:, a],
                score[:, 1][:, b],
                np.broadcast_to(found["score_equals"][:, None, None], (3, p, p)),
            ]
        )
    )  # (position, head, a, b)
    expected = sites["blocks.0.attn.hook_pattern@-1"].reshape(p, p, 3, 3).permute(3, 2, 0, 1)
    np.testing.assert_allclose(exps / exps.sum(axis=0), expected, atol=1e-5)
    assert float(expected.std(dim=(2, 3)).max()) > 0.1, "uniform attention would prove nothing"


def test_spectra_of_scores_and_of_what_heads_write_agree_with_the_formulas(
    network: tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]],
) -> None:
    W, sites = network
    found = analyze("attention_scores", W, sites)
    p = len(W["W_E"]) - 1
    w = {name: tensor.double().numpy() for name, tensor in W.items()}
    for h in range(SMALL["n_heads"]):
        for j in range(2):
            np.testing.assert_allclose(
                found["share"][h, j], plain.share(found["score"][h, j][:, None]), rtol=1e-3, atol=1e-6
            )
            for k in (1, p // 2):
                wave = np.sum(found["score"][h, j] * np.exp(-2j * np.pi * k * np.arange(p) / p))
                turn = np.exp(
                    1j * (found["phase"][h, j, k - 1] + np.angle(wave))
                )  # cos(w n - φ) has angle -φ
                assert turn == pytest.approx(1, abs=1e-3)
        written = w["W_E"][:p] @ w["W_V"][h] @ w["W_O"][h] @ w["W_in"]
        np.testing.assert_allclose(found["ov_share"][h], plain.share(written), rtol=1e-3)


def test_pattern_means_and_fractions_agree_with_the_formulas(
    network: tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]],
) -> None:
    W, sites = network
    found = analyze("attention_pattern", W, sites)
    p = len(W["W_E"]) - 1
    pattern = sites["blocks.0.attn.hook_pattern@-1"].double().numpy()  # (rows, heads, 3)
    np.testing.assert_allclose(found["mean"].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found["mean"], pattern.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["spread"], pattern.std(axis=0), rtol=1e-6)
    for h in range(SMALL["n_heads"]):
        expected = plain.fractions(pattern[:, h], p)
        np.testing.assert_allclose(found["fraction"][h], expected, atol=1e-5)
        np.testing.assert_allclose(found["rest"][h], 1 - expected.sum(axis=1), atol=1e-5)


def test_scores_of_one_frequency_have_its_share_and_phase() -> None:
    # Keys read the embedding's cos 5 and sin 5 channels with angle 0.7, through one unit of the query.
    p, k, angle = 59, 5, 0.7
    W = weights(p, NETWORKS[p])
    W["W_E"][p, -1] = 1.0  # '=' alone lights the last channel, which the query of head 0 reads
    W["W_Q"] = W["W_Q"].clone()
    W["W_K"] = W["W_K"].clone()
    W["W_Q"][0, -1, 0] = 1.0
    W["W_K"][0, 0, 0], W["W_K"][0, 1, 0] = np.cos(angle), np.sin(angle)
    found = analyze("attention_scores", W, {})
    for operand in range(2):
        assert found["share"][0, operand, k - 1] == pytest.approx(1, abs=1e-9)
        assert found["phase"][0, operand, k - 1] == pytest.approx(angle, abs=1e-9)
    assert np.isnan(found["share"][1]).all(), "a head whose scores are constant has no spectrum"
    expected = np.cos(2 * np.pi * k * np.arange(p) / p - angle) / np.sqrt(W["W_K"].shape[-1])
    np.testing.assert_allclose(found["score"][0, 0], expected, atol=1e-9)


def test_uniform_attention_has_no_frequencies() -> None:
    p = 7
    W = weights(p, NETWORKS[p])
    found = analyze("attention_pattern", W, activations(W))
    np.testing.assert_allclose(found["mean"], 1 / 3)
    np.testing.assert_allclose(found["spread"], 0, atol=1e-9)
    assert np.isnan(found["fraction"]).all()


def test_heads_of_the_handmade_network_write_the_frequencies_that_they_carry() -> None:
    p = 59
    W = weights(p, {5: 1.0, 17: 1.0})
    found = analyze("attention_scores", W, {})
    # Head 0 carries the channels cos 5, sin 5, cos 17, sin 17; head 1 the output channels, which tokens lack.
    np.testing.assert_allclose(found["ov_share"][0, [4, 16]], 0.5, atol=1e-9)
    assert np.isnan(found["ov_share"][1]).all()


def test_the_plugin_offers_these_analyzers_to_its_own_family_alone() -> None:
    from mi.domain.family import Family

    host = load_host()
    own = Family(name="x", code="modular_arithmetic.one_layer_transformer", parameters={}, pattern="x")
    other = Family(name="y", code="somebody.else", parameters={}, pattern="y")
    assert "modular_arithmetic.attention_scores" in host.analyzers(own)
    assert not [id for id in host.analyzers(other) if id.startswith("modular_arithmetic.")]
