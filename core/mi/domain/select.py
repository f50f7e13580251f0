"""Choosing variants by name and by what they are: ``p59_*``, ``seed<5``, ``state=trained``.

A condition is ``NAME OP VALUE``: a domain parameter, or one of :data:`FACTS`; ``=``, ``!=``, ``<``, ``<=``,
``>`` or ``>=``. With ``=`` and ``!=`` the value may be several, separated by commas: any of them, or none.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.errors import ParameterError, UnknownNameError, unknown

if TYPE_CHECKING:
    from mi.domain.workspace import Variant

FACTS = {
    "state": str,  # its first word: declared, training, interrupted, stopped, trained, analyzed, damaged
    "checkpoints": int,
    "last_epoch": int,
    "parent": str,
}
_CONDITION = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=|!=|=|<|>)\s*(\S.*?)\s*")
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_WILD = re.compile(r"[*?\[]")

Facts = Callable[["Variant"], Mapping[str, Any]]


@frozen
class Condition:
    """One condition.

    Attributes:
        text: as given.
        name, op, value: its parts.
    """

    text: str
    name: str
    op: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition that a text says.

        Raises:
            ParameterError: it is none.
        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise ParameterError(
                f"--where {text!r}: expected NAME OP VALUE, such as 'seed<5', d_model=64,128 or state=trained"
            )
        return cls(text, *match.groups())

    def holds(self, value: Any, kind: str) -> bool:
        """Whether it holds for a value of this type (``int``, ``float``, ``bool``, ``str``).

        Raises:
            ParameterError: its own value is not of that type, or has no order.
        """
        if self.op in _ORDERS:
            if kind not in ("int", "float"):
                raise ParameterError(f"--where {self.text!r}: {self.name} has no order; use = or !=")
            bound = self._read(self.value, "float")
            return value is not None and bool(_ORDERS[self.op](value, bound))
        among = value in [self._read(part.strip(), kind) for part in self.value.split(",")]
        return among if self.op == "=" else not among

    def _read(self, text: str, kind: str) -> Any:
        words = {"true": True, "yes": True, "false": False, "no": False}
        try:
            if kind == "bool":
                return words[text.lower()]
            # 59.0 is 59, and a bound may be 2.5 where values are whole.
            return text if kind == "str" else float(text)
        except (ValueError, KeyError):
            expected = "true or false" if kind == "bool" else "a number"
            raise ParameterError(
                f"--where {self.text!r}: {self.name} is compared with {text!r}, expected {expected}"
            ) from None


def named(variants: Sequence[Variant], names: Iterable[str]) -> list[Variant]:
    """The variants that names (``name`` or ``family/name``) and patterns (``p59_*``) stand for, each once.

    A name that stands for no variant is left to :meth:`mi.domain.workspace.Workspace.variant` to refuse.

    Raises:
        UnknownNameError: a pattern that fits none.
    """
    found: dict[str, Variant] = {}
    for name in names:
        fits = [one for one in variants if fnmatchcase(one.id if "/" in name else one.name, name)]
        if not fits:
            raise UnknownNameError(f"no variant fits {name!r}; there are {len(variants)} (see `mi variants`)")
        found |= {one.id: one for one in fits}
    return list(found.values())


def is_pattern(name: str) -> bool:
    """Whether a name has ``*``, ``?`` or ``[``, which no variant's name has."""
    return _WILD.search(name) is not None


def where(variants: Sequence[Variant], texts: Sequence[str], facts: Facts) -> list[Variant]:
    """The variants for which all conditions hold.

    Args:
        variants: to choose from.
        texts: the conditions.
        facts: gives a variant's :data:`FACTS`; asked only where a condition needs them.

    Raises:
        ParameterError: what is no condition, or compares what cannot be.
        UnknownNameError: a name that no family of these has as a parameter, or no variant is left.
    """
    if not texts:
        return list(variants)
    conditions = [Condition.parse(text) for text in texts]
    known = {name for one in variants for name in one.family.parameters} | set(FACTS)
    for condition in conditions:
        if variants and condition.name not in known:
            raise unknown("parameter or fact in --where", condition.name, known)
    left = [one for one in variants if all(_holds(condition, one, facts) for condition in conditions)]
    if not left:
        said = " and ".join(condition.text for condition in conditions)
        count = {0: "there is no variant", 1: "1 variant does not have"}.get(
            len(variants), f"none of {len(variants)} variants has"
        )
        raise UnknownNameError(f"{count} {said} (see `mi variants`)" if variants else count)
    return left


def _holds(condition: Condition, variant: Variant, facts: Facts) -> bool:
    parameter = variant.family.parameters.get(condition.name)
    if parameter is not None:
        return condition.holds(variant.parameters[condition.name], parameter.type)
    if condition.name not in FACTS:
        return False  # another family's parameter
    value = facts(variant)[condition.name]
    if condition.name == "state":
        value = value.split()[0]
    return condition.holds(value, FACTS[condition.name].__name__)
