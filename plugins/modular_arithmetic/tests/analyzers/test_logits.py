"""Logit spectra and progress measures on networks whose answer is known, against formulas written out."""

import numpy as np
import plain_formulas as plain
import pytest
import torch
from analysis_kit import BY_ID, analyze, grid_probe
from handmade_networks import NETWORKS, PHASES, activations, relu, weights

REFERENCE = "modular_arithmetic.logit_spectrum"


def noisy(p: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A handmade network with every weight disturbed: nothing is symmetric, no formula is idle."""
    generator = torch.Generator().manual_seed(p)
    W = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in weights(p, NETWORKS[p]).items()
    }
    return W, activations(W, relu)


def logits_of(sites: dict[str, torch.Tensor]) -> np.ndarray:
    return sites["unembed.hook_out@-1"].numpy()


@pytest.mark.parametrize("p", [7, 59])
def test_the_exact_network_holds_its_frequencies_and_no_other(p: int) -> None:
    # Per frequency the logits are A (n/2) [cos w(a+b-c) + ½ cos w(2a-c) + ½ cos w(2b-c)]: one third of the
    # variance belongs to single operands, none of it to a class.
    W = weights(p, NETWORKS[p])
    found = analyze("logit_spectrum", W, activations(W))
    coefficients, shares = np.zeros(p // 2), np.zeros(p // 2)
    whole = sum(a**2 for a in NETWORKS[p].values())
    for k, amplitude in NETWORKS[p].items():
        coefficients[k - 1] = amplitude * PHASES / 2
        shares[k - 1] = amplitude**2 / whole / 1.5
    np.testing.assert_allclose(found["trig_coefficient"], coefficients, atol=1e-9)
    np.testing.assert_allclose(found["fve"], shares, atol=1e-9)
    assert found["within_class"] == pytest.approx(1 / 3, abs=1e-9)


@pytest.mark.parametrize("p", NETWORKS)
def test_spectrum_of_any_logits_agrees_with_the_formulas(p: int) -> None:
    W, sites = noisy(p)
    found = analyze("logit_spectrum", W, sites)
    L = plain.centred(logits_of(sites))
    labels = grid_probe(p).labels
    M = plain.class_means(L, labels, p)
    ks = range(1, p // 2 + 1)
    np.testing.assert_allclose(
        found["trig_coefficient"], [plain.trig_coefficient(M, k) for k in ks], rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(found["fve"], [plain.explained(L, k) for k in ks], rtol=1e-6, atol=1e-12)
    assert found["within_class"] == pytest.approx(np.sum((L - M[labels]) ** 2) / np.sum(L**2), rel=1e-6)
    assert found["fve"].sum() + found["within_class"] <= 1 + 1e-9


def test_explained_variance_of_a_pure_circuit_sums_to_one() -> None:
    p, amplitudes = 59, NETWORKS[59]
    a, b, c = np.ogrid[:p, :p, :p]
    L = sum(A * np.cos(2 * np.pi * k * (a + b - c) / p) for k, A in amplitudes.items()).reshape(p * p, p)
    found = analyze("logit_spectrum", weights(p, amplitudes), {"unembed.hook_out@-1": torch.as_tensor(L)})
    assert found["fve"].sum() == pytest.approx(1, abs=1e-9)
    assert found["within_class"] == pytest.approx(0, abs=1e-12)


def test_the_relu_network_has_the_coefficients_of_its_series() -> None:
    # ReLU(2 cos U cos V) = z/2 + |cos U| |cos V|: the phases keep 4/(3π) cos(w(a+b) + 2φ), the class mean
    # over a - b keeps the mean of |cos V|; the next harmonic that 16 phases let through is the 17th.
    p = 59
    W = weights(p, NETWORKS[p])
    found = analyze("logit_spectrum", W, activations(W, relu))
    mean = np.abs(np.cos(np.pi * np.arange(p) / p)).mean()
    expected = np.zeros(p // 2)
    for k, amplitude in NETWORKS[p].items():
        expected[k - 1] = amplitude * PHASES / 2 * 4 / (3 * np.pi) * mean
    np.testing.assert_allclose(found["trig_coefficient"], expected, atol=1e-3 * expected.max())


@pytest.mark.parametrize("p", NETWORKS)
def test_progress_measures_agree_with_the_formulas(p: int) -> None:
    W, sites = noisy(p)
    spectrum = analyze("logit_spectrum", W, sites)
    found = analyze(
        "progress_measures", W, sites, reference={REFERENCE: {"fve": torch.as_tensor(spectrum["fve"])}}
    )
    probe = grid_probe(p)
    labels, train, test = probe.labels, probe.masks["train"], probe.masks["test"]
    L = plain.centred(logits_of(sites))
    M = plain.class_means(L, labels, p)
    parts = {k: plain.component(M, k)[labels] for k in range(1, p // 2 + 1)}
    np.testing.assert_allclose(sum(parts.values()) + M.mean(axis=0), M[labels], atol=1e-9)  # Σ r_k + mean = M

    key = [k for k in parts if found["key"][k - 1]]
    fve = spectrum["fve"]
    assert (
        sum(fve[k - 1] for k in key) >= 0.94 * fve.sum() and min(fve[k - 1] for k in key) >= 0.01 * fve.sum()
    )
    kept = sum(parts[k] for k in key)
    restricted = kept + (L - kept).mean(axis=0)
    exact = {"rtol": 1e-6, "atol": 1e-12}
    np.testing.assert_allclose(
        found["restricted_loss_test"], plain.cross_entropy(restricted[test], labels[test]), **exact
    )
    np.testing.assert_allclose(found["restricted_loss_all"], plain.cross_entropy(restricted, labels), **exact)
    excluded = [plain.cross_entropy((L - r)[train], labels[train]) for r in parts.values()]
    np.testing.assert_allclose(found["excluded_loss"], excluded, **exact)
    np.testing.assert_allclose(
        found["excluded_loss_key"], plain.cross_entropy((L - kept)[train], labels[train]), **exact
    )
    embedding = plain.share(W["W_E"].numpy()[:p])
    np.testing.assert_allclose(found["gini_embedding"], plain.gini(embedding), **exact)
    neurons = plain.fractions(sites["blocks.0.mlp.hook_post@-1"].numpy(), p).mean(axis=0)
    np.testing.assert_allclose(found["gini_neurons"], plain.gini(neurons), **exact)
    squares = sum(float((w.numpy() ** 2).sum()) for w in W.values())
    np.testing.assert_allclose(found["sum_squared_weights"], squares, **exact)


def test_restricted_loss_takes_the_mean_over_rows_where_classes_differ_in_size() -> None:
    # On the grid of an addition all classes are equally large and the mean of R is zero; elsewhere it is not.
    from mi_modular_arithmetic.analyzers.logits import restricted_losses

    labels = np.array([0, 0, 0, 1, 2, 2, 3, 4])
    random = np.random.RandomState(0)
    L, R = random.randn(8, 5), random.randn(5, 5)
    found = restricted_losses(torch.as_tensor(L), torch.as_tensor(R), labels)
    logits = R[labels] + (L - R[labels]).mean(axis=0)
    for row, s in enumerate(labels):
        expected = plain.cross_entropy(logits[[row]], labels[[row]])
        assert float(found[s]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_excluded_loss_is_exact_for_small_and_for_huge_logits(scale: float) -> None:
    # The huge ones span more than e^±700, where the product of exponentials would underflow.
    p = 7
    W, sites = noisy(p)
    sites["unembed.hook_out@-1"] = scale * sites["unembed.hook_out@-1"]
    L = plain.centred(logits_of(sites))
    probe = grid_probe(p)
    M = plain.class_means(L, probe.labels, p)
    train = probe.masks["train"]
    found = analyze("progress_measures", W, sites, reference={REFERENCE: {"fve": torch.ones(p // 2)}})
    for k in range(1, p // 2 + 1):
        rest = (L - plain.component(M, k)[probe.labels])[train]
        expected = plain.cross_entropy(rest, probe.labels[train])
        assert found["excluded_loss"][k - 1] == pytest.approx(expected, rel=1e-9)
    spread = np.ptp(plain.component(M, 1), axis=1).max()
    assert (spread > 700) == (scale > 1), "the two scales must lie on the two sides of the limit"


def test_all_frequencies_kept_are_the_class_means_and_all_excluded_leave_the_rest() -> None:
    p = 59
    W, sites = noisy(p)
    every = {REFERENCE: {"fve": torch.ones(p // 2, dtype=torch.float64)}}
    found = analyze("progress_measures", W, sites, reference=every, reach=1.0, floor=0.0)
    labels = grid_probe(p).labels
    M = plain.class_means(plain.centred(logits_of(sites)), labels, p)
    assert found["key"].tolist() == [1] * (p // 2)
    assert found["restricted_loss_all"] == pytest.approx(plain.cross_entropy(M[labels], labels), rel=1e-9)


def test_key_frequencies_come_from_the_reference_and_not_from_the_checkpoint() -> None:
    p = 59
    W, sites = noisy(p)
    fve = torch.zeros(p // 2, dtype=torch.float64)
    fve[[1, 6]] = torch.tensor([0.5, 0.4], dtype=torch.float64)
    found = analyze("progress_measures", W, sites, reference={REFERENCE: {"fve": fve}})
    assert np.flatnonzero(found["key"]).tolist() == [1, 6]


def test_a_constant_added_to_the_logits_of_a_pair_changes_nothing() -> None:
    p = 7
    W, sites = noisy(p)
    shift = torch.linspace(-5, 5, p * p, dtype=torch.float64)[:, None]
    moved = sites | {"unembed.hook_out@-1": sites["unembed.hook_out@-1"] + shift}
    reference = {REFERENCE: {"fve": torch.ones(p // 2)}}
    for name in ("logit_spectrum", "progress_measures", "accuracy_grid"):
        before, after = (analyze(name, W, s, reference=reference) for s in (sites, moved))
        for output in before:
            np.testing.assert_allclose(after[output], before[output], rtol=1e-9, atol=1e-9, equal_nan=True)


def test_logits_without_any_variation_have_no_shares() -> None:
    p = 7
    W, sites = noisy(p)
    sites["unembed.hook_out@-1"] = torch.zeros(p * p, p, dtype=torch.float64)
    found = analyze("logit_spectrum", W, sites)
    assert np.isnan(found["fve"]).all() and np.isnan(found["within_class"])
    measures = analyze(
        "progress_measures", W, sites, reference={REFERENCE: {"fve": torch.full((p // 2,), np.nan)}}
    )
    assert measures["restricted_loss_all"] == pytest.approx(np.log(p))
    assert measures["excluded_loss_key"] == pytest.approx(np.log(p))
    assert measures["key"].sum() == 0


def test_every_analyzer_declares_what_it_says() -> None:
    for analyzer in BY_ID.values():
        assert analyzer.description and analyzer.title
        assert all(output.description for output in analyzer.outputs.values()), analyzer.id
        assert all(option.description for option in analyzer.options.values()), analyzer.id
