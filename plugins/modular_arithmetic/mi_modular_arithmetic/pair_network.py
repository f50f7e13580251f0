"""What families of networks over pairs of tokens share: one hidden layer, trained full batch. Light."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mi.domain.code import Training
from mi.errors import ParameterError
from mi_modular_arithmetic.interventions import Intervened

if TYPE_CHECKING:
    import torch


class PairNetwork(Intervened):
    """One hidden layer over the tokens (a, b), n of each; see :mod:`.mlp`.

    Attributes:
        inputs: how the pair comes in: ``one_hot``, ``summed`` or ``concatenated``.
    """

    inputs: ClassVar[str]

    @property
    @abstractmethod
    def order(self) -> int:
        """How many operands, tokens and classes there are: n."""

    @abstractmethod
    def answers(self) -> np.ndarray:
        """The right class of each pair of tokens: int64, (n, n)."""

    @abstractmethod
    def train_pairs(self) -> np.ndarray:
        """The pairs of tokens that are trained on: bool, (n, n)."""

    def build_model(self, device: str) -> Any:
        """A ``HookedRootModule``; hooks as :class:`.mlp.PairMLP` lists them."""
        from mi_modular_arithmetic.mlp import PairMLP

        return PairMLP(self.inputs, self.order, self.parameters).to(device).eval()

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap weights into the model in place.

        Raises:
            CheckpointError: a tensor is missing, unknown or of another shape.
        """
        from mi_modular_arithmetic.mlp import shapes
        from mi_modular_arithmetic.weights import check_weights

        check_weights(weights, shapes(self.inputs, self.order, self.parameters))
        model.load_state_dict(dict(self.edited(weights)), strict=True)

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, 1, n), differentiable.

        Raises:
            ParameterError: the tokens are not two a row.
        """
        from mi_modular_arithmetic.mlp import pair_logits

        if tokens.ndim != 2 or tokens.shape[1] != 2:
            raise ParameterError(f"tokens are {tuple(tokens.shape)}, expected rows of two")
        activation = self.parameters["activation"]
        return pair_logits(self.edited(weights), tokens[:, 0], tokens[:, 1], activation).unsqueeze(1)

    def training(self, device: str) -> Training:
        """Full-batch AdamW on the training pairs; loss and accuracy on both sets."""
        from mi_modular_arithmetic.full_batch import full_batch_training
        from mi_modular_arithmetic.mlp import initialize, pair_logits

        activation = self.parameters["activation"]
        made = full_batch_training(
            self.parameters,
            initialize(self.inputs, self.order, self.parameters, device),
            self.read(lambda weights, a, b: pair_logits(weights, a, b, activation)),
            self.answers(),
            self.train_pairs(),
            device,
        )
        return self.intervened(made)

    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes of the weights."""
        from mi_modular_arithmetic.mlp import shapes

        return shapes(self.inputs, self.order, self.parameters)
