"""Quantities that several analyzers share, computed at most once a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_fourier_library import Fractions, class_mean, frequency_fractions

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mi.engine.data import CheckpointData


def centred_logits(data: CheckpointData) -> torch.Tensor:
    """Logits at '=' minus their mean over answers, L (rows, p): what cross-entropy and accuracy see."""
    logits = data.site("unembed.hook_out", -1)  # (rows, p)
    return logits - logits.mean(dim=-1, keepdim=True)


def class_means(data: CheckpointData) -> torch.Tensor:
    """M[s, c], the mean of L over the rows whose right answer is s: (p, p)."""
    logits: torch.Tensor = data.derived("modular_arithmetic.centred_logits")
    means: torch.Tensor = class_mean(logits, host_labels(data), logits.shape[-1])
    return means


def host_labels(data: CheckpointData) -> np.ndarray:
    """The right answer of each row (rows,), on the host, where the probe keeps it: no wait for the device."""
    labels = data.probe.labels
    assert labels is not None, "declared in the analyzer's ProbeNeed, which the engine checks"
    return labels


def neuron_fractions(data: CheckpointData) -> Fractions:
    """Share of each neuron's energy over (a, b) in each frequency (neurons, p//2), and the rest."""
    return frequency_fractions(data.grid("blocks.0.mlp.hook_post", -1))
