"""The tokens of a probe for the model: held, or read when they are fed where the probe is not in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.domain.probe import Probe

if TYPE_CHECKING:
    import torch


@frozen(eq=False)
class TokenRows:
    """Tokens that are read a batch at a time; as good as a tensor (rows, n_ctx) to who takes slices.

    Attributes:
        probe: whose.
        device: where slices go.
    """

    probe: Probe
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.probe)

    def __getitem__(self, rows: slice) -> torch.Tensor:
        import torch

        return torch.tensor(self.probe.part(rows).tokens, device=self.device)


def tokens_of(probe: Probe) -> Any:
    """All of them, int64, (rows, n_ctx), or :class:`TokenRows` where the probe is not held."""
    return probe.tokens if probe.held else TokenRows(probe)
