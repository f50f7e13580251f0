"""The training task: data on the device, loss, metrics and optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from mi.domain.code import Training, TrainingPass
from mi_modular_arithmetic.data import METRICS
from mi_modular_arithmetic.one_layer import initialize, pair_logits


def addition_training(parameters: Mapping[str, Any], train: np.ndarray, device: str) -> Training:
    """Full-batch training of the one-layer transformer.

    Args:
        parameters: the variant's.
        train: bool, (p, p): the training pairs.
        device: where weights and data lie.

    The metric ``weight_norm`` is the sum of squared weights.
    """
    rows = {"train": _rows(train, device), "test": _rows(~train, device)}
    weights = initialize(parameters, device)
    for tensor in weights.values():
        tensor.requires_grad_()

    def training_pass(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
        a, b, labels = rows["train"]
        logits = pair_logits(weights, a, b)
        loss = cross_entropy(logits, labels)
        with torch.no_grad():
            norm = sum((w.detach().square().sum() for w in weights.values()), start=loss.new_zeros(()))
            metrics = {
                "train_loss": loss.detach(),
                "train_accuracy": accuracy(logits, labels),
                "weight_norm": norm,
            }
        return TrainingPass(loss=loss, metrics=metrics)

    def evaluate(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        a, b, labels = rows["test"]
        logits = pair_logits(weights, a, b)
        return {"test_loss": cross_entropy(logits, labels), "test_accuracy": accuracy(logits, labels)}

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


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in float64: once memorized, float32 would round the train loss to zero."""
    return F.cross_entropy(logits.double(), labels)


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Share of rows whose largest logit is the label's, float32."""
    return (logits.argmax(dim=-1) == labels).float().mean()


def _rows(mask: np.ndarray, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``a``, ``b`` and labels of the pairs in ``mask``, int64, on the device."""
    a, b = np.nonzero(mask)
    return (
        torch.as_tensor(a, device=device),
        torch.as_tensor(b, device=device),
        torch.as_tensor((a + b) % len(mask), device=device),
    )
