"""Many variants in few words: values of parameters, multiplied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from mi.errors import ParameterError, unknown

if TYPE_CHECKING:
    from mi.domain.family import Family
    from mi.domain.values import Parameter

LIMIT = 10_000  # variants; more is a slip of the finger


def grid_values(family: Family, text: str) -> tuple[str, list[Any]]:
    """The parameter that one ``NAME=VALUES`` names, and its values in the order given, each once.

    Args:
        family: whose parameter it is.
        text: values separated by commas; for whole numbers also ``START:STOP[:STEP]``, without STOP.

    Raises:
        ParameterError: no such parameter, no value, one that the family refuses, or one given twice.
    """
    name, equals, said = (part.strip() for part in text.partition("="))
    if not equals or not name:
        raise ParameterError(f"--grid {text!r}: expected NAME=VALUES, such as seed=0:10 or seed=1,2,5")
    if name not in family.parameters:
        raise ParameterError(str(unknown(f"parameter of family {family.name}", name, family.parameters)))
    parameter = family.parameters[name]
    values: list[Any] = []
    for part in filter(None, (piece.strip() for piece in said.split(","))):
        found = _range(name, parameter, part) if ":" in part else [parameter.parse(name, part)]
        for value in found:
            if value in values:
                raise ParameterError(f"--grid {text!r} names {name} = {value} twice")
            values.append(value)
    if not values:
        raise ParameterError(f"--grid {text!r} names no value; STOP of START:STOP is left out")
    return name, values


def grid(family: Family, axes: Sequence[str], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Parameters of every variant of the grid, the last axis running fastest.

    Args:
        family: whose variants they are.
        axes: each as :func:`grid_values` takes it.
        given: what all of them have.

    Raises:
        ParameterError: an axis that means nothing, two of one name, or more variants than :data:`LIMIT`.
    """
    values: dict[str, list[Any]] = {}
    for text in axes:
        name, found = grid_values(family, text)
        if name in values or name in given:
            where = "--grid twice" if name in values else "--grid and --set"
            raise ParameterError(f"{name} is given by {where}")
        values[name] = found
    count = math.prod(len(one) for one in values.values())
    if count > LIMIT:
        raise ParameterError(f"the grid has {count} variants, expected at most {LIMIT}")
    return [{**given, **dict(zip(values, point, strict=True))} for point in product(*values.values())]


def _range(name: str, parameter: Parameter, text: str) -> list[Any]:
    if parameter.type != "int":
        raise ParameterError(f"{name} is {text!r}, but a range is of whole numbers; give values with commas")
    try:
        numbers = [int(piece) for piece in text.split(":")]
        if len(numbers) > 3 or numbers[2:] == [0]:
            raise ValueError
    except ValueError:
        raise ParameterError(f"{name} is {text!r}, expected START:STOP or START:STOP:STEP") from None
    found = range(*numbers)
    if len(found) > LIMIT:
        raise ParameterError(f"{name} is {text!r}: {len(found)} values, expected at most {LIMIT}")
    return [parameter.check(name, number) for number in found]
