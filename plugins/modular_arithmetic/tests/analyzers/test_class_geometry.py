"""Classes on circles: what a network made by hand must show, and loops over classes on random ones."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from analysis_kit import BY_ID, analyze, grid_probe, subject
from attrs import evolve
from handmade_networks import NETWORKS, PHASES, activations, relu, weights

from mi.errors import NotApplicableError
from mi.refs import resolve
from mi_modular_arithmetic.analyzers.class_geometry import MEASURES
from mi_modular_arithmetic.tasks import Group

SITES = ["resid_pre.0", "attn_out.0", "mlp_post.0", "resid_post.0"]
HOOKS = ["hook_resid_pre", "hook_attn_out", "mlp.hook_post", "hook_resid_post"]
POST, END = SITES.index("mlp_post.0"), SITES.index("resid_post.0")
TEN = {**NETWORKS, 113: dict.fromkeys((4, 17, 32, 40, 51), 1.0)}


def named(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs, and each measure under its name."""
    return {**found, **{name: found["measures"][..., i] for i, name in enumerate(MEASURES)}}


def exact(p: int) -> dict[str, np.ndarray]:
    W = weights(p, TEN[p])
    return named(analyze("class_geometry", W, activations(W)))


def test_sites_are_named_in_the_order_of_the_pass() -> None:
    W = weights(7, NETWORKS[7])
    assert resolve(BY_ID["class_geometry"].coordinates)(subject(7, W))["site"] == SITES


