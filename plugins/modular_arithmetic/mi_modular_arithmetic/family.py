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
from mi_modular_arithmetic.tasks import Group

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
        """The operands ``a`` and ``b`` in group order."""
        return {"a": self._group.numbers.copy(), "b": self._group.numbers.copy()}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens (a, b, '='), labels: the class of the right answer, masks ``train`` and ``test``."""
        group = self._group
        a, b = (np.asarray(columns[name], dtype=np.int64) for name in ("a", "b"))
        first, second = group.tokens(a), group.tokens(b)
        train = self._mask[first, second]
        return Rows(
            tokens=np.stack([first, second, np.full_like(first, group.size)], axis=1),
            labels=group.classes(a, b),
            masks={"train": train, "test": ~train},
        )

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Frequencies are 1-based; everything else is 0-based."""
        n = self._group.size
        return {
            "freq": range(1, n // 2 + 1),
            "residue": range(n),  # classes, logits, operands: by index in group order
            "element": self._group.elements.tolist(),  # their tokens, in group order
            "token": range(n + 1),  # the last is '='
            "position": range(3),
            "head": range(self.parameters["n_heads"]),
            "neuron": range(self.parameters["d_mlp"]),
            "feature": range(self.parameters["d_model"]),  # of the residual stream
        }

    def context(self) -> Mapping[str, Any]:
        """The task in group order, in which the grid (a, b) is cyclic; see :mod:`.tasks`.

        ``p`` int: the modulus. ``period`` int: n, the length of the cyclic axes; frequencies are 1 to n//2.
        ``elements`` int64 (n,): the token of each operand, so that ``W_E[elements]`` is in order. ``classes``
        int64 (n,): the logit of each answer, so that ``logits[:, classes]`` is: a permutation of the logits.
        ``residues`` int64 (n, n): index in group order of the right class of each pair. ``train`` bool
        (n, n): the training pairs. ``structure`` str: ``sum`` or ``difference`` where ``residues[i, j]`` is
        i + j or i − j modulo n, else ``none``.
        """
        group = self._group
        return {
            "p": group.p,
            "period": group.size,
            "elements": group.elements,
            "classes": group.elements,
            "residues": group.residues(),
            "train": self._mask[np.ix_(group.elements, group.elements)],
            "structure": group.task.structure,
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

        return addition_training(self.parameters, self._train(), device)

    def _train(self) -> np.ndarray:
        return self._mask.copy()

    @cached_property
    def _group(self) -> Group:
        return Group("add", self.parameters["prime"])

    @cached_property
    def _mask(self) -> np.ndarray:
        """The training pairs by token, bool, (n, n): drawn once, since rows are encoded in pieces."""
        parameters = self.parameters
        return train_mask(parameters["prime"], parameters["train_fraction"], parameters["data_seed"])
