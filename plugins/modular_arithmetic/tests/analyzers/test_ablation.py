"""Ablation on networks whose answer is known, and on the real transformer, against formulas written out."""

from collections.abc import Mapping

import numpy as np
import plain_formulas as plain
import pytest
import torch
from analysis_kit import analyze, grid_probe
from handmade_networks import NETWORKS, activations, cells, relu, square, weights

from mi_modular_arithmetic.weights import shapes

PLACES = ["embedding", "neurons", "logits", "class_logits", "group"]
LOGITS, POST = "unembed.hook_out@-1", "blocks.0.mlp.hook_post@-1"
Weights = Mapping[str, torch.Tensor]


def reference(W: Weights, sites: Weights) -> dict[str, dict[str, torch.Tensor]]:
    found = analyze("neuron_frequencies", W, sites)
    return {"modular_arithmetic.neuron_frequencies": {k: torch.as_tensor(v) for k, v in found.items()}}


def changes(p: int, before: np.ndarray, after: np.ndarray) -> list[float]:
    """Change of the mean cross-entropy on train and on test pairs."""
    probe = grid_probe(p)
    labels = np.add.outer(np.arange(p), np.arange(p)).ravel() % p
    return [
        plain.cross_entropy(after[mask], labels[mask]) - plain.cross_entropy(before[mask], labels[mask])
        for mask in (probe.masks["train"], probe.masks["test"])
    ]


def plain_part(x: np.ndarray, k: int, p: int) -> np.ndarray:
    """The part of x (p², …) over the grid that lies in the cells of frequency k."""
    X = np.fft.fft2(x.reshape(p, p, -1), axes=(0, 1))
    kept = np.zeros_like(X)
    for cell in cells(k, p):
        kept[cell] = X[cell]
    return np.real(np.fft.ifft2(kept, axes=(0, 1))).reshape(x.shape)


