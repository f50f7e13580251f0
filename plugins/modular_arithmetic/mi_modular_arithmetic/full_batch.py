"""Full-batch training on the pairs of a grid, whatever the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mi.domain.code import Training, TrainingPass
from mi_modular_arithmetic.data import METRICS
from mi_modular_arithmetic.losses import accuracy, cross_entropy

Logits = Callable[[Mapping[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]


def full_batch_training(
    parameters: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    logits: Logits,
    answers: np.ndarray,
    train: np.ndarray,
    device: str,
) -> Training:
    """AdamW on all training pairs at once; loss and accuracy on both sets.

    Args:
        parameters: the variant's.
        weights: the initialization, on the device.
        logits: ``f(weights, a, b)`` -> (rows, n).
        answers: int64, (n, n): the right answer of each pair.
        train: bool, (n, n): the training pairs.
        device: where weights and data lie.

    The metric ``weight_norm`` is the sum of squared weights.
    """
    rows = {"train": _rows(answers, train, device), "test": _rows(answers, ~train, device)}
    for tensor in weights.values():
        tensor.requires_grad_()

    def training_pass(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
        a, b, labels = rows["train"]
        found = logits(weights, a, b)
        loss = cross_entropy(found, labels)
        with torch.no_grad():
            norm = sum((w.detach().square().sum() for w in weights.values()), start=loss.new_zeros(()))
            metrics = {
                "train_loss": loss.detach(),
                "train_accuracy": accuracy(found, labels),
                "weight_norm": norm,
            }
        return TrainingPass(loss=loss, metrics=metrics)

    def evaluate(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        a, b, labels = rows["test"]
        found = logits(weights, a, b)
        return {"test_loss": cross_entropy(found, labels), "test_accuracy": accuracy(found, labels)}

    def optimizer(tensors: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            tensors,
            lr=parameters["learning_rate"],
            betas=(parameters["beta1"], parameters["beta2"]),
            eps=parameters["epsilon"],
            weight_decay=parameters["weight_decay"],
            fused=True,
        )

    return Training(
        weights=weights,
        training_pass=training_pass,
        evaluate=evaluate,
        optimizer=optimizer,
        metrics=METRICS,
    )


def _rows(answers: np.ndarray, mask: np.ndarray, device: str) -> tuple[torch.Tensor, ...]:
    """``a``, ``b`` and right answers of the pairs in ``mask``, int64, on the device."""
    a, b = np.nonzero(mask)
    return tuple(torch.as_tensor(x, device=device) for x in (a, b, answers[a, b]))
