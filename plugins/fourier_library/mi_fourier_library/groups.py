"""Finite groups: composition, real characters, and the projectors that these make.

A representation is known here by its character alone, χ_ρ(g) = tr ρ(g). That is enough for how much
of a function on the group lies in each irrep, and no matrix of any ρ is ever made.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class FiniteGroup:
    """A finite group of n elements whose characters are real.

    name: such as "S_5".
    elements: a name for each element.
    product: int64, (n, n): product[g, h] is the element g h.
    irreps: a name for each irreducible representation, the trivial one first.
    characters: float64, (irreps, n): χ_ρ(g).

    Raises ValueError when the table is no group's, or the characters are not those of all its
    irreps: their rows, over sqrt(n), are then not orthonormal, or the squares of the dimensions do
    not sum to n.
    """

    name: str
    elements: tuple[str, ...]
    product: NDArray[np.int64]
    irreps: tuple[str, ...]
    characters: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the table and the orthogonality of the characters."""
        n = len(self.elements)
        every = np.arange(n)
        if self.product.shape != (n, n) or any(
            not np.array_equal(np.sort(self.product, axis=axis), np.broadcast_to(line, (n, n)))
            for axis, line in ((0, every[:, None]), (1, every[None, :]))
        ):
            raise ValueError(f"{self.name}: the table of products has no inverses")
        table = self.product
        if not all(np.array_equal(table[:, table[h]], table[table[:, h]]) for h in every):
            raise ValueError(f"{self.name}: the products are not associative")
        if self.characters.shape != (len(self.irreps), n):
            raise ValueError(
                f"{self.name}: needs characters ({len(self.irreps)}, {n}), "
                f"not {self.characters.shape}"
            )
        gram = self.characters @ self.characters.T / n
        if np.abs(gram - np.eye(len(self.irreps))).max() > _ROUNDING:
            raise ValueError(f"{self.name}: the characters are not orthonormal")
        if int((self.dimensions**2).sum()) != n:
            raise ValueError(f"{self.name}: the squares of the dimensions do not sum to {n}")
        if np.ptp(self.characters[0]) > _ROUNDING:
            raise ValueError(f"{self.name}: the first irrep is not the trivial one")
        self.product.flags.writeable = False
        self.characters.flags.writeable = False

    @cached_property
    def identity(self) -> int:
        """The neutral element."""
        return int(np.flatnonzero(self.product[:, 0] == 0)[0])

    @cached_property
    def inverse(self) -> NDArray[np.int64]:
        """The inverse of each element, int64, (n,)."""
        where: NDArray[np.int64] = np.argmax(self.product == self.identity, axis=1)
        return where

    @cached_property
    def quotient(self) -> NDArray[np.int64]:
        """The element g h⁻¹ of each two, int64, (n, n)."""
        table: NDArray[np.int64] = self.product[:, self.inverse]
        return table

    @cached_property
    def dimensions(self) -> NDArray[np.int64]:
        """The dimension of each irrep, χ_ρ(1): int64, (irreps,)."""
        return np.rint(self.characters[:, self.identity]).astype(np.int64)

    @cached_property
    def of_quotients(self) -> NDArray[np.float64]:
        """χ_ρ(g h⁻¹), (irreps, n, n): symmetric, since the characters are real."""
        return self.characters[:, self.quotient]

    @cached_property
    def projectors(self) -> NDArray[np.float64]:
        """P_ρ on the functions on the group, (irreps, n, n): onto the part that is copies of ρ.

        P_ρ = (d_ρ/n) Σ_g χ_ρ(g⁻¹) R(g) with R the regular representation,
        (R(g) f)(x) = f(g⁻¹ x):
        the cell (x, y) is (d_ρ/n) χ_ρ(y x⁻¹). The right regular representation has the same.
        (Serre, *Linear Representations of Finite Groups*, 1977, theorem 8.)
        """
        scale = self.dimensions / len(self.elements)
        return scale[:, None, None] * self.of_quotients