@pytest.mark.parametrize("p", TEN)
def test_centroids_of_the_exact_network_lie_on_circles_of_known_radius(p: int) -> None:
    """μ_s of neuron (k, φ) is 1 + cos(w_k s + 2φ): a circle of squared radius PHASES / 2 for each k.

    W_out adds them up to a circle of radius PHASES / 2 in the residual stream.
    """
    found, ks = exact(p), list(TEN[p])
    d = np.arange(p)
    for site, square in ((POST, PHASES / 2), (END, (PHASES / 2) ** 2)):
        assert found["spread"][site] ** 2 == pytest.approx(len(ks) * square, rel=1e-9)
        power = np.zeros(p // 2)
        power[np.array(ks) - 1] = 1 / len(ks)
        np.testing.assert_allclose(found["circle_power"][site], power, atol=1e-9)
        chords = sum(2 * square * (1 - np.cos(2 * np.pi * k * d / p)) for k in ks)
        np.testing.assert_allclose(found["distance"][site], chords, atol=1e-9 * square)
        assert found["circularity"][site] == pytest.approx(1, abs=1e-9)
        assert found["centroid_dimension"][site] == pytest.approx(2 * len(ks), rel=1e-9)
        shown = min(2 * len(ks), 6)
        np.testing.assert_allclose(found["variance"][site][:shown], 1 / (2 * len(ks)), rtol=1e-9)


@pytest.mark.parametrize("p", [7, 59, 113])
def test_the_width_of_a_class_at_the_neurons_is_known(p: int) -> None:
    """Within a class neuron (k, φ) is cos(2 w_k a − w_k s) (1 + cos(w_k s + 2φ)) about its mean."""
    found, count = exact(p), len(TEN[p])
    np.testing.assert_allclose(found["radius"][POST] ** 2, 0.75 * PHASES * count, rtol=1e-9)
    assert found["snr"][POST] == pytest.approx(2 / 3, rel=1e-9)


@pytest.mark.parametrize("p", TEN)
def test_what_is_linear_in_the_operands_tells_no_class_apart(p: int) -> None:
    """Attention adds what it reads of a and of b: every class has the same mean. '=' itself never varies."""
    found = exact(p)
    for site, noise in ((0, False), (1, True)):
        assert found["spread"][site] == 0
        assert np.isnan(found["circle_power"][site]).all() and np.isnan(found["centroid_dimension"][site])
        assert (found["radius"][site].max() > 0.1) == noise
        assert found["snr"][site] == 0 if noise else np.isnan(found["snr"][site])


@pytest.mark.parametrize("p", [7, 12])
def test_random_networks_agree_with_loops_over_classes(p: int) -> None:
    generator = torch.Generator().manual_seed(p)
    W = {
        name: torch.randn(w.shape, generator=generator, dtype=w.dtype)
        for name, w in weights(p, NETWORKS[p]).items()
    }
    every = activations(W, relu)
    found = named(analyze("class_geometry", W, every))
    classes = grid_probe(p).labels
    for i, hook in enumerate(HOOKS):
        x = every[f"blocks.0.{hook}@-1"].numpy()
        mu = np.array([x[classes == c].mean(axis=0) for c in range(p)])
        square = np.array([((x[classes == c] - mu[c]) ** 2).sum(axis=1).mean() for c in range(p)])
        if i == 0:
            assert (found["radius"][0] == 0).all()
            continue
        np.testing.assert_allclose(found["radius"][i], np.sqrt(square), rtol=1e-6)
        about = mu - mu.mean(axis=0)
        signal = (about**2).sum(axis=1).mean()
        assert found["snr"][i] == pytest.approx(signal / square.mean(), rel=1e-6)
        pairs = [((mu[c] - mu[d]) ** 2).sum() / (square[c] + square[d]) for c, d in combinations(range(p), 2)]
        assert found["fisher_mean"][i] == pytest.approx(np.mean(pairs), rel=1e-6)
        assert found["fisher_least"][i] == pytest.approx(np.min(pairs), rel=1e-6)
        s = np.linalg.svd(about, compute_uv=False)
        participation = (s**2).sum() ** 2 / (s**4).sum()
        assert found["centroid_dimension"][i] == pytest.approx(participation, rel=1e-6)
        transform = np.abs(np.fft.fft(about, axis=0)) ** 2
        energy = transform.sum(axis=1)
        folded = [energy[k] + (energy[p - k] if 2 * k != p else 0) for k in range(1, p // 2 + 1)]
        np.testing.assert_allclose(found["circle_power"][i], folded / np.sum(folded), rtol=1e-6)
        inner = []
        for c in range(p):
            t = np.linalg.svd(x[classes == c] - mu[c], compute_uv=False)
            inner.append((t**2).sum() ** 2 / (t**4).sum())
        assert found["cloud_dimension"][i] == pytest.approx(np.mean(inner), rel=1e-6)


def test_relabelling_by_a_unit_permutes_the_power_of_circles() -> None:
    """The network of K on tokens in the order u·x is the network of uK: k becomes |uk| modulo p."""
    p, u = 7, 3
    W = weights(p, NETWORKS[p])
    other = weights(p, {min(u * k % p, -u * k % p): amplitude for k, amplitude in NETWORKS[p].items()})
    plain = named(analyze("class_geometry", W, activations(W)))
    turned = named(analyze("class_geometry", other, activations(other)))
    place = [min(u * k % p, -u * k % p) - 1 for k in range(1, p // 2 + 1)]
    for site in (POST, END):
        np.testing.assert_allclose(
            turned["circle_power"][site][place], plain["circle_power"][site], atol=1e-9
        )
        assert turned["snr"][site] == pytest.approx(plain["snr"][site], rel=1e-9)


def positions(
    W: dict[str, torch.Tensor], sites: dict[str, torch.Tensor], last: dict[str, np.ndarray]
) -> dict[str, Any]:
    own = analyze("class_geometry", W, sites)
    tensors = [{k: torch.as_tensor(v) for k, v in found.items()} for found in (own, last)]
    id = "modular_arithmetic.class_geometry"
    return analyze("class_positions", W, sites, artifacts={id: tensors[0]}, reference={id: tensors[1]})


def test_at_the_reference_both_bases_are_its_own_principal_components() -> None:
    W = weights(59, {5: 0.5, 17: 0.4, 26: 0.3})
    sites = activations(W, relu)
    last = analyze("class_geometry", W, sites)
    found = positions(W, sites, last)
    for basis in ("projected", "aligned"):
        np.testing.assert_allclose(found[basis][POST:], last["score"][POST:], atol=1e-9)


def test_the_aligned_basis_does_not_follow_a_rotation_of_the_space() -> None:
    """A network with its residual stream turned computes the same; so do its aligned centroids."""
    p = 7
    W = weights(p, NETWORKS[p])
    last = analyze("class_geometry", W, activations(W, relu))
    q = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    turned = dict(W)
    for name in ("W_E", "W_pos", "W_out"):
        turned[name] = W[name] @ q
    for name in ("W_Q", "W_K", "W_V", "W_in", "W_U"):
        turned[name] = q.T @ W[name]
    turned["W_O"] = W["W_O"] @ q
    sites = activations(turned, relu)
    torch.testing.assert_close(sites["unembed.hook_out@-1"], activations(W, relu)["unembed.hook_out@-1"])
    found = positions(turned, sites, last)
    np.testing.assert_allclose(found["aligned"][POST:], last["score"][POST:], atol=1e-7)


@pytest.mark.parametrize("task", ["mul", "sub"])
def test_classes_of_other_tasks_are_in_group_order(task: str) -> None:
    """Activations that are a circle of the class in group order show one frequency, whatever the task."""
    group = Group(task, 7)
    n, k = group.size, 2
    W = weights(n, {k: 1.0})
    s = group.residues().ravel()
    circle = np.stack([np.cos(2 * np.pi * k * s / n), np.sin(2 * np.pi * k * s / n)], axis=1)
    widths = [16 if "mlp" in hook else 4 for hook in HOOKS]
    every = {
        f"blocks.0.{hook}@-1": torch.as_tensor(np.pad(circle, ((0, 0), (0, width - 2))))
        for hook, width in zip(HOOKS, widths, strict=True)
    }
    found = analyze("class_geometry", W, every, group=group)
    np.testing.assert_allclose(found["circle_power"][:, k - 1], 1, atol=1e-9)


def test_without_classes_it_says_so() -> None:
    data = subject(7, weights(7, NETWORKS[7]))
    data = evolve(data, context={**data.context, "structure": "none"})
    with pytest.raises(NotApplicableError, match="not applicable"):
        resolve(BY_ID["class_geometry"].coordinates)(data)
