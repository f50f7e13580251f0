"""What `mi` needs to build, feed and train a transformer on a task modulo p; light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.code import Training
from mi.domain.probe import Rows
from mi.errors import ParameterError
from mi_modular_arithmetic.design import Design
from mi_modular_arithmetic.modular_pairs import ModularPairs

if TYPE_CHECKING:
    import torch


class ModularTransformer(ModularPairs):
    """A task modulo p that is answered at the '=' of (a, b, '=')."""

    @cached_property
    def design(self) -> Design:
        """Its task and sizes."""
        return Design.read(self.parameters)

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
            "head": range(self.design.n_heads),
            "feature": range(self.design.d_model),  # of the residual stream
        }

    def build_model(self, device: str) -> Any:
        """A native ``TransformerBridge``."""
        from mi_modular_arithmetic.bridge import build_bridge

        return build_bridge(self.design, device)

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap weights into the bridge in place.

        Raises:
            CheckpointError: a tensor is missing, unknown or of another shape.
        """
        from mi_modular_arithmetic.bridge import bridge_state
        from mi_modular_arithmetic.weights import check_weights, shapes

        check_weights(weights, shapes(self.parameters))
        model.load_state_dict(bridge_state(self.edited(weights), self.design), strict=True)

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits at the last position (rows, 1, n), differentiable.

        NaN where the last token is not '=', which the factorized pass relies on. It does not raise, since
        looking at the tokens would wait for the device.

        Raises:
            ParameterError: the tokens are not three a row.
        """
        from mi_modular_arithmetic.transformer import last_logits, quick_logits

        equals = self.group.size
        if tokens.ndim != 2 or tokens.shape[1] != 3:
            raise ParameterError(f"tokens are {tuple(tokens.shape)}, expected rows of (a, b, '=' = {equals})")
        weights = self.edited(weights)
        if not self.design.factorizes:
            return last_logits(weights, tokens, self.design).unsqueeze(1)
        logits = quick_logits(weights, tokens[:, 0], tokens[:, 1], self.design)
        return logits.masked_fill(tokens[:, 2:] != equals, float("nan")).unsqueeze(1)

    def training(self, device: str) -> Training:
        """Full-batch AdamW on the training pairs; loss and accuracy on both sets."""
        from functools import partial

        from mi_modular_arithmetic.full_batch import full_batch_training
        from mi_modular_arithmetic.transformer import quick_logits
        from mi_modular_arithmetic.weights import initialize

        made = full_batch_training(
            self.parameters,
            initialize(self.parameters, device),
            self.read(partial(quick_logits, design=self.design)),
            self.answers(),
            self.mask,
            device,
        )
        return self.intervened(made)

    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes of the weights."""
        from mi_modular_arithmetic.weights import shapes

        return shapes(self.parameters)
