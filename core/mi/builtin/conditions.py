"""Conditions over rows (``a < 20``, ``split == "test"``): a small grammar, parsed, never run as code.

    condition   and, or, not, parentheses; comparisons (also chained); `in` and `not in` a list; a mask's name
    term        an axis, `label`, a number or a string, joined by + - * %
    split       compared with the name of a mask: ``split == "train"``, ``split in ("train", "test")``

Python's own parser makes the tree, and each node outside this list is refused with its position.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from attrs import frozen

from mi.errors import ParameterError, nearest

MAX_LENGTH, MAX_DEPTH = 500, 40
LARGEST = 2.0**53  # whole numbers up to here are exact in every type that an axis may have

_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
}


@frozen(eq=False)
class Table:
    """What conditions can speak of.

    Attributes:
        columns: axis -> (rows,) coordinates.
        labels: (rows,), or None.
        masks: name -> bool, (rows,).
        rows: how many there are.
    """

    columns: Mapping[str, np.ndarray]
    labels: np.ndarray | None
    masks: Mapping[str, np.ndarray]
    rows: int

    def names(self) -> list[str]:
        """Every name that a condition may use."""
        labels = ["label"] if self.labels is not None else []
        return [*self.columns, *labels, *(["split"] if self.masks else []), *self.masks]


def selected(where: Sequence[str], table: Table) -> np.ndarray:
    """Rows for which every condition holds: bool, (rows,).

    Raises:
        ParameterError: a condition outside the grammar; names it and the position.
    """
    chosen = np.ones(table.rows, dtype=bool)
    for text in where:
        chosen &= _Condition(text, table).rows()
    return chosen


class _Condition:
    """One condition; ``rows`` walks its tree."""

    def __init__(self, text: str, table: Table) -> None:
        self.text, self.table = text, table

    def rows(self) -> np.ndarray:
        if len(self.text) > MAX_LENGTH:
            raise ParameterError(f"condition {self.text[:40]!r}…: longer than {MAX_LENGTH} characters")
        if not self.text.strip() or not self.text.isprintable():
            raise ParameterError(f"condition {self.text!r}: expected one line such as 'a < 20'")
        try:
            tree = ast.parse(self.text.lstrip(), mode="eval").body
        except SyntaxError as error:
            at = min(self._blanks + max(error.offset or 1, 1), len(self.text) + 1)
            raise ParameterError(
                f"condition {self.text!r}, position {at}: not an expression ({error.msg})"
            ) from None
        except (RecursionError, MemoryError):
            raise ParameterError(f"condition {self.text!r}: nested too deeply") from None
        return np.broadcast_to(self._truth(tree, 0), (self.table.rows,))

    @property
    def _blanks(self) -> int:
        return len(self.text) - len(self.text.lstrip())

    def _refuse(self, node: ast.AST, what: str) -> NoReturn:
        # ast counts bytes from 0, people count characters from 1.
        before = self.text.lstrip().encode()[: getattr(node, "col_offset", 0)]
        at = self._blanks + len(before.decode(errors="ignore")) + 1
        raise ParameterError(f"condition {self.text!r}, position {at}: {what}")

    def _deeper(self, node: ast.AST, depth: int) -> int:
        if depth >= MAX_DEPTH:
            self._refuse(node, f"nested deeper than {MAX_DEPTH} levels")
        return depth + 1

    def _truth(self, node: ast.expr, depth: int) -> np.ndarray:
        """A node that must be a condition: bool, (rows,) or ()."""
        depth = self._deeper(node, depth)
        if isinstance(node, ast.BoolOp):
            parts = [self._truth(value, depth) for value in node.values]
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            result = parts[0]
            for part in parts[1:]:
                result = join(result, part)
            return result
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return np.asarray(~self._truth(node.operand, depth))
        if isinstance(node, ast.Compare):
            return self._comparison(node, depth)
        if isinstance(node, ast.Name) and node.id in self.table.masks and node.id not in self.table.columns:
            return np.asarray(self.table.masks[node.id], dtype=bool)
        if isinstance(node, ast.Name):
            self._known(node)
        return self._refuse(node, "expected a condition such as 'a < 20' or 'split == \"test\"'")

    def _comparison(self, node: ast.Compare, depth: int) -> np.ndarray:
        result = np.asarray(True)
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            if self._is_split(left) or self._is_split(right):
                part = self._split(node, left, op, right)
            elif isinstance(op, ast.In | ast.NotIn):
                values = self._list(right, depth)
                subject = self._value(left, depth)
                part = np.asarray(False)
                for element, value in values:
                    part = np.logical_or(part, self._compare(element, operator.eq, subject, value))
                part = np.logical_not(part) if isinstance(op, ast.NotIn) else part
            elif type(op) in _COMPARE:
                part = self._compare(
                    right, _COMPARE[type(op)], self._value(left, depth), self._value(right, depth)
                )
            else:
                self._refuse(node, "only <, <=, >, >=, ==, !=, in and not in compare")
            result = np.logical_and(result, part)
            left = right
        return result

    def _compare(
        self, node: ast.expr, compare: Callable[[Any, Any], Any], left: Any, right: Any
    ) -> np.ndarray:
        if _is_text(left) != _is_text(right):
            self._refuse(node, "a number and a string cannot be compared")
        return np.asarray(compare(left, right), dtype=bool)

    def _list(self, node: ast.expr, depth: int) -> list[tuple[ast.expr, np.ndarray]]:
        if not isinstance(node, ast.Tuple | ast.List):
            self._refuse(node, "expected a list such as (1, 2) after `in`")
        return [(element, self._value(element, depth)) for element in node.elts]

    def _value(self, node: ast.expr, depth: int) -> np.ndarray:
        """A node that must be a number or a string: (rows,) or ()."""
        depth = self._deeper(node, depth)
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            self._known(node)
            if node.id in self.table.columns:
                return np.asarray(self.table.columns[node.id])
            if node.id == "label":
                return np.asarray(self.table.labels)
            self._refuse(node, f"{node.id!r} is a mask, which stands alone: 'not {node.id}'")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = self._number(node.operand, depth)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node, self._number(node.left, depth), self._number(node.right, depth))
        return self._refuse(node, "only names, numbers, strings and + - * % are allowed here")

    def _constant(self, node: ast.Constant) -> np.ndarray:
        value = node.value
        if isinstance(value, str):
            return np.asarray(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(node, f"{value!r} is neither a number nor a string")
        if not abs(value) <= LARGEST:
            self._refuse(node, "the number is too large")
        return np.asarray(value)

    def _arithmetic(self, node: ast.BinOp, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if isinstance(node.op, ast.Mod) and np.any(right == 0):
            self._refuse(node.right, "the remainder of a division by 0")
        rough = _ARITHMETIC[type(node.op)](left.astype(float), right.astype(float))
        if np.any(np.abs(rough) > LARGEST):  # int64 would wrap in silence
            self._refuse(node, "the result is too large")
        return np.asarray(_ARITHMETIC[type(node.op)](left, right))

    def _number(self, node: ast.expr, depth: int) -> np.ndarray:
        value = self._value(node, depth)
        if _is_text(value):
            self._refuse(node, "strings do not add")
        return value

    def _known(self, node: ast.Name) -> None:
        names = self.table.names()
        if node.id not in names:
            near = nearest(node.id, names)
            said = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
            self._refuse(node, f"unknown name {node.id!r}; {said}")

    def _is_split(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == "split" and "split" not in self.table.columns

    def _split(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> np.ndarray:
        """Rows in (or not in) the sets that ``split`` is compared with."""
        other = right if self._is_split(left) else left
        if isinstance(op, ast.In | ast.NotIn) and other is right and isinstance(other, ast.Tuple | ast.List):
            elements = other.elts
        elif isinstance(op, ast.Eq | ast.NotEq):
            elements = [other]
        else:
            self._refuse(node, "split is compared by ==, !=, in or not in with names of masks")
        inside = np.zeros(self.table.rows, dtype=bool)
        for element in elements:
            name = element.value if isinstance(element, ast.Constant) else None
            if not isinstance(name, str) or name not in self.table.masks:
                known = ", ".join(self.table.masks) or "none: the family has no masks"
                self._refuse(element, f"split has no set {ast.unparse(element)}; known: {known}")
            inside |= np.asarray(self.table.masks[name], dtype=bool)
        return ~inside if isinstance(op, ast.NotEq | ast.NotIn) else inside


def _is_text(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "US"
