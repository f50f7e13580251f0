"""Modular addition by networks of one hidden layer, on one-hot pairs or on learned embeddings. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mi.domain.probe import Rows
from mi_modular_arithmetic.modular_pairs import ModularPairs
from mi_modular_arithmetic.pair_network import PairNetwork


class OneHotMLP(ModularPairs, PairNetwork):
    """(a + b) mod p of the one-hot vectors of a and b, one under the other: 2p → d_mlp → p."""

    inputs = "one_hot"

    @property
    def order(self) -> int:
        """How many residues there are: p."""
        return self.group.size

    def train_pairs(self) -> np.ndarray:
        """The pairs of tokens that are trained on: bool, (p, p)."""
        return self.mask.copy()

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens (a, b), labels: the class of the right answer, masks ``train`` and ``test``."""
        a, b = (np.asarray(columns[name], dtype=np.int64) for name in ("a", "b"))
        first, second = self.group.tokens(a), self.group.tokens(b)
        train = self.mask[first, second]
        return Rows(
            tokens=np.stack([first, second], axis=1),
            labels=self.group.classes(a, b),
            masks={"train": train, "test": ~train},
        )


class EmbeddingMLP(OneHotMLP):
    """(a + b) mod p of the sum of a learned embedding of a and another of b: d_embed → d_mlp → p."""

    inputs = "summed"

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Those of a pair modulo p, and ``feature``, of the embeddings."""
        return {**super().dimensions(), "feature": range(self.parameters["d_embed"])}
