"""The family's code: what `mi` needs to build, feed and train a one-layer transformer on modular addition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.code import Training, VariantCode
from mi.domain.probe import Rows
from mi.errors import ParameterError
from mi_modular_arithmetic.data import train_mask, train_size
from mi_modular_arithmetic.primes import is_prime, nearest_primes

if TYPE_CHECKING:
    import torch


class OneLayerTransformer(VariantCode):
    """Modular addition (a + b) mod p read at the '=' of (a, b, '=')."""

    @classmethod
    def check(cls, parameters: Mapping[str, Any]) -> None:
        """Refuse a composite modulus and a split without training or without test pairs.

        Raises:
            ParameterError: names the parameter, its value and what was expected.
        """
        p, fraction = parameters["prime"], parameters["train_fraction"]
        if not is_prime(p) or p < 3:
            near = " or ".join(map(str, nearest_primes(p)))
            raise ParameterError(f"prime is {p}, expected a prime of at least 3; the nearest: {near}")
        if not 0 < train_size(p, fraction) < p * p:
            raise ParameterError(
                f"train_fraction is {fraction:g}, which trains on {train_size(p, fraction)} of {p * p} "
                "pairs; expected at least one training and one test pair"
            )

    def axes(self) -> Mapping[str, np.ndarray]:
        """The operands ``a`` and ``b``, each 0..p−1."""
        numbers = np.arange(self.parameters["prime"])
        return {"a": numbers, "b": numbers.copy()}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens (a, b, p), labels (a + b) mod p, masks ``train`` and ``test``."""
        p = self.parameters["prime"]
        a, b = (np.asarray(columns[name], dtype=np.int64) for name in ("a", "b"))
        train = self._mask[a, b]
        return Rows(
            tokens=np.stack([a, b, np.full_like(a, p)], axis=1),
            labels=(a + b) % p,
            masks={"train": train, "test": ~train},
        )

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Frequencies are 1-based; everything else is 0-based."""
        p = self.parameters["prime"]
        return {
            "freq": range(1, p // 2 + 1),
            "residue": range(p),  # classes, logits
            "token": range(p + 1),  # token p is '='
            "position": range(3),
            "head": range(self.parameters["n_heads"]),
            "neuron": range(self.parameters["d_mlp"]),
            "feature": range(self.parameters["d_model"]),  # of the residual stream
        }

    def context(self) -> Mapping[str, Any]:
        """``p``; ``train`` bool (p, p): the training pairs; ``residues`` int64 (p, p): (a + b) mod p."""
        p = self.parameters["prime"]
        numbers = np.arange(p)
        return {"p": p, "train": self._train(), "residues": (numbers[:, None] + numbers) % p}

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

        return addition_training(self.parameters, self._train(), device)

    def _train(self) -> np.ndarray:
        return self._mask.copy()

    @cached_property
    def _mask(self) -> np.ndarray:
        """The training pairs, bool, (p, p): drawn once, since rows are encoded in pieces."""
        parameters = self.parameters
        return train_mask(parameters["prime"], parameters["train_fraction"], parameters["data_seed"])
