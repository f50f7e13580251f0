"""Where float64 is worth its time, and where float32 is as good; numpy's longest floats say what is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mi_modular_arithmetic.analyzers.logits import excluded_losses, restricted_losses
from mi_modular_arithmetic.losses import accuracy, cross_entropy

P, STRENGTH = 31, 20.0
Long = np.longdouble


def late_logits() -> torch.Tensor:
    """What a network says that knows its answers, as it says it: (p², p), float32; losses of about 1e-8."""
    a, b, c = np.ogrid[:P, :P, :P]
    noise = np.random.default_rng(0).normal(size=(P, P, P)) / 10
    return torch.tensor((STRENGTH * (c == (a + b) % P) + noise).reshape(P * P, P), dtype=torch.float32)


LABELS = np.add.outer(np.arange(P), np.arange(P)).reshape(-1) % P


def plain_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log softmax at the labels, without cancellation: log(1 + Σ exp(other - own))."""
    long = logits.astype(Long)
    own = long[np.arange(len(long)), labels]
    others = np.exp(long - own[:, None])
    others[np.arange(len(long)), labels] = 0
    return np.asarray(np.log1p(others.sum(axis=1)))


def apart(found: torch.Tensor, right: np.ndarray) -> float:
    """The largest relative error."""
    return float(np.abs(found.double().numpy() / right.astype(float) - 1).max())


def test_the_loss_of_a_network_that_knows_needs_float64() -> None:
    logits, labels = late_logits(), torch.tensor(LABELS)
    right = plain_losses(logits.numpy(), LABELS).mean()
    assert 1e-8 < right < 1e-6
    assert apart(cross_entropy(logits, labels), np.asarray(right)) < 1e-6
    assert apart(F.cross_entropy(logits, labels), np.asarray(right)) > 0.1


def test_its_gradient_needs_float64_too() -> None:
    """In float32 the right answer's probability is 1: training would stop there."""
    logits = torch.zeros(1, P)
    logits[0, 3] = 30.0
    label = torch.tensor([3])
    gradients = {}
    for name, loss in (("float64", cross_entropy), ("float32", F.cross_entropy)):
        given = logits.clone().requires_grad_(True)
        loss(given, label).backward()  # type: ignore[no-untyped-call]
        assert given.grad is not None
        gradients[name] = given.grad[0, 3].item()
    assert gradients["float64"] == pytest.approx(-(P - 1) * np.exp(-30.0), rel=1e-6)
    assert gradients["float32"] == 0.0


def test_excluded_and_restricted_losses_need_float64() -> None:
    logits = late_logits()
    means = torch.stack([logits[s == LABELS].mean(0) for s in range(P)])
    removed = torch.stack([0.001 * means, 0.002 * means])  # far less than what answers depend on
    mask = np.arange(len(LABELS)) % 2 == 0
    long = logits.numpy().astype(Long)
    right = np.stack(
        [plain_losses(long - r.numpy().astype(Long)[LABELS], LABELS)[mask].mean() for r in removed]
    )
    assert apart(excluded_losses(logits.double(), removed.double(), LABELS, mask), right) < 1e-6
    assert apart(excluded_losses(logits, removed, LABELS, mask), right) > 0.1
    bias = (long - means.numpy().astype(Long)[LABELS]).mean(axis=0)
    kept = plain_losses(means.numpy().astype(Long) + bias, np.arange(P))
    assert apart(restricted_losses(logits.double(), means.double(), LABELS), kept) < 1e-6
    assert apart(restricted_losses(logits, means, LABELS), kept) > 0.1


@pytest.mark.parametrize("size", [128, 65_536, 5_000_000])
def test_sums_of_squared_weights_do_not(size: int) -> None:
    weights = torch.randn(size, generator=torch.Generator().manual_seed(size)) / 10
    right = (weights.double() ** 2).sum().numpy()
    assert apart(weights.square().sum(), right) < 1e-6


def test_accuracies_do_not() -> None:
    labels = torch.zeros(12_769, dtype=torch.int64)
    for count in (0, 1, 6_000, 12_768, 12_769):
        logits = torch.zeros(12_769, 2)
        logits[count:, 1] = 1.0
        assert accuracy(logits, labels).item() == pytest.approx(count / 12_769, rel=1e-6)
    assert accuracy(torch.zeros(7, 2), labels[:7]) == 1.0


@pytest.mark.parametrize("strength", [0.0, 1e-6, 1.0, 100.0])
def test_spreads_of_attention_do_not(strength: float) -> None:
    scores = strength * torch.randn(12_769, 3, generator=torch.Generator().manual_seed(4))
    pattern = scores.softmax(-1)
    exact = pattern.double().numpy()
    assert apart(pattern.mean(0), exact.mean(0)) < 1e-6
    found, right = pattern.std(0, correction=0), exact.std(axis=0)
    np.testing.assert_allclose(found.numpy(), right, rtol=1e-6)
    assert strength > 0 or not found.any()
