"""Effective dimensions of matrices whose answer is known, and of random ones by plain SVD."""

import numpy as np
import pytest
import torch
from analysis_kit import BY_ID, analyze, subject
from handmade_networks import NETWORKS, weights

from mi.refs import resolve

MATRICES = ["W_E", "W_in", "W_out", "W_L", "W_QK.0", "W_QK.1", "W_OV.0", "W_OV.1"]


def random(p: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(p)
    return {
        name: torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        for name, tensor in weights(p, NETWORKS[p]).items()
    }


def test_matrices_are_named() -> None:
    W = random(7)
    coordinates = resolve(BY_ID["effective_dimension"].coordinates)(subject(7, W))
    assert coordinates["matrix"] == MATRICES
    assert len(coordinates["rank"]) == len(W["W_in"])


@pytest.mark.parametrize("p", [7, 59])
def test_values_agree_with_a_plain_decomposition_of_each_product(p: int) -> None:
    W = random(p)
    found = analyze("effective_dimension", W, {})
    w = {name: tensor.numpy() for name, tensor in W.items()}
    d = len(w["W_in"])
    matrices = [w["W_E"][:p], w["W_in"], w["W_out"], w["W_out"] @ w["W_U"]]
    matrices += [q @ k.T for q, k in zip(w["W_Q"], w["W_K"], strict=True)]
    matrices += [v @ o for v, o in zip(w["W_V"], w["W_O"], strict=True)]
    for i, matrix in enumerate(matrices):
        s = np.linalg.svd(matrix, compute_uv=False)
        stored = found["singular_values"][i]
        kept = np.count_nonzero(~np.isnan(stored))
        np.testing.assert_allclose(stored[:kept], s[:kept], rtol=1e-6)
        np.testing.assert_allclose(s[kept:], 0, atol=1e-9 * s[0])  # nothing but zeros is left out
        assert kept <= d
        s = s[s > 1e-12 * s[0]]
        q = s / s.sum()
        assert found["participation_ratio"][i] == pytest.approx((s**2).sum() ** 2 / (s**4).sum(), rel=1e-6)
        assert found["stable_rank"][i] == pytest.approx((s**2).sum() / s[0] ** 2, rel=1e-6)
        assert found["entropy_rank"][i] == pytest.approx(np.exp(-(q * np.log(q)).sum()), rel=1e-6)


def test_a_rotation_uses_every_dimension_and_an_outer_product_one() -> None:
    W = random(59)
    d = len(W["W_in"])
    rotation = torch.linalg.qr(W["W_in"] @ W["W_in"].T).Q
    W["W_in"] = torch.cat([rotation, torch.zeros(d, W["W_in"].shape[1] - d, dtype=torch.float64)], dim=1)
    W["W_out"] = torch.outer(W["W_out"][:, 0], W["W_out"][0])
    found = analyze("effective_dimension", W, {})
    for measure in ("participation_ratio", "stable_rank", "entropy_rank"):
        assert found[measure][MATRICES.index("W_in")] == pytest.approx(d, rel=1e-6)
        assert found[measure][MATRICES.index("W_out")] == pytest.approx(1, abs=1e-6)


def test_the_handmade_embedding_uses_two_dimensions_a_frequency() -> None:
    p = 59
    W = weights(p, NETWORKS[p])
    found = analyze("effective_dimension", W, {})
    assert found["participation_ratio"][MATRICES.index("W_E")] == pytest.approx(
        2 * len(NETWORKS[p]), rel=1e-9
    )
    assert np.isnan(found["participation_ratio"][MATRICES.index("W_QK.0")]), (
        "a matrix of zeros has no dimension"
    )
