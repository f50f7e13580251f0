"""Quantities that several analyzers share, computed at most once a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mi.errors import NotApplicableError
from mi_fourier_library import Fractions, class_mean, frequency_fractions, in_order

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject


def centred_logits(data: CheckpointData) -> torch.Tensor:
    """Logits at '=' minus their mean over answers, L (rows, n), answers in group order.

    They are what cross-entropy and accuracy see.
    """
    logits = in_order(data.site("unembed.hook_out", -1), data.context["classes"])  # (rows, n)
    centred: torch.Tensor = logits - logits.mean(dim=-1, keepdim=True)
    return centred


def class_means(data: CheckpointData) -> torch.Tensor:
    """M[s, c], the mean of L over the rows whose right answer is s, both in group order: (n, n)."""
    logits: torch.Tensor = data.derived("modular_arithmetic.centred_logits")
    means: torch.Tensor = class_mean(logits, row_classes(data), logits.shape[-1])
    return means


def row_classes(data: CheckpointData) -> np.ndarray:
    """The right answer s of each row, by index in group order: int64 (rows,).

    On the host, where the probe keeps its labels: nothing waits for the device.
    """
    labels = data.probe.labels
    assert labels is not None, "declared in the analyzer's ProbeNeed, which the engine checks"
    classes: np.ndarray = np.argsort(data.context["classes"])[labels]
    return classes


def on_device(array: np.ndarray, data: CheckpointData) -> torch.Tensor:
    """A copy of a host's array on the device, queued and not awaited."""
    import torch

    return torch.tensor(array).to(data.device, non_blocking=True)


def needs_classes(subject: Subject, **options: object) -> dict[str, range]:
    """No coordinates of its own.

    Raises:
        NotApplicableError: the right class is no function of a + b or of a − b, in any order of operands.
    """
    if subject.context["structure"] == "none":
        raise NotApplicableError(
            "not applicable: needs a task whose answer is a function of a + b or a − b in group order"
        )
    return {}


def check_layer(subject: Subject, site: str, **options: object) -> dict[str, range]:
    """No coordinates of its own.

    Raises:
        NotApplicableError: the site is in a layer that the network does not have.
    """
    layers, found = subject.parameters.get("n_layers", 1), re.match(r"blocks\.(\d+)\.", site)
    if found and int(found[1]) >= layers:
        raise NotApplicableError(
            f"not applicable: the site is {site}, and the network's last layer is {layers - 1}"
        )
    return {}


def needs_attention(subject: Subject, **options: object) -> dict[str, range]:
    """No coordinates of its own.

    Raises:
        NotApplicableError: the network has no attention.
    """
    if not any(name.rpartition(".")[2] == "W_Q" for name in subject.weights):
        raise NotApplicableError("not applicable: the network has no attention")
    return {}


def embedding(weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What is learned of each operand, tokens first: W_E, or W_in where a network reads one-hot vectors.

    Networks with a table for a and another for b hold them one under the other: tokens are a's.
    """
    return weights["W_E"] if "W_E" in weights else weights["W_in"]


def neuron_fractions(data: CheckpointData) -> Fractions:
    """Share of each neuron's energy over (a, b) in each frequency (neurons, n//2), and the rest.

    Neurons are those of the first layer.
    """
    return frequency_fractions(data.grid("blocks.0.mlp.hook_post", -1))
