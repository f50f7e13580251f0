"""Families' code, each wrong in one way: the kit's tiny family with one method done badly."""

from __future__ import annotations

import os

import numpy as np
import torch
from attrs import evolve

from mi import ParameterError, TrainingPass
from mi.testing.tiny.code import TinyMlp


class Right(TinyMlp):
    @classmethod
    def check(cls, parameters):
        if parameters["size"] == 3:
            raise ParameterError("size is 3, expected another")


class Validates(Right): ...


class Described(Right): ...


class Misspelt(Right): ...


class Accepts(Right):
    @classmethod
    def check(cls, parameters): ...


class Crashes(Right):
    @classmethod
    def check(cls, parameters):
        Right.check(parameters)
        if parameters["hidden"] == 512:
            raise OverflowError("too many")


class Rows(Right):
    def encode(self, columns):
        rows = super().encode(columns)
        return evolve(rows, tokens=rows.tokens.astype(np.int32))


class RowOrder(Right):
    def encode(self, columns):
        rows = super().encode(columns)
        train = np.arange(len(rows.tokens)) % 3 != 0
        return evolve(rows, masks={"train": train, "test": ~train})


class Dims(Right):
    def dimensions(self):
        return {**super().dimensions(), "epoch": [0]}


class Context(Right):
    def context(self):
        return {"draw": os.urandom(4).hex()}


class Trained(Right):
    """Subclasses change one thing of the training."""

    def change(self, training):
        return training

    def training(self, device):
        return self.change(super().training(device))


def _random(tensor):
    generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(4)))
    return torch.randn(tensor.shape, generator=generator).requires_grad_()


class Unseeded(Trained):
    def change(self, training):
        return evolve(training, weights={n: _random(t) for n, t in training.weights.items()})


class OneSeed(Trained):
    def change(self, training):
        weights = {n: torch.full_like(t, 0.1).requires_grad_() for n, t in training.weights.items()}
        return evolve(training, weights=weights)


class Detached(Trained):
    def change(self, training):
        def training_pass(weights, step, generator):
            passed = training.training_pass(weights, step, generator)
            return TrainingPass(loss=passed.loss.detach(), metrics=passed.metrics)

        return evolve(training, training_pass=training_pass)


class Metrics(Trained):
    def change(self, training):
        return evolve(training, metrics=(*training.metrics, "valid_loss"))


class GlobalPass(Trained):
    def change(self, training):
        def training_pass(weights, step, generator):
            torch.rand(1)
            return training.training_pass(weights, step, generator)

        return evolve(training, training_pass=training_pass)


class Resume(Trained):
    def change(self, training):
        calls = []

        def training_pass(weights, step, generator):
            calls.append(step)
            passed = training.training_pass(weights, step, generator)
            return TrainingPass(loss=passed.loss * len(calls), metrics=passed.metrics)

        return evolve(
            training, training_pass=training_pass, optimizer=lambda tensors: torch.optim.SGD(tensors, lr=0.01)
        )


class TrainingMode(Right):
    def build_model(self, device):
        return super().build_model(device).train()


class GlobalBuild(Right):
    def build_model(self, device):
        torch.rand(1)
        return super().build_model(device)


class Lenient(Right):
    def load_weights(self, model, weights):
        model.load_state_dict(dict(weights), strict=False)


class Leftover(Right):
    def load_weights(self, model, weights):
        model.loads = getattr(model, "loads", 0) + 1
        super().load_weights(model, {**weights, "outer": weights["outer"] * model.loads})


class Batchy(Right):
    def build_model(self, device):
        model = super().build_model(device)
        plain = model.forward
        model.forward = lambda tokens: plain(tokens) - plain(tokens).mean(0)
        return model

    def forward(self, weights, tokens):
        logits = super().forward(weights, tokens)
        return logits - logits.mean(0)


class Forward(Right):
    def forward(self, weights, tokens):
        return super().forward(weights, tokens) + 1


class Losses(Right):
    def row_losses(self, logits, tokens, labels):
        losses = super().row_losses(logits, tokens, labels)
        return losses - losses.mean() / 2
