"""Does what a visualization returns keep what it declared? Sentences name it, field and epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mi.domain.visualization import Field, Visualization
from mi.errors import PluginError

# An image (h, w), named columns (n,) or a text.
Value = np.ndarray | dict[str, np.ndarray] | str
FRAME_BYTES = 32 * 2**20
_EXACT_IN_FLOAT32 = 2**24


def checked(
    visualization: Visualization, fields: Mapping[str, Field], given: Any, where: str
) -> dict[str, Value]:
    """What ``static`` or ``frame`` returned, as arrays of the kinds that the fields declare.

    Numbers of columns become float32 (float64 where a whole number would not survive), names str; images
    float32 or float64.

    Raises:
        PluginError: fields that are missing or not declared, or a value of another kind.
    """
    owner = f"visualization {visualization.id} at {where}" if where != "static" else (
        f"visualization {visualization.id} (static)"
    )  # fmt: skip
    if not isinstance(given, Mapping):
        raise PluginError(f"{owner} returned {type(given).__name__}, expected a mapping of fields")
    if set(given) != set(fields):
        raise PluginError(f"{owner} returned the fields {_names(given)}, expected {_names(fields)}")
    return {name: _value(f"{owner}: field {name}", f, given[name]) for name, f in fields.items()}


def same_shape(visualization: Visualization, first: Mapping[str, Value], frame: Any, epoch: int) -> None:
    """Refuse a frame whose arrays differ in shape or kind from the first one's.

    Raises:
        PluginError: names field, shapes and epoch.
    """
    for name, before in first.items():
        if _shapes(before) != _shapes(frame[name]):
            raise PluginError(
                f"visualization {visualization.id} at epoch {epoch}: field {name} has shape "
                f"{_shapes(frame[name])}, expected {_shapes(before)} as at the first epoch"
            )


def _value(owner: str, field: Field, given: Any) -> Value:
    if field.kind == "text":
        if not isinstance(given, str):
            raise PluginError(f"{owner} is {type(given).__name__}, expected a string")
        return given
    if field.kind == "image":
        image = _array(owner, given)
        if image.ndim != 2 or image.dtype.kind not in "fiub" or not image.size:
            raise PluginError(
                f"{owner} has shape {image.shape} and dtype {image.dtype}, expected a 2D array of numbers"
            )
        return _sized(owner, image if image.dtype == np.float64 else image.astype(np.float32))
    if not isinstance(given, Mapping) or not given:
        raise PluginError(f"{owner} is {type(given).__name__}, expected named columns")
    columns = {str(name): _column(f"{owner}, column {name}", values) for name, values in given.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise PluginError(f"{owner} has columns of different lengths: {said}")
    return columns


def _column(owner: str, given: Any) -> np.ndarray:
    column = _array(owner, given)
    if column.ndim != 1 or column.dtype.kind not in "fiubU":
        raise PluginError(
            f"{owner} has shape {column.shape} and dtype {column.dtype}, "
            "expected a 1D array of numbers or strings"
        )
    if column.dtype.kind == "U":
        return column
    whole = column.dtype.kind in "iu" and column.size and np.abs(column).max() > _EXACT_IN_FLOAT32
    return _sized(owner, column.astype(np.float64 if whole else np.float32))


def _array(owner: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise PluginError(f"{owner} is no array: {error}") from None


def _sized(owner: str, array: np.ndarray) -> np.ndarray:
    if array.nbytes > FRAME_BYTES:
        raise PluginError(f"{owner} holds {array.nbytes} bytes an epoch, expected at most {FRAME_BYTES}")
    return array


def _shapes(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: (a.shape, "text" if a.dtype.kind == "U" else "number") for name, a in value.items()}
    return np.shape(value)


def _names(fields: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(map(str, fields))) or "none"
