"""Typed, bounded values: what a domain parameter, an option and a probe setting have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from mi.errors import ParameterError

TYPES = ("int", "float", "bool", "str", "strings", "ints")
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def as_tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    """``values`` as a tuple: the converter of fields that take any iterable.

    Raises:
        ParameterError: a string, whose letters nobody means; a comma is missing.
    """
    if isinstance(values, str):
        raise ParameterError(f"{values!r} is a string, expected a tuple such as ({values!r},)")
    return tuple(values)


def is_slug(name: str) -> bool:
    """Whether ``name`` can stand as a file name and in a URL: ``[a-z0-9][a-z0-9._-]*``, at most 64."""
    return SLUG.fullmatch(name) is not None and ".." not in name


@frozen(kw_only=True)
class TypedValue:
    """A value's type, default and bounds.

    Attributes:
        type: one of ``int``, ``float``, ``bool``, ``str``, ``strings`` (a list of strings),
            ``ints`` (a list of whole numbers, each within the bounds).
        default: used when nothing is given; must itself be valid.
        description: one line for users.
        minimum: smallest allowed number, inclusive.
        maximum: largest allowed number, inclusive.
        choices: the allowed values, empty for any.
    """

    type: str
    default: Any
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = field(default=(), converter=as_tuple)

    def __attrs_post_init__(self) -> None:
        if self.type not in TYPES:
            raise ParameterError(f"type is {self.type!r}, expected one of {', '.join(TYPES)}")
        self.check("default", self.default)

    @property
    def expected(self) -> str:
        """What is allowed, in words: ``an int of at least 2``."""
        if self.choices:
            return f"one of {', '.join(map(repr, self.choices))}"
        text = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "str": "a string",
            "strings": "a list of strings",
            "ints": "a list of whole numbers",
        }[self.type]
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return f"{text} from {low:g} to {high:g}"
        if low is not None:
            return f"{text} of at least {low:g}"
        return text if high is None else f"{text} of at most {high:g}"

    def check(self, name: str, value: Any) -> Any:
        """``value``, converted where that loses nothing (``1`` for a float).

        Raises:
            ParameterError: not of the type, or outside the bounds.
        """
        good = self._convert(value)
        bad = good is None
        if not bad and self.type in ("int", "float"):
            bad = (self.minimum is not None and good < self.minimum) or (
                self.maximum is not None and good > self.maximum
            )
        if not bad and self.type == "ints":
            low, high = self.minimum, self.maximum
            bad = any((low is not None and n < low) or (high is not None and n > high) for n in good)
        if not bad and self.choices:
            bad = good not in self.choices
        if bad:
            raise ParameterError(f"{name} is {value!r}, expected {self.expected}")
        return good

    def parse(self, name: str, text: str) -> Any:
        """The value that ``text`` (from a command line or a URL) stands for.

        Raises:
            ParameterError: the text is no such value.
        """
        value: Any = text
        try:
            if self.type == "int":
                value = int(text)
            elif self.type == "float":
                value = float(text)
            elif self.type == "bool":
                low = text.strip().lower()
                value = True if low in _TRUE else False if low in _FALSE else text
            elif self.type == "strings":
                value = [part for part in text.split(",") if part]
            elif self.type == "ints":
                value = [int(part) for part in text.split(",") if part.strip()]
        except ValueError:
            pass  # left as text, which `check` refuses in words
        return self.check(name, value)

    def _convert(self, value: Any) -> Any:
        """``value`` as the declared type, or None where it is not of that type."""
        if self.type == "bool":
            return value if isinstance(value, bool) else None
        if self.type == "int":
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        if self.type == "float":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return float(value) + 0.0 if math.isfinite(value) else None  # -0.0 is 0.0
        if self.type == "str":
            return value if isinstance(value, str) else None
        if not isinstance(value, list | tuple):
            return None
        if self.type == "ints":
            whole = all(isinstance(v, int) and not isinstance(v, bool) for v in value)
            return list(value) if whole else None
        if not all(isinstance(v, str) for v in value):
            return None
        return list(value)


@frozen(kw_only=True)
class Parameter(TypedValue):
    """A domain parameter of a family: what tells one variant from another.

    Attributes:
        short: the name's short form in variant names; the whole name by default.
    """

    short: str = ""


@frozen(kw_only=True)
class Option(TypedValue):
    """An option of an analyzer, a visualization or a probe kind.

    Attributes:
        role: ``cosmetic`` (changes the looks alone), ``selector`` (picks an index along ``dim``)
            or ``parameter`` (changes what is computed; frozen in exports).
        dim: the named dimension that a selector picks from.
    """

    role: str = "parameter"
    dim: str = ""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.role not in ("cosmetic", "selector", "parameter"):
            raise ParameterError(f"role is {self.role!r}, expected cosmetic, selector or parameter")


def check_options(
    owner: str, declared: dict[str, Option] | Any, given: dict[str, Any] | Any
) -> dict[str, Any]:
    """All options of ``owner`` with defaults filled in and every given one checked.

    Raises:
        ParameterError: an option that is not declared, or a value it does not allow.
    """
    from mi.errors import unknown

    for name in given:
        if name not in declared:
            raise ParameterError(str(unknown(f"option of {owner}", name, declared)))
    return {
        name: option.check(f"option {name} of {owner}", given.get(name, option.default))
        for name, option in declared.items()
    }
