"""Reading and writing declarations: errors that name file and field, writes that are atomic."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mi.errors import FormatError, MiError, StoreError

MAX_BYTES = 4 * 1024 * 1024


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FormatError: not JSON, or not an object.
        StoreError: the file cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(path, "file", f"{path.stat().st_size} bytes", "at most 4 MiB")
        return parse_json(path.read_bytes(), path)
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None


def parse_json(content: bytes, file: object) -> dict[str, Any]:
    """The object in the content of a JSON file; errors name ``file``.

    Raises:
        FormatError: not JSON (NaN and a key given twice are not), or not an object.
    """
    try:
        data = json.loads(content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FormatError(file, "file", _shown(error), "valid JSON in UTF-8") from None
    if not isinstance(data, dict):
        raise FormatError(file, "file", type(data).__name__, "a JSON object")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are each given once; Python would silently keep the last."""
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} is given twice")
    return data


def _shown(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)


def write_atomic(path: Path, data: bytes, *, fsync: bool = True) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    Raises:
        StoreError: the folder cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write ``data`` as indented JSON, atomically, keeping the order of keys."""
    write_atomic(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


class Fields:
    """Typed access to a JSON object's fields that names file and field in every complaint."""

    def __init__(self, data: Mapping[str, Any], file: object, prefix: str = "") -> None:
        self.data, self.file, self.prefix = data, file, prefix

    def path(self, name: str) -> str:
        """The field's full path: ``parameters.size.type``."""
        return f"{self.prefix}{name}"

    def take(self, name: str, kind: type | tuple[type, ...], expected: str, default: Any = ...) -> Any:
        """The field's value, of the Python type ``kind``.

        Raises:
            FormatError: missing without a default, or of another type.
        """
        if name not in self.data:
            if default is ...:
                raise FormatError(self.file, self.path(name), "missing", expected)
            return default
        value = self.data[name]
        wrong_bool = isinstance(value, bool) and bool not in (kind if isinstance(kind, tuple) else (kind,))
        if wrong_bool or not isinstance(value, kind):
            raise FormatError(self.file, self.path(name), value, expected)
        return value

    def inner(self, name: str, *, default: Any = ...) -> Fields:
        """The object in a field, with its path as prefix."""
        value = self.take(name, dict, "an object", default)
        return Fields(value, self.file, f"{self.path(name)}.")

    def items(self, name: str, *, default: Any = ...) -> list[Fields]:
        """The objects in a list field."""
        values = self.take(name, list, "a list", default)
        out = []
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                raise FormatError(self.file, f"{self.path(name)}[{i}]", value, "an object")
            out.append(Fields(value, self.file, f"{self.path(name)}[{i}]."))
        return out

    def only(self, *known: str) -> None:
        """Refuse fields that nobody reads, with the nearest known name.

        Raises:
            FormatError: an unknown field.
        """
        from mi.errors import nearest

        for name in self.data:
            if name not in known:
                near = nearest(name, known)
                expected = f"the field {near[0]!r}" if near else f"one of {', '.join(known)}"
                raise FormatError(self.file, self.path(name), self.data[name], expected)

    def guard(self, name: str, make: Callable[[], Any]) -> Any:
        """``make()``, with any refusal said again with file and field in front.

        Raises:
            FormatError: as above.
        """
        try:
            return make()
        except FormatError:
            raise
        except MiError as error:
            value = self.data.get(name)
            raise FormatError(self.file, self.path(name), value, because=str(error)) from None
