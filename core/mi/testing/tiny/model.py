"""The tiny family's network and its training; needs torch and TransformerLens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from mi.domain.code import Training, TrainingPass
from mi.domain.probe import Rows

WIDTH = 4
METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


class Net(HookedRootModule):  # type: ignore[misc]
    """``relu((embed[x] + embed[y]) inner) outer`` at the second position; the first sees x alone."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        for name, shape in shapes(size, hidden).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        self.hook_embed, self.hook_hidden, self.hook_logits = HookPoint(), HookPoint(), HookPoint()
        self.setup()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, 2, size)."""
        embedded = self.hook_embed(F.embedding(tokens, self.embed))  # (rows, 2, width)
        hidden = self.hook_hidden(torch.relu(embedded.cumsum(1) @ self.inner))  # (rows, 2, hidden)
        return self.hook_logits(hidden @ self.outer)  # type: ignore[no-any-return]


def shapes(size: int, hidden: int) -> dict[str, tuple[int, int]]:
    """Names and shapes of the weights."""
    return {"embed": (size, WIDTH), "inner": (WIDTH, hidden), "outer": (hidden, size)}


def logits(weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """Logits (rows, 2, size) as a pure function of the weights."""
    hidden = torch.relu(F.embedding(tokens, weights["embed"]).cumsum(1) @ weights["inner"])
    return hidden @ weights["outer"]


def training(parameters: Mapping[str, Any], rows: Rows, device: str) -> Training:
    """Full-batch training from a seeded initialization."""
    generator = torch.Generator().manual_seed(parameters["seed"])
    weights = {
        name: torch.randn(shape, generator=generator).to(device).requires_grad_()
        for name, shape in shapes(parameters["size"], parameters["hidden"]).items()
    }
    sets = {
        name: (torch.as_tensor(rows.tokens[mask]).to(device), torch.as_tensor(rows.labels[mask]).to(device))  # type: ignore[index]
        for name, mask in rows.masks.items()
    }

    def measure(weights: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, labels = sets[name]
        answers = logits(weights, tokens)[:, -1]
        right = (answers.detach().argmax(-1) == labels).double().mean()
        return F.cross_entropy(answers.double(), labels), right

    def training_pass(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
        loss, right = measure(weights, "train")
        return TrainingPass(loss=loss, metrics={"train_loss": loss.detach(), "train_accuracy": right})

    def evaluate(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        loss, right = measure(weights, "test")
        return {"test_loss": loss, "test_accuracy": right}

    def optimizer(tensors: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(tensors, lr=0.05)

    return Training(
        weights=weights,
        training_pass=training_pass,
        evaluate=evaluate,
        optimizer=optimizer,
        metrics=METRICS,
    )
