"""The family's code: what `mi` needs to build, feed and train a one-layer transformer on modular addition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.code import Training
from mi.domain.probe import Rows
from mi.errors import ParameterError
from mi_modular_arithmetic.modular_pairs import ModularPairs

if TYPE_CHECKING:
    import torch


class OneLayerTransformer(ModularPairs):
    """Modular addition (a + b) mod p read at the '=' of (a, b, '=')."""

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens (a, b, '='), labels: the class of the right answer, masks ``train`` and ``test``."""
        group = self.group
        a, b = (np.asarray(columns[name], dtype=np.int64) for name in ("a", "b"))
        first, second = group.tokens(a), group.tokens(b)
        train = self.mask[first, second]
        return Rows(
            tokens=np.stack([first, second, np.full_like(first, group.size)], axis=1),
            labels=group.classes(a, b),
            masks={"train": train, "test": ~train},
        )

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Frequencies are 1-based; everything else is 0-based."""
        return {
            **super().dimensions(),
            "token": range(self.group.size + 1),  # the last is '='
            "position": range(3),
            "head": range(self.parameters["n_heads"]),
            "feature": range(self.parameters["d_model"]),  # of the residual stream
        }

    def build_model(self, device: str) -> Any:
        """A native ``TransformerBridge``."""
        from mi_modular_arithmetic.bridge import build_bridge

        return build_bridge(self.parameters, device)

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap weights into the bridge in place.

        Raises:
            CheckpointError: a tensor is missing, unknown or of another shape.
        """
        from mi_modular_arithmetic.bridge import bridge_state, check_weights
        from mi_modular_arithmetic.one_layer import shapes

        check_weights(weights, shapes(self.parameters))
        model.load_state_dict(bridge_state(weights), strict=True)

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits at '=' (rows, 1, p), differentiable.

        NaN where the last token is not '=', which the factorized pass relies on. It does not raise, since
        looking at the tokens would wait for the device.

        Raises:
            ParameterError: the tokens are not three a row.
        """
        from mi_modular_arithmetic.one_layer import pair_logits

        p = self.parameters["prime"]
        if tokens.ndim != 2 or tokens.shape[1] != 3:
            raise ParameterError(f"tokens are {tuple(tokens.shape)}, expected rows of (a, b, '=' = {p})")
        logits = pair_logits(weights, tokens[:, 0], tokens[:, 1])
        return logits.masked_fill(tokens[:, 2:] != p, float("nan")).unsqueeze(1)

    def training(self, device: str) -> Training:
        """Full-batch AdamW on the training pairs; loss and accuracy on both sets."""
        from mi_modular_arithmetic.task import addition_training

        return addition_training(self.parameters, self.mask.copy(), device)
