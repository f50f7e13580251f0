"""What families over pairs (a, b) modulo p share: their operands, split and order. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mi.errors import ParameterError
from mi_modular_arithmetic.data import check_split, train_mask
from mi_modular_arithmetic.interventions import Intervened
from mi_modular_arithmetic.primes import is_prime, nearest_primes
from mi_modular_arithmetic.tasks import Group, group_of


class ModularPairs(Intervened):
    """A task modulo p, whatever the network."""

    @classmethod
    def check(cls, parameters: Mapping[str, Any]) -> None:
        """Refuse a composite modulus where it must be prime, and a split without training or test pairs.

        Raises:
            ParameterError: names the parameter, its value and what was expected.
        """
        group = group_of(parameters)
        p = group.p
        if not is_prime(p) or p < 3:
            near = " or ".join(map(str, nearest_primes(p)))
            if "prime" in parameters:
                raise ParameterError(f"prime is {p}, expected a prime of at least 3; the nearest: {near}")
            if group.task.units:
                raise ParameterError(
                    f"modulus is {p}, expected a prime of at least 3 for the task {group.name} "
                    f"({group.task.formula}), whose operands all need an inverse; the nearest: {near}"
                )
        check_split(group.size, parameters["train_fraction"])

    def axes(self) -> Mapping[str, np.ndarray]:
        """The operands ``a`` and ``b`` in group order."""
        return {"a": self.group.numbers.copy(), "b": self.group.numbers.copy()}

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Frequencies are 1-based; everything else is 0-based."""
        n = self.group.size
        return {
            "freq": range(1, n // 2 + 1),
            "residue": range(n),  # classes, logits, operands: by index in group order
            "element": self.group.elements.tolist(),  # their tokens, in group order
            "neuron": range(self.parameters["d_mlp"]),
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
        group = self.group
        return {
            "p": group.p,
            "period": group.size,
            "elements": group.elements,
            "classes": group.elements,
            "residues": group.residues(),
            "train": self.mask[np.ix_(group.elements, group.elements)],
            "structure": group.task.structure,
        }

    @cached_property
    def group(self) -> Group:
        """The task and its order."""
        return group_of(self.parameters)

    def answers(self) -> np.ndarray:
        """The right class of each pair of tokens: int64, (n, n)."""
        a, b = np.mgrid[: self.group.size, : self.group.size] + self.group.smallest
        return self.group.classes(a, b)

    @cached_property
    def mask(self) -> np.ndarray:
        """The training pairs by token, bool, (n, n): drawn once, since rows are encoded in pieces."""
        parameters = self.parameters
        return train_mask(self.group.size, parameters["train_fraction"], parameters["data_seed"])
