"""Means over a probe's rows, summed batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    import torch


@frozen(eq=False)
class Sums:
    """Sums over the rows so far; the state of a streaming analyzer.

    Attributes:
        total: name -> sum, float64 or whole, on the device: where batches are cut changes last bits that
            float32 does not keep.
        count: over how many rows.
    """

    total: Mapping[str, torch.Tensor] = field(factory=dict)
    count: int = 0

    def plus(self, parts: Mapping[str, torch.Tensor], count: int) -> Sums:
        """The sums with those of ``count`` more rows."""
        return Sums(
            {n: self.total[n] + p if n in self.total else p for n, p in parts.items()}, self.count + count
        )

    def means(self) -> dict[str, torch.Tensor]:
        """Name -> mean over rows."""
        return {name: total / self.count for name, total in self.total.items()}
