"""The training task: batches drawn anew at every step, next-token cross-entropy, losses by kind of target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from mi import Training, TrainingPass
from mi_induction.data import Batch, draw
from mi_induction.transformer import initialize, logits

METRICS = ("train_loss", "test_loss", "test_first_loss", "test_repeat_loss", "test_accuracy")
TEST_STREAM = 2**32  # added to the data seed, which is below: the test rows are never those of a batch


def repeated_segments_training(parameters: Mapping[str, Any], device: str) -> Training:
    """Training on sequences with a repeated segment.

    The metrics: `train_loss` and `test_loss` over all targets; `test_repeat_loss` and `test_accuracy` over
    those that the first copy tells; `test_first_loss` over the others, which nothing tells: ln(vocabulary) is
    the best there is. In nats, of the same fixed test rows at every epoch.
    """
    test_generator = torch.Generator().manual_seed(parameters["data_seed"] + TEST_STREAM)
    test = _to(_draw(parameters, test_generator, parameters["test_rows"]), device)
    weights = {name: tensor.requires_grad_() for name, tensor in initialize(parameters, device).items()}

    def training_pass(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
        batch = _to(_draw(parameters, generator, parameters["batch"]), device)
        loss = next_token_losses(logits(weights, batch.tokens[:, :-1]), batch.tokens[:, 1:]).mean()
        return TrainingPass(loss=loss, metrics={"train_loss": loss.detach()})

    def evaluate(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        found = logits(weights, test.tokens[:, :-1])
        losses = next_token_losses(found, test.tokens[:, 1:])
        right = found.argmax(-1) == test.tokens[:, 1:]
        return {
            "test_loss": losses.mean(),
            "test_first_loss": losses[~test.repeated].mean(),
            "test_repeat_loss": losses[test.repeated].mean(),
            "test_accuracy": right[test.repeated].float().mean(),
        }

    def optimizer(tensors: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            tensors,
            lr=parameters["learning_rate"],
            betas=(0.9, 0.98),
            weight_decay=parameters["weight_decay"],
            fused=True,
        )

    return Training(
        weights=weights,
        training_pass=training_pass,
        evaluate=evaluate,
        optimizer=optimizer,
        metrics=METRICS,
        generator_seed=parameters["data_seed"],
    )


def _draw(parameters: Mapping[str, Any], generator: torch.Generator, rows: int) -> Batch:
    return draw(
        generator,
        rows,
        length=parameters["context"],
        vocabulary=parameters["vocabulary"],
        shortest=parameters["segment_min"],
        longest=parameters["segment_max"],
    )


def _to(batch: Batch, device: str) -> Batch:
    return Batch(*(tensor.to(device) for tensor in batch))


def next_token_losses(found: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every target (rows, n) in nats, from logits (rows, n, tokens): (rows, n)."""
    flat = F.cross_entropy(found.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)
