"""Where float64 is worth its time; numpy's longest floats say what is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mi_transformer_library.losses import cross_entropy
from mi_transformer_library.precision import mean, wide
from mi_transformer_library.sums import Sums


def test_the_loss_of_a_sure_answer_needs_float64() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)) / 10
    answers = torch.tensor([3, 0, 49, 7])
    logits[torch.arange(4), answers] += 20
    long = logits.numpy().astype(np.longdouble)
    others = np.exp(long - long[np.arange(4), answers][:, None])
    others[np.arange(4), answers] = 0
    right = np.log1p(others.sum(axis=1)).astype(float)
    assert (right < 1e-6).all()
    np.testing.assert_allclose(cross_entropy(logits, answers).numpy(), right, rtol=1e-6)
    narrow = torch.nn.functional.cross_entropy(logits, answers, reduction="none").numpy()
    assert (np.abs(narrow / right - 1) > 0.1).all()


def summed(rows: torch.Tensor, size: int, part: Callable[[torch.Tensor], torch.Tensor]) -> bytes:
    """The mean over rows as it is stored, summed in batches."""
    sums = Sums()
    for low in range(0, len(rows), size):
        batch = rows[low : low + size]
        sums = sums.plus({"it": part(batch)}, len(batch))
    return sums.means()["it"].float().numpy().tobytes()


def test_means_over_batches_need_float64_to_be_the_same_wherever_batches_are_cut() -> None:
    rows = torch.rand(5_000, 8, generator=torch.Generator().manual_seed(1))
    cuts = (1, 7, 512, 5_000)
    assert len({summed(rows, cut, lambda r: r.sum(0, dtype=torch.float64)) for cut in cuts}) == 1
    assert len({summed(rows, cut, lambda r: r.sum(0)) for cut in cuts}) > 1


def test_a_mean_of_either_sign_needs_float64() -> None:
    """As contributions to logits have, at the start of training."""
    values = torch.randn(12_769, generator=torch.Generator().manual_seed(2))
    values -= values.mean()
    right = values.numpy().astype(np.longdouble).mean()
    assert float(mean(values)) == pytest.approx(float(right), rel=1e-6)
    assert abs(float(values.mean()) / float(right) - 1) > 0.01


def test_products_and_differences_before_it_do_not() -> None:
    """A component's contribution, products in float32, is right to a millionth of its terms."""
    generator = torch.Generator().manual_seed(3)
    written, direction = (torch.randn(5_000, 128, generator=generator) for _ in range(2))
    exact = written.numpy().astype(np.longdouble) * direction.numpy()
    right, scale = exact.sum(-1).mean(), np.abs(exact.sum(-1)).mean()
    assert abs(float(mean((written * direction).sum(-1))) - float(right)) < 1e-6 * float(scale)


def test_half_precision_is_widened_and_nothing_is_narrowed() -> None:
    for given, found in (
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ):
        assert wide(torch.ones(2, dtype=given)).dtype == found


def test_eigenvalues_of_a_circuit_need_float64() -> None:
    """Of a matrix far from normal they move with the root of the rounding, not with the rounding.

    Two heads in a row make such a circuit: what is written to a direction is not read from it again.
    """
    size = 8
    generator = torch.Generator().manual_seed(4)
    jordan = torch.diag(torch.full((size - 1,), 1.0), 1) + 0.25 * torch.eye(size)
    turn = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator)).Q
    circuit = turn @ jordan.double() @ turn.T  # every eigenvalue is 1/4: the score is 1

    def score(matrix: torch.Tensor) -> float:
        values = torch.linalg.eigvals(matrix)
        return float(values.real.sum() / values.abs().sum())

    assert score(circuit) == pytest.approx(1, abs=1e-2)
    assert abs(score(circuit.float()) - 1) > 10 * abs(score(circuit) - 1)
