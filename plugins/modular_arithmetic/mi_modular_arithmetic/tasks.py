"""The tasks: what is answered to a pair (a, b) modulo p, and the order in which the pairs are cyclic.

Operands that are residues under addition are cyclic as they are. Under multiplication the nonzero residues of
a prime are: they are the powers g⁰, g¹, …, g^(p−2) of a primitive root g, so that (a, b) in the order of
exponents is the grid of an addition modulo p − 1. That is *group order*. Analyses look at operands, at logits
and at the grid in this order alone, and need to know nothing else of the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen

from mi_modular_arithmetic.primes import primitive_root

Numbers = np.ndarray


@frozen
class Task:
    """One operation modulo p.

    Attributes:
        formula: for people, ``a + b``.
        answer: f(a, b, p), residues in and out.
        structure: ``sum`` or ``difference``: what, in group order, the right class of (a, b) is the class
            of; ``none`` where there is no such order.
        units: whether operands are the residues 1 to p − 1, which takes a prime p; else 0 to p − 1.
    """

    formula: str
    answer: Callable[[Numbers, Numbers, int], Numbers]
    structure: str
    units: bool = False


def _divide(a: Numbers, b: Numbers, p: int) -> Numbers:
    inverse = np.array([0, *(pow(x, -1, p) for x in range(1, p))])
    quotient: Numbers = a * inverse[b] % p
    return quotient


TASKS = {
    "add": Task("a + b", lambda a, b, p: (a + b) % p, "sum"),
    "sub": Task("a − b", lambda a, b, p: (a - b) % p, "difference"),
    "mul": Task("a · b", lambda a, b, p: a * b % p, "sum", units=True),
    "div": Task("a / b", _divide, "difference", units=True),
    "quad": Task("a² + ab + b²", lambda a, b, p: (a * a + a * b + b * b) % p, "none"),
}


@frozen(slots=False)
class Group:
    """A task modulo p: its operands and answers, and their order.

    There is a token and a class for each operand, numbered from 0 as the operands are from the smallest: the
    token (and the class) of x is x, or x − 1 where 0 is no operand.
    """

    name: str
    p: int

    @property
    def task(self) -> Task:
        """The operation."""
        return TASKS[self.name]

    @property
    def smallest(self) -> int:
        """The smallest operand."""
        return 1 if self.task.units else 0

    @property
    def size(self) -> int:
        """How many operands, tokens of operands and classes there are: n."""
        return self.p - self.smallest

    @cached_property
    def numbers(self) -> Numbers:
        """The operands in group order: int64, (n,)."""
        if not self.task.units:
            return np.arange(self.p)
        g = primitive_root(self.p)
        return np.array([pow(g, i, self.p) for i in range(self.p - 1)])

    @property
    def elements(self) -> Numbers:
        """Token, and class, of each operand in group order: int64, (n,)."""
        return self.tokens(self.numbers)

    def tokens(self, numbers: Numbers) -> Numbers:
        """Tokens of operands, classes of answers; same shape."""
        return numbers - self.smallest

    def classes(self, a: Numbers, b: Numbers) -> Numbers:
        """Right classes of pairs of operands: int64, (rows,)."""
        return self.tokens(self.task.answer(a, b, self.p))

    def residues(self) -> Numbers:
        """Index in group order of the right class of each pair in group order: int64, (n, n)."""
        first, second = np.meshgrid(self.numbers, self.numbers, indexing="ij")
        index: Numbers = np.argsort(self.elements)[self.classes(first, second)]
        return index


def group_of(parameters: Mapping[str, Any]) -> Group:
    """The task of a variant, addition where none is declared, modulo the ``prime`` or ``modulus`` that is."""
    p = parameters["prime"] if "prime" in parameters else parameters["modulus"]
    return Group(parameters.get("task", "add"), p)
