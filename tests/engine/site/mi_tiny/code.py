"""The tiny family's models: tokens (rows, 2), of which the first is noise and the second the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from mi.domain.code import VariantCode
from mi.domain.probe import Rows

NAMES = ("embed", "inner", "outer")


class Net(HookedRootModule):
    """``relu(embed[token] inner) outer``, at each position."""

    calls: list[int]  # rows of every forward call, for tests that count

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.empty(size, 4))
        self.inner = nn.Parameter(torch.empty(4, hidden))
        self.outer = nn.Parameter(torch.empty(hidden, size))
        self.hook_hidden, self.hook_logits, self.hook_silent = HookPoint(), HookPoint(), HookPoint()
        self.calls = []
        self.setup()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(tokens))
        hidden = self.hook_hidden(torch.relu(self.embed[tokens] @ self.inner))  # (rows, 2, hidden)
        return self.hook_logits(hidden @ self.outer)


MODELS: list[Net] = []  # every model that was built, for tests that count


class TinyMlp(VariantCode):
    def axes(self) -> Mapping[str, np.ndarray]:
        return {"x": np.arange(self.parameters["size"])}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        x, size = columns["x"], self.parameters["size"]
        return Rows(
            tokens=np.stack([(x + 1) % size, x], axis=1),
            labels=x * x % size,
            masks={"train": x % 2 == 0, "test": x % 2 == 1},
        )

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        return {"unit": range(self.parameters["hidden"]), "klass": range(self.parameters["size"])}

    def context(self) -> Mapping[str, Any]:
        return {"scale": 2.0, "table": np.arange(self.parameters["size"])}

    def build_model(self, device: str) -> Net:
        net = Net(self.parameters["size"], self.parameters["hidden"]).to(device).eval()
        MODELS.append(net)
        return net

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        return torch.relu(weights["embed"][tokens] @ weights["inner"]) @ weights["outer"]

    def load_weights(self, model: Net, weights: Mapping[str, torch.Tensor]) -> None:
        model.load_state_dict(dict(weights), strict=True)


def weights_at(parameters: Mapping[str, Any], epoch: int) -> dict[str, torch.Tensor]:
    """A made-up trajectory: a start drawn from the seed, moving slowly."""
    generator = torch.Generator().manual_seed(parameters["seed"])
    size, hidden = parameters["size"], parameters["hidden"]
    shapes = {"embed": (size, 4), "inner": (4, hidden), "outer": (hidden, size)}
    start = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
    move = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
    return {n: start[n] + move[n] * epoch / 1000 for n in shapes}
