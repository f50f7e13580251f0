"""The tiny family's models: which of two numbers is the larger, answered by a hidden layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.code import Training, VariantCode
from mi.domain.probe import Rows

if TYPE_CHECKING:
    import torch


class TinyMlp(VariantCode):
    """Tokens (x, y), each below ``size``; the answer is read at the second position."""

    def axes(self) -> Mapping[str, np.ndarray]:
        """``x`` and ``y``, each 0..size−1."""
        numbers = np.arange(self.parameters["size"])
        return {"x": numbers, "y": numbers.copy()}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens (x, y), labels max(x, y), masks ``train`` (two thirds of the pairs) and ``test``."""
        x, y = (np.asarray(columns[name], dtype=np.int64) for name in ("x", "y"))
        train = (x + 2 * y) % 3 != 0
        return Rows(
            tokens=np.stack([x, y], axis=1), labels=np.maximum(x, y), masks={"train": train, "test": ~train}
        )

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """``unit``: of the hidden layer; ``answer``: a logit."""
        return {"unit": range(self.parameters["hidden"]), "answer": range(self.parameters["size"])}

    def context(self) -> Mapping[str, Any]:
        """``size``."""
        return {"size": self.parameters["size"]}

    def build_model(self, device: str) -> Any:
        """A ``HookedRootModule`` with the hooks ``hook_embed``, ``hook_hidden`` and ``hook_logits``."""
        from mi.testing.tiny.model import Net

        return Net(self.parameters["size"], self.parameters["hidden"]).to(device).eval()

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap weights in; torch refuses what does not fit."""
        model.load_state_dict(dict(weights), strict=True)

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, 2, size)."""
        from mi.testing.tiny.model import logits

        return logits(weights, tokens)

    def training(self, device: str) -> Training:
        """Full-batch Adam on the training pairs; loss and accuracy on both sets."""
        from mi.testing.tiny.model import training

        columns = np.meshgrid(*self.axes().values(), indexing="ij")
        rows = self.encode(dict(zip("xy", (c.ravel() for c in columns), strict=True)))
        return training(self.parameters, rows, device)
