"""How wide numbers are while they are worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Half precision as float32; float32 and float64 as they are.

    Sums over rows go on in float64, since contributions of either sign nearly cancel there; products and
    differences before them gain nothing by it.
    """
    import torch

    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def mean(values: torch.Tensor) -> torch.Tensor:
    """Mean over all of (…): (), float64."""
    import torch

    return values.mean(dtype=torch.float64)
