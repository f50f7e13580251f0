"""y = x M + c, learnt from noisy batches that the generator draws."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from mi.domain.code import Training, TrainingPass, VariantCode
from mi.domain.intervention import Intervention, InterventionKind
from mi.domain.probe import Rows
from mi.domain.values import TypedValue
from mi.errors import ParameterError


class Lines(VariantCode):
    at_work: tuple[Intervention, ...] = ()

    def axes(self) -> Mapping[str, np.ndarray]:
        return {}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        raise NotImplementedError

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        return {}

    def build_model(self, device: str) -> Any:
        raise NotImplementedError

    def load_weights(self, model: Any, weights: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def intervention_kinds(self) -> Mapping[str, InterventionKind]:
        return {
            "freeze": InterventionKind(description="No step changes these.", where="names of weights"),
            "scale": InterventionKind(
                description="The matrix counts so many times.",
                where="nothing",
                options={"gain": TypedValue(type="float", default=1.0, minimum=0)},
            ),
        }

    def under(self, interventions: Sequence[Intervention]) -> Lines:
        code = copy(self)
        code.at_work = tuple(interventions)
        for one in interventions:
            if one.kind == "freeze" and set(one.where) - {"matrix", "offset"}:
                raise ParameterError(f"{', '.join(one.where)} to freeze, expected matrix or offset")
        return code

    def training(self, device: str) -> Training:
        import torch

        p = self.parameters
        made = torch.Generator().manual_seed(p["seed"])
        truth, tests = torch.randn(4, 3, generator=made), torch.randn(50, 4, generator=made)
        weights = {
            "matrix": torch.randn(4, 3, generator=made).to(device).requires_grad_(),
            "offset": torch.zeros(3, device=device).requires_grad_(),
        }

        def error(weights: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            matrix = weights["matrix"]
            for one in self.at_work:
                if one.kind == "scale":
                    matrix = matrix * one.options["gain"]
            return (x @ matrix + weights["offset"] - y).square().mean()

        def one_pass(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
            time.sleep(p["pause"])
            x = torch.randn(8, 4, generator=generator)
            noise = 0.1 * torch.randn(8, 3, generator=generator)
            loss = error(weights, x.to(device), (x @ truth + noise).to(device))
            return TrainingPass(loss=loss, metrics={"train_loss": loss.detach()})

        def optimizer(tensors: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
            if p["optimizer"] == "sgd":
                return torch.optim.SGD(tensors, lr=p["learning_rate"], momentum=0.9)
            return torch.optim.AdamW(tensors, lr=p["learning_rate"], betas=(0.9, 0.98))

        return Training(
            weights=weights,
            training_pass=one_pass,
            evaluate=lambda w: {"test_loss": error(w, tests.to(device), (tests @ truth).to(device))},
            optimizer=optimizer,
            metrics=("train_loss", "test_loss"),
            generator_seed=p["seed"] + 1,
            frozen=frozenset(n for one in self.at_work if one.kind == "freeze" for n in one.where),
        )
