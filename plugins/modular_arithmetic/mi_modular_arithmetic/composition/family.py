"""The family's code: pairs of permutations, answered with their composition. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.probe import Rows
from mi.errors import ParameterError
from mi_modular_arithmetic.data import check_split, train_mask
from mi_modular_arithmetic.pair_network import PairNetwork

if TYPE_CHECKING:
    from mi_fourier_library import FiniteGroup


class GroupComposition(PairNetwork):
    """The product of two elements of S_n, by a network with an embedding for either side.

    Tokens and classes are the n! permutations in the lexicographic order of their images, the identity first.
    A product is the composition of functions, (left right)(x) = left(right(x)): the right one acts first.
    """

    inputs = "concatenated"

    @classmethod
    def check(cls, parameters: Mapping[str, Any]) -> None:
        """Refuse a split without training or without test pairs.

        Raises:
            ParameterError: names the parameter, its value and what was expected.
        """
        order = int(np.prod(np.arange(1, parameters["n"] + 1)))
        check_split(order, parameters["train_fraction"])

    @cached_property
    def group(self) -> FiniteGroup:
        """S_n."""
        from mi_fourier_library import symmetric_group

        return symmetric_group(self.parameters["n"])

    @property
    def order(self) -> int:
        """How many permutations there are: n!."""
        return len(self.group.elements)

    def answers(self) -> np.ndarray:
        """The product of each two permutations: int64, (n!, n!)."""
        return self.group.product.copy()

    def train_pairs(self) -> np.ndarray:
        """The pairs that are trained on: bool, (n!, n!)."""
        return self._mask.copy()

    def axes(self) -> Mapping[str, np.ndarray]:
        """The two permutations ``left`` and ``right`` in cycle notation: ``e``, ``(12)``, ``(12)(345)``."""
        names = np.array(self.group.elements)
        return {"left": names, "right": names.copy()}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens (left, right), labels: the token of the product, masks ``train`` and ``test``.

        Raises:
            ParameterError: a name is no permutation's.
        """
        left, right = (self._tokens(name, columns[name]) for name in ("left", "right"))
        train = self._mask[left, right]
        return Rows(
            tokens=np.stack([left, right], axis=1),
            labels=self.group.product[left, right],
            masks={"train": train, "test": ~train},
        )

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """``irrep``: partitions of n, without the trivial (n), which is the constant."""
        return {
            "irrep": list(self.group.irreps[1:]),
            "permutation": list(self.group.elements),
            "neuron": range(self.parameters["d_mlp"]),
            "feature": range(self.parameters["d_embed"]),
        }

    def context(self) -> Mapping[str, Any]:
        """``degree`` int: n of S_n. ``train`` bool (n!, n!): the training pairs."""
        return {"degree": self.parameters["n"], "train": self.train_pairs()}

    def _tokens(self, axis: str, names: np.ndarray) -> np.ndarray:
        known = {name: i for i, name in enumerate(self.group.elements)}
        try:
            return np.array([known[name] for name in np.asarray(names).tolist()], dtype=np.int64)
        except KeyError as error:
            raise ParameterError(
                f"{axis} is {error.args[0]!r}, expected a permutation of {self.parameters['n']} points in "
                "cycle notation, such as 'e' or '(12)'"
            ) from None

    @cached_property
    def _mask(self) -> np.ndarray:
        parameters = self.parameters
        return train_mask(self.order, parameters["train_fraction"], parameters["data_seed"])
