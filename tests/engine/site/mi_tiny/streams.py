"""The tiny family's streaming analyses, and what can go wrong in one. ``SEEN`` notes what batches held."""

from __future__ import annotations

from typing import Any

import torch

SEEN: list[tuple[str, Any]] = []


class Moments:
    """Mean and standard deviation of the hidden units, and the share of right answers, over all rows."""

    def __init__(self, power: int = 1) -> None:
        self.power = power

    def start(self, data: Any) -> dict[str, torch.Tensor]:
        units = len(data.subject.dimensions["unit"])
        zeros = torch.zeros(units, dtype=torch.float64, device=data.device)
        return {"count": zeros.sum(), "sum": zeros, "square": zeros, "right": zeros.sum().long()}

    def update(self, state: dict[str, torch.Tensor], batch: Any) -> dict[str, torch.Tensor]:
        hidden = batch.site("hook_hidden", -1).double() ** self.power  # (rows, unit)
        right = batch.site("hook_logits", -1).argmax(-1) == batch.labels
        SEEN.append(("rows", batch.rows))
        return {
            "count": state["count"] + len(hidden),
            "sum": state["sum"] + hidden.sum(0),
            "square": state["square"] + hidden.square().sum(0),
            "right": state["right"] + right[batch.mask("train")].sum(),
        }

    def finish(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        mean = state["sum"] / state["count"]
        return {
            "mean": mean,
            "deviation": (state["square"] / state["count"] - mean.square()).clamp(min=0).sqrt(),
            "right": state["right"],
        }


class Whatever(Moments):
    """As :class:`Moments`, but for one step, which is whatever a test makes of it."""

    steps: dict[str, Any] = {}

    def start(self, data: Any) -> Any:
        return self.steps.get("start", super().start)(data)

    def update(self, state: Any, batch: Any) -> Any:
        return self.steps.get("update", super().update)(state, batch)

    def finish(self, state: Any) -> Any:
        return self.steps.get("finish", super().finish)(state)


class RowLogits:
    """Each row's largest logit: an output as long as the probe."""

    def start(self, data: Any) -> torch.Tensor:
        return torch.empty(len(data.probe), device=data.device)

    def update(self, state: torch.Tensor, batch: Any) -> torch.Tensor:
        state[batch.rows] = batch.site("hook_logits", -1).amax(-1)
        return state

    def finish(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"top": state}


class Spread:
    """Mean of the hidden units, of any rows."""

    def start(self, data: Any) -> tuple[torch.Tensor, int]:
        return torch.zeros(len(data.subject.dimensions["unit"]), dtype=torch.float64), 0

    def update(self, state: tuple[torch.Tensor, int], batch: Any) -> tuple[torch.Tensor, int]:
        hidden = batch.site("hook_hidden", -1)
        return state[0] + hidden.sum(0, dtype=torch.float64), state[1] + len(hidden)

    def finish(self, state: tuple[torch.Tensor, int]) -> dict[str, torch.Tensor]:
        return {"mean": state[0] / state[1]}


def held(data: Any) -> dict[str, torch.Tensor]:
    return {"mean": data.site("hook_hidden", -1).mean(0)}
