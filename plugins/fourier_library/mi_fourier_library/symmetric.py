"""The symmetric groups: all permutations of n points, and their characters.

A permutation is named by its cycles, points from 1: "(12)(345)", and "e" for the identity. The
product g h is the composition of functions, (g h)(x) = g(h(x)): the right one acts first. An irrep
is named by its partition of n: "(5)" is trivial, "(4,1)" the standard representation, "(1,1,1,1,1)"
the sign.
"""

from functools import cache, lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from mi_fourier_library.groups import FiniteGroup

Partition = tuple[int, ...]
LARGEST = 5  # S_6 has 720 elements, and tables of n!² entries for each of its irreps


@lru_cache
def symmetric_group(n: int) -> FiniteGroup:
    """Return S_n, its n! elements in the lexicographic order of their images, the identity first.

    Raises ValueError when n lies outside 1 .. 5.
    """
    if not 1 <= n <= LARGEST:
        raise ValueError(f"symmetric groups are made for n from 1 to {LARGEST}, not {n}")
    images = permutation_images(n)
    weights = n ** np.arange(n)[::-1]
    keys = images @ weights  # rising, since the order is lexicographic
    composed = images[np.arange(len(images))[:, None, None], images[None, :, :]]  # g(h(x))
    product = np.searchsorted(keys, composed @ weights)
    types = [cycle_type(image) for image in images.tolist()]
    shapes = partitions(n)
    characters = [[murnaghan_nakayama(shape, kind) for kind in types] for shape in shapes]
    return FiniteGroup(
        name=f"S_{n}",
        elements=tuple(cycle_notation(image) for image in images.tolist()),
        product=product.astype(np.int64),
        irreps=tuple(partition_label(shape) for shape in shapes),
        characters=np.array(characters, dtype=np.float64),
    )


@lru_cache
def permutation_images(n: int) -> NDArray[np.int64]:
    """Return the images of 0 .. n-1 under each permutation, (n!, n), in lexicographic order."""
    table = np.array(list(permutations(range(n))), dtype=np.int64)
    table.flags.writeable = False
    return table


def partitions(n: int, largest: int | None = None) -> list[Partition]:
    """Return the partitions of n, parts falling, from (n) down to (1, ..., 1)."""
    if n == 0:
        return [()]
    most = n if largest is None else min(n, largest)
    return [(first, *rest) for first in range(most, 0, -1) for rest in partitions(n - first, first)]


def partition_label(shape: Partition) -> str:
    """Return the name of an irrep: "(4,1)"."""
    return f"({','.join(map(str, shape))})"


def murnaghan_nakayama(shape: Partition, kind: Partition) -> int:
    """Return the character of the irrep of a partition at the permutations of a cycle type.

    The Murnaghan-Nakayama rule: the sum, over the ways to take a border strip as long as the first
    cycle off the shape, of (-1)^(rows of the strip - 1) times the character of what is left at the
    other cycles. Shapes are kept as beads {λ_i + rows - i}: taking off a strip of r cells moves a
    bead down by r to a free place, and the rows it spans are the beads that it passes. (Stanley,
    *Enumerative Combinatorics* 2, 1999, section 7.17.)
    """
    rows = len(shape)
    beads = frozenset(part + rows - 1 - i for i, part in enumerate(shape))
    return _character(beads, tuple(sorted(kind, reverse=True)))


@cache
def _character(beads: frozenset[int], kind: Partition) -> int:
    if not kind:
        return 1
    length, rest = kind[0], kind[1:]
    total = 0
    for bead in beads:
        place = bead - length
        if place >= 0 and place not in beads:
            passed = sum(place < other < bead for other in beads)
            total += (-1) ** passed * _character(beads - {bead} | {place}, rest)
    return total


def cycles(image: list[int]) -> list[list[int]]:
    """Return the cycles of a permutation of 0 .. n-1, fixed points too, each from its least."""
    left, found = set(range(len(image))), []
    while left:
        point, cycle = min(left), []
        while point in left:
            left.remove(point)
            cycle.append(point)
            point = image[point]
        found.append(cycle)
    return found


def cycle_type(image: list[int]) -> Partition:
    """Return the lengths of a permutation's cycles, falling."""
    return tuple(sorted(map(len, cycles(image)), reverse=True))


def cycle_notation(image: list[int]) -> str:
    """Return a permutation's cycles of two or more points, points from 1: "(12)(345)"; "e"."""
    longer = [cycle for cycle in cycles(image) if len(cycle) > 1]
    return "".join(f"({''.join(str(p + 1) for p in cycle)})" for cycle in longer) or "e"