@pytest.mark.parametrize("p", NETWORKS)
def test_taking_a_key_frequency_out_removes_exactly_its_part(p: int) -> None:
    W = weights(p, NETWORKS[p])
    sites = activations(W, square)
    found = analyze("frequency_ablation", W, sites, reference=reference(W, sites), activation=square)
    change = dict(zip(PLACES, found["loss_change"], strict=True))  # each (2, p//2)
    before = sites[LOGITS].numpy()
    keys = NETWORKS[p]
    for k in range(1, p // 2 + 1):
        without = {j: amplitude for j, amplitude in keys.items() if j != k}
        after = activations(weights(p, without), square)[LOGITS].numpy() if without else 0 * before
        expected = changes(p, before, after)
        np.testing.assert_allclose(change["embedding"][:, k - 1], expected, atol=1e-6)
        assert (np.abs(expected).max() > 1e-3) == (k in keys)
        if k in keys:
            np.testing.assert_allclose(change["group"][:, k - 1], expected, atol=1e-6)
        else:
            assert np.isnan(change["group"][:, k - 1]).all(), "no neuron, nothing to hold at its mean"
        assert found["group"][k - 1] == (16 if k in keys else 0)
        # The square of a neuron holds 2 k as well: cos(2 w a) beside cos(w a) cos(w b).
        if k not in keys and k not in {min(2 * j % p, -2 * j % p) for j in keys}:
            for place in PLACES[:4]:
                np.testing.assert_allclose(change[place][:, k - 1], 0, atol=1e-6, err_msg=place)
    labels = np.add.outer(np.arange(p), np.arange(p)).ravel() % p
    train = grid_probe(p).masks["train"]
    np.testing.assert_allclose(found["loss"][0], plain.cross_entropy(before[train], labels[train]))


@pytest.mark.parametrize("p", [7, 12, 59])
@pytest.mark.parametrize("activation", [square, relu])
def test_every_place_agrees_with_the_formulas(p: int, activation: object) -> None:
    generator = torch.Generator().manual_seed(p)
    W = {
        name: tensor + 0.05 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in weights(p, NETWORKS[p]).items()
    }
    sites = activations(W, activation)  # type: ignore[arg-type]
    found = analyze("frequency_ablation", W, sites, reference=reference(W, sites), activation=activation)  # type: ignore[arg-type]
    change = dict(zip(PLACES, found["loss_change"], strict=True))
    before, post = sites[LOGITS].numpy(), sites[POST].numpy()
    w = {name: tensor.numpy() for name, tensor in W.items()}
    labels = np.add.outer(np.arange(p), np.arange(p)).ravel() % p
    neurons = reference(W, sites)["modular_arithmetic.neuron_frequencies"]
    for k in {1, 3, p // 2}:
        wave = np.exp(2j * np.pi * k * np.arange(p) / p)
        table = w["W_E"][:p]
        cut = w["W_E"].copy()
        cut[:p] -= np.real(np.outer(wave, wave.conj() @ table)) * plain.epsilon(k, p) / p
        embedded = activations({**W, "W_E": torch.as_tensor(cut)}, activation)[LOGITS].numpy()  # type: ignore[arg-type]
        M = plain.class_means(plain.centred(before), labels, p)
        mine = np.asarray((neurons["dominant"] == k) & (neurons["dominant_fraction"] >= 0.5))
        held = post.copy()
        held[:, mine] = post[:, mine].mean(axis=0)
        expected = {
            "embedding": embedded,
            "neurons": before - plain_part(post, k, p) @ w["W_out"] @ w["W_U"],
            "logits": before - plain_part(before, k, p),
            "class_logits": before - plain.component(M, k)[labels],
            "group": before + (held - post) @ w["W_out"] @ w["W_U"],
        }
        for place, after in expected.items():
            if place == "group" and not mine.any():
                assert np.isnan(change[place][:, k - 1]).all()
                continue
            np.testing.assert_allclose(
                change[place][:, k - 1], changes(p, before, after), rtol=1e-6, atol=1e-9, err_msg=place
            )
            right, was = _right(after, labels), _right(before, labels)
            for i, name in enumerate(("train", "test")):
                mask = grid_probe(p).masks[name]
                shift = right[mask].mean() - was[mask].mean()
                where = PLACES.index(place), i, k - 1
                np.testing.assert_allclose(found["accuracy_change"][where], shift, atol=1e-9)


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    own = logits[np.arange(len(labels)), labels]
    others = np.where(np.arange(logits.shape[1]) == labels[:, None], -np.inf, logits)
    return own > others.max(axis=1)


def test_the_smallest_losses_are_exact_in_float32() -> None:
    # A memorized network: in float32 a softmax would round its loss to 0.
    p = 59
    W = {name: tensor.float() for name, tensor in weights(p, NETWORKS[p]).items()}
    sites = {key: tensor.float() for key, tensor in activations(W, square).items()}
    labels = torch.as_tensor(np.add.outer(np.arange(p), np.arange(p)).ravel() % p)
    logits = torch.randn((p * p, p), generator=torch.Generator().manual_seed(0))
    sites[LOGITS] = logits.scatter_add(1, labels[:, None], torch.full((p * p, 1), 30.0))
    found = analyze("frequency_ablation", W, sites, reference=reference(W, sites))
    exact = torch.nn.functional.cross_entropy(sites[LOGITS].double(), labels, reduction="none")
    expected = exact[torch.as_tensor(grid_probe(p).masks["test"])].mean()
    assert 0 < float(expected) < 1e-8
    np.testing.assert_allclose(found["loss"][1], expected, rtol=1e-5)


def test_a_task_without_classes_has_no_r_k() -> None:
    from analysis_kit import BY_ID, subject

    from mi.refs import resolve
    from mi_modular_arithmetic.tasks import Group

    data = subject(7, weights(7, NETWORKS[7]), group=Group("quad", 7))
    places = resolve(BY_ID["frequency_ablation"].coordinates)(data)["place"]
    assert list(places) == [place for place in PLACES if place != "class_logits"]


@pytest.fixture(params=[5, 13])
def transformer(request: pytest.FixtureRequest) -> tuple[Weights, object, torch.Tensor]:
    """Random weights, large enough for heads to differ, in the real TransformerBridge."""
    from mi_modular_arithmetic.family import ModularTransformer

    sizes = {"prime": request.param, "d_model": 24, "n_heads": 3, "d_head": 8, "d_mlp": 20}
    code = ModularTransformer(sizes | {"train_fraction": 0.5, "data_seed": 0})
    generator = torch.Generator().manual_seed(3)
    W = {name: 0.5 * torch.randn(shape, generator=generator) for name, shape in shapes(sizes).items()}
    model = code.build_model("cpu")
    code.load_weights(model, W)
    p = request.param
    return W, model, torch.tensor([[a, b, p] for a in range(p) for b in range(p)])


def test_a_head_at_its_mean_changes_what_the_real_transformer_says(
    transformer: tuple[Weights, object, torch.Tensor],
) -> None:
    W, model, tokens = transformer
    p = len(W["W_E"]) - 1
    hooks = ["blocks.0.attn.hook_z", "blocks.0.mlp.hook_pre", "blocks.0.mlp.hook_post", "unembed.hook_out"]
    with torch.inference_mode():
        _, cache = model.run_with_cache(tokens, names_filter=hooks, return_cache_object=False)  # type: ignore[attr-defined]
    sites = {f"{hook}@-1": cache[hook][:, -1].clone() for hook in hooks}
    found = analyze("head_ablation", W, sites)
    before = sites[LOGITS].double().numpy()
    for h in range(3):

        def at_mean(z: torch.Tensor, hook: object, h: int = h) -> torch.Tensor:
            z = z.clone()
            z[:, -1, h] = z[:, -1, h].mean(dim=0)
            return z

        point = model.hook_dict["blocks.0.attn.hook_z"]  # type: ignore[attr-defined]
        point.add_hook(at_mean)
        with torch.inference_mode():
            _, cache = model.run_with_cache(  # type: ignore[attr-defined]
                tokens, names_filter=["unembed.hook_out"], return_cache_object=False
            )
        after = cache["unembed.hook_out"][:, -1].double().numpy()
        point.remove_hooks()
        expected = changes(p, before, after)
        np.testing.assert_allclose(found["loss_change"][:, h], expected, rtol=1e-4, atol=1e-6)
        assert np.abs(expected).max() > 1e-2, "a head that does nothing would prove nothing"
