"""How the core's probe kinds choose their rows: the grid, conditions, a draw, a file, prompts."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mi.builtin.conditions import Table, selected
from mi.domain.code import VariantCode
from mi.domain.probe import Probe, probe_from_rows
from mi.errors import FormatError, ParameterError, StoreError


def full_grid(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """Every row of the grid, the last axis fastest."""
    return probe_from_rows(code, _grid(code), complete=True)


def filtered(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """The rows for which all conditions of ``where`` hold.

    Raises:
        ParameterError: a condition outside the grammar of :mod:`mi.builtin.conditions`.
    """
    columns = _grid(code)
    return _subset(code, columns, np.flatnonzero(_chosen(code, columns, options["where"])))


def sample(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """``rows`` rows drawn without repetition among those that ``where`` leaves, in the grid's order.

    The draw sorts the raw output of PCG64, whose stream NumPy promises never to change (it makes no such
    promise for ``Generator.choice``), so a saved probe stays the same rows.

    Raises:
        ParameterError: fewer rows are left than asked for, or a bad condition.
    """
    columns = _grid(code)
    pool = np.flatnonzero(_chosen(code, columns, options["where"]))
    rows, seed = options["rows"], options["seed"]
    if rows > len(pool):
        raise ParameterError(f"option rows of probe kind core.sample is {rows}, expected at most {len(pool)}")
    keys = np.random.PCG64(seed).random_raw(len(pool))
    order = np.argsort(np.asarray(keys), kind="stable")
    return _subset(code, columns, np.sort(pool[order[:rows]]))


def rows_of_file(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """The rows that a CSV file lists, one column an axis, in the file's order; other columns are ignored.

    Raises:
        FormatError: a missing column, or a value that is no coordinate; names file, line and column.
        StoreError: the file cannot be read.
    """
    axes = _axes(code)
    path = _beside(folder, options["file"], "core.rows")
    lines = list(_records(path))
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    for name in axes:
        if header.count(name) != 1:
            value = "missing" if name not in header else f"given {header.count(name)} times"
            raise FormatError(
                path, f"line 1, column {name}", value, f"one column for each of {', '.join(axes)}"
            )
    known = {name: {_text(value): value for value in values.tolist()} for name, values in axes.items()}
    columns: dict[str, list[Any]] = {name: [] for name in axes}
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise FormatError(path, f"line {number}", f"{len(cells)} cells", f"{len(header)}, as in line 1")
        for name in axes:
            text = cells[header.index(name)].strip()
            if text not in known[name]:
                raise FormatError(path, f"line {number}, column {name}", text, _coordinates(axes[name]))
            columns[name].append(known[name][text])
    chosen = {name: np.asarray(columns[name], dtype=axes[name].dtype) for name in axes}
    grid = _grid(code)
    complete = all(np.array_equal(chosen[name], grid[name]) for name in axes)
    return probe_from_rows(code, chosen, complete=complete)


def prompts(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """Texts, tokenized by the family.

    Raises:
        ParameterError: none or both of ``prompts`` and ``file`` are given, or the family takes no text.
        StoreError: the file cannot be read.
    """
    texts: list[str] = list(options["prompts"])
    if bool(texts) == bool(options["file"]):
        raise ParameterError("probe kind core.prompts takes either `prompts` or a `file` of them, one a line")
    if options["file"]:
        path = _beside(folder, options["file"], "core.prompts")
        texts = [line for line in _read(path).splitlines() if line.strip()]
        if not texts:
            raise FormatError(path, "file", "empty", "one prompt a line")
    rows = code.encode_text(texts)
    if rows.tokens.ndim != 2 or len(rows.tokens) != len(texts):
        raise ParameterError(
            f"{type(code).__name__}.encode_text made tokens of shape {rows.tokens.shape} of "
            f"{len(texts)} prompts, expected (rows, n_ctx)"
        )
    return Probe(tokens=rows.tokens, labels=rows.labels, masks=dict(rows.masks), text=tuple(texts))


def _axes(code: VariantCode) -> dict[str, np.ndarray]:
    axes = {name: np.asarray(values) for name, values in code.axes().items()}
    if not axes:
        raise ParameterError("this family has no grid of inputs; only probes of prompts fit it")
    return axes


def _grid(code: VariantCode) -> dict[str, np.ndarray]:
    """Coordinates of every row of the grid, each (rows,), the last axis fastest."""
    axes = _axes(code)
    return {
        name: values.reshape(-1)
        for name, values in zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True)
    }


def _chosen(code: VariantCode, columns: Mapping[str, np.ndarray], where: Sequence[str]) -> np.ndarray:
    count = len(next(iter(columns.values())))
    if not where:
        return np.ones(count, dtype=bool)
    rows = code.encode(columns)
    return selected(where, Table(columns=columns, labels=rows.labels, masks=rows.masks, rows=count))


def _subset(code: VariantCode, columns: Mapping[str, np.ndarray], rows: np.ndarray) -> Probe:
    count = len(next(iter(columns.values())))
    # Conditions that leave out nothing give the grid itself, and the digest says so.
    return probe_from_rows(
        code, {name: values[rows] for name, values in columns.items()}, complete=len(rows) == count
    )


def _beside(folder: Path, name: str, kind: str) -> Path:
    """A file in the probe's folder; never one outside it, so that a workspace stays whole when moved."""
    if not name:
        raise ParameterError(
            f"option file of probe kind {kind} is missing, expected a file beside the probe's"
        )
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ParameterError(f"option file of probe kind {kind} is {name!r}, expected a file inside {folder}")
    return path


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise FormatError(path, "file", str(error), "text in UTF-8") from None


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every line of a CSV file that is not blank."""
    reader = csv.reader(_read(path).splitlines(keepends=True), strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FormatError(path, f"line {reader.line_num}", str(error), "comma-separated values") from None


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _coordinates(values: np.ndarray) -> str:
    listed = [_text(value) for value in values.tolist()]
    if len(listed) <= 12:
        return f"one of {', '.join(listed)}"
    return f"one of the {len(listed)} coordinates {', '.join(listed[:3])}, …, {listed[-1]}"
