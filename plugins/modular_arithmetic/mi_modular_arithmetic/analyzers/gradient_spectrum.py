"""Which frequencies the train loss pulls at, place by place, and whether they are those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from mi_fourier_library import energy, in_order
from mi_modular_arithmetic.circuit import TRANSFORMER, kind_of, neuron_inputs, operand_rows
from mi_modular_arithmetic.losses import cross_entropy
from mi_modular_arithmetic.one_layer import residuals, score_tables, scored_logits
from mi_modular_arithmetic.transformer import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi.engine.data import CheckpointData

    Weights = Mapping[str, torch.Tensor]
    Pair = tuple[torch.Tensor, torch.Tensor]


def gradient_spectrum(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Energy of the train loss's gradient in each frequency, at the places of :func:`places`.

    ``energy``, ``share`` (places, n//2): |cos_k · G|² + |sin_k · G|² over a cyclic axis, and over its sum.
    ``cosine`` (places,): of that spectrum and the same of what is there now. In float64: squares of gradients
    underflow in float32 once the task is memorized.
    """
    gradients = data.gradients("train")
    found = [
        (energy(gradient.double(), axis=axis), energy(present.double(), axis=axis))
        for (gradient, present), axis in places(data, gradients.weights)
    ]
    pulled, there = (torch.stack(spectra) for spectra in zip(*found, strict=True))  # (places, n//2) each
    return {
        "energy": pulled,
        "share": _over(pulled, pulled.sum(dim=-1, keepdim=True)),
        "cosine": _over((pulled * there).sum(dim=-1), pulled.norm(dim=-1) * there.norm(dim=-1)),
    }


def places(data: CheckpointData, gradients: Weights) -> list[tuple[Pair, int]]:
    """Gradient and what it would change, with their cyclic axis, in the order of the declaration.

    ``embedding``: the operands' rows of W_E; over operands. ``attention``: the scores that '=' gives to each
    operand in each head; over operands. ``input``: what W_in's gradient adds to each neuron's input, and that
    input, as :func:`mi_modular_arithmetic.circuit.neuron_inputs` says; over operands, for W_in itself has no
    cyclic axis behind an embedding. ``output``: W_U; over answers.
    """
    W, elements, classes = data.weights, data.context["elements"], data.context["classes"]
    found: list[tuple[Pair, int]] = []
    if any(name.startswith("W_E") for name in W):
        found.append(((_numbers(gradients, elements), _numbers(W, elements)), 0))
    if kind_of(data.subject) == TRANSFORMER:
        found.append((score_gradients(data), 1))
    moved = {**W, "W_in": gradients["W_in"]}
    found.append(((neuron_inputs(moved, elements), neuron_inputs(W, elements)), 1))
    found.append(((in_order(gradients["W_U"], classes, 1), in_order(W["W_U"], classes, 1)), 1))
    return found


def score_gradients(data: CheckpointData) -> Pair:
    """Gradient of the train loss in the scores of '=', and the scores: (2, n, heads) each, group order.

    The gradient in the score of number x at position j is summed over all training pairs that have x there:
    what a change of that one entry would do. A pass of its own over the training pairs, from the scores on.
    """
    train = torch.as_tensor(np.flatnonzero(data.probe.masks["train"])).to(data.device, non_blocking=True)
    tokens, labels = data.tokens.index_select(0, train), data.labels.index_select(0, train)
    # Copies, for the checkpoint's own tensors were made where no graph can begin.
    W = {name: tensor.clone() for name, tensor in data.weights.items()}
    with torch.enable_grad():
        read = residuals(W)
        scores = score_tables(W, read)
        first, second = (table.detach().requires_grad_() for table in scores[:2])
        activation = ACTIVATIONS[data.parameters.get("activation", "relu")]
        given = scores._replace(first=first, second=second)
        logits = scored_logits(W, read, given, tokens[:, 0], tokens[:, 1], activation)
        found = torch.autograd.grad(cross_entropy(logits, labels), (first, second))
    elements = data.context["elements"]
    gradient, present = (
        torch.stack([in_order(table, elements, 0) for table in tables]) for tables in (found, scores[:2])
    )
    return gradient, present


def _numbers(weights: Weights, elements: np.ndarray) -> torch.Tensor:
    """Rows of the operands in group order, the tables of several side by side: (n, features)."""
    tables = [weights[name][offset:] for name, offset in operand_rows(weights, len(elements))]
    return torch.cat([in_order(table, elements, 0) for table in tables], dim=1)


def _over(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """The quotient; missing where there is nothing to divide by."""
    return torch.where(whole > 0, part / whole, torch.nan)
