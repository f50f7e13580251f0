"""Metrics of recent epochs, kept as tensors and moved to the loss history in bulk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    import torch


class Losses(Protocol):
    """Where metrics go, as :class:`mi.store.losses.LossHistory`."""

    def record(self, epochs: Sequence[int], metrics: Mapping[str, Sequence[float]]) -> None:
        """Take metrics at ``epochs``; each sequence is as long as ``epochs``."""


@frozen
class Bad:
    """The first epoch whose loss is no finite number."""

    epoch: int
    loss: float


class Meter:
    """Collects scalar tensors without waiting for them.

    Attributes:
        latest: metric -> last value moved.
    """

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.latest: dict[str, float] = {}
        self._loss: list[tuple[int, torch.Tensor]] = []
        self._metrics: dict[str, list[tuple[int, torch.Tensor]]] = {}

    def add(self, epoch: int, loss: torch.Tensor, metrics: Mapping[str, torch.Tensor]) -> None:
        """Note an epoch's loss and metrics, scalars without a graph."""
        self._loss.append((epoch, loss))
        for name, value in metrics.items():
            self._metrics.setdefault(name, []).append((epoch, value))

    def move(self) -> Bad | None:
        """Record what was noted, up to the first epoch whose loss is not finite, which is returned."""
        bad = next((Bad(e, x) for e, x in _numbers(self._loss) if not math.isfinite(x)), None)
        for name, noted in self._metrics.items():
            good = [(e, x) for e, x in _numbers(noted) if bad is None or e < bad.epoch]
            if good:
                epochs, values = zip(*good, strict=True)
                self.losses.record(epochs, {name: values})
                self.latest[name] = values[-1]
        self._loss, self._metrics = [], {}
        return bad


def _numbers(noted: list[tuple[int, torch.Tensor]]) -> list[tuple[int, float]]:
    """One copy from the device for all."""
    import torch

    values = torch.stack([value.double() for _, value in noted]).tolist() if noted else []
    return list(zip((epoch for epoch, _ in noted), values, strict=True))
