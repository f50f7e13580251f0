"""What is trained again against what there is: equal to the bit, or named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from mi.store.checkpoints import load_tensors

if TYPE_CHECKING:
    from pathlib import Path

    import torch


@frozen
class Differs:
    """The first epoch at which a metric is not what it was."""

    epoch: int
    metric: str
    was: float
    now: float


class KnownLosses:
    """A loss history that is compared with and never written.

    Attributes:
        differs: where the first difference is; None while there is none.
    """

    def __init__(self, stored: Mapping[str, np.ndarray]) -> None:
        self._stored = {name: values for name, values in stored.items() if name != "epoch"}
        self.differs: Differs | None = None

    def measured(self, epoch: int) -> bool:
        """Whether every metric is known at ``epoch``: then the evaluation sets are worth their pass."""
        return all(epoch < len(one) and not np.isnan(one[epoch]) for one in self._stored.values())

    def record(self, epochs: Sequence[int], metrics: Mapping[str, Sequence[float]]) -> None:
        """Compare metrics at ``epochs`` with those known there, to the bit."""
        for name, values in metrics.items():
            known = self._stored.get(name, np.empty(0))
            for epoch, now in zip(epochs, values, strict=True):
                was = float(known[epoch]) if epoch < len(known) else float("nan")
                if was == now or was != was:  # NaN: not measured then
                    continue
                if self.differs is None or epoch < self.differs.epoch:
                    self.differs = Differs(epoch, name, was, now)


def unlike(path: Path, weights: Mapping[str, torch.Tensor]) -> str:
    """What distinguishes a checkpoint from these weights, in words; empty where they are equal to the bit.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    import torch

    stored = load_tensors(path)
    if stored.keys() != weights.keys():
        return f"holds {', '.join(stored)}, not {', '.join(weights)}"
    for name, tensor in weights.items():
        known, found = stored[name], tensor.detach().cpu()
        if known.shape != found.shape or known.dtype != found.dtype:
            return f"has another shape or dtype of {name}"
        if not torch.equal(_bytes(known), _bytes(found)):
            apart = int((known != found).sum())
            return f"differs in {apart} of {known.numel()} values of {name}"
    return ""


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's memory, (bytes,): NaN equals itself there, and 0 is not −0."""
    import torch

    return tensor.contiguous().reshape(-1).view(torch.uint8)
