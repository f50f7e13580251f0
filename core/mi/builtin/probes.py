"""How the core's probe kinds choose their rows: the grid, conditions, a draw, a file, tokens, prompts."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from mi.builtin.conditions import Table, selected
from mi.builtin.npy import CoordinateFile, TokenFile, open_npy
from mi.domain.code import VariantCode
from mi.domain.lazyprobe import GridRows
from mi.domain.probe import Probe, probe_from_rows
from mi.errors import FormatError, ParameterError, StoreError

PIECE = 2**18  # rows of a grid that are looked at together


def full_grid(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """Every row of the grid, the last axis fastest."""
    return _rows_of(_grid(code))


def filtered(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """The rows for which all conditions of ``where`` hold.

    Raises:
        ParameterError: a condition outside the grammar of :mod:`mi.builtin.conditions`.
    """
    grid = _grid(code)
    return _rows_of(grid, _chosen(grid, options["where"]))


def sample(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """``rows`` rows drawn without repetition among those that ``where`` leaves, in the grid's order.

    The draw sorts the raw output of PCG64, whose stream NumPy promises never to change (it makes no such
    promise for ``Generator.choice``), so a saved probe stays the same rows.

    Raises:
        ParameterError: fewer rows are left than asked for, or a bad condition.
    """
    grid = _grid(code)
    pool = _chosen(grid, options["where"])
    rows, seed = options["rows"], options["seed"]
    count = len(grid) if pool is None else len(pool)
    if rows > count:
        raise ParameterError(f"option rows of probe kind core.sample is {rows}, expected at most {count}")
    drawn = np.sort(_lowest(np.random.PCG64(seed), count, rows))
    return _rows_of(grid, drawn if pool is None else pool[drawn])


def rows_of_file(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """The rows that a file lists, in its order.

    A CSV file has one column an axis, by name; other columns are ignored. A ``.npy`` file, for more rows than
    memory holds, has whole numbers, (rows, axes), in the order of the family's axes.

    Raises:
        FormatError: a missing column, or a value that is no coordinate; names file, line and column.
        StoreError: the file cannot be read.
    """
    axes = _axes(code)
    path = _beside(folder, options["file"], "core.rows")
    if path.suffix == ".npy":
        return _rows_of_npy(code, axes, path)
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
    complete = len(chosen[next(iter(axes))]) == len(grid) and all(
        np.array_equal(chosen[name], values) for name, values in grid.columns(0, len(grid)).items()
    )
    return probe_from_rows(code, chosen, complete=complete)


def tokens_of_file(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    """Rows of tokens as a ``.npy`` file holds them, (rows, n_ctx), with labels of another, (rows,).

    Read in pieces, so that there may be more rows than memory holds.

    Raises:
        FormatError: a file that is no such array, labels of another number of rows, or a negative token.
        StoreError: a file cannot be read.
    """
    path = _beside(folder, options["file"], "core.tokens")
    tokens, labels = open_npy(path, ("rows", "n_ctx")), None
    if options["labels"]:
        labels = open_npy(_beside(folder, options["labels"], "core.tokens"), ("rows",))
        if len(labels) != len(tokens):
            raise FormatError(labels.path, "rows", len(labels), f"{len(tokens)}, as in {path}")
    for low in range(0, len(tokens), PIECE):
        values = tokens.read(low, min(low + PIECE, len(tokens)))
        if values.size and values.min() < 0:
            row, at = (int(i[0]) for i in np.nonzero(values < 0))
            raise FormatError(path, f"row {low + row}, token {at}", int(values[row, at]), "0 or more")
    return Probe.streamed(TokenFile(tokens, labels))


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


def _rows_of_npy(code: VariantCode, axes: dict[str, np.ndarray], path: Path) -> Probe:
    file = open_npy(path, ("rows", "axes"))
    if file.shape[1] != len(axes):
        raise FormatError(path, "columns", file.shape[1], f"{len(axes)}: {', '.join(axes)}")
    for name, values in axes.items():
        if values.dtype.kind not in "iu":
            raise FormatError(
                path, f"axis {name}", f"{values.dtype}", "whole numbers; list these rows as CSV"
            )
    source, grid = CoordinateFile(code, axes, file), _grid(code)
    complete = len(file) == len(grid)
    for low in range(0, len(file), PIECE):
        high = min(low + PIECE, len(file))
        columns = source.columns(low, high)
        for name, found in columns.items():
            wrong = np.flatnonzero(~np.isin(found, axes[name]))
            if wrong.size:
                at = f"row {low + wrong[0]}, column {name}"
                raise FormatError(path, at, int(found[wrong[0]]), _coordinates(axes[name]))
        if complete:
            whole = grid.columns(low, high)
            complete = all(np.array_equal(columns[name], whole[name]) for name in axes)
    return Probe.streamed(source, axes=axes, complete=complete)


def _axes(code: VariantCode) -> dict[str, np.ndarray]:
    axes = {name: np.asarray(values) for name, values in code.axes().items()}
    if not axes:
        raise ParameterError("this family has no grid of inputs; only probes of prompts fit it")
    return axes


def _grid(code: VariantCode) -> GridRows:
    return GridRows(code, _axes(code))


def _rows_of(grid: GridRows, chosen: np.ndarray | None = None) -> Probe:
    """The grid, or chosen rows of it; a choice that leaves nothing out is the grid, as the digest says."""
    complete = chosen is None or len(chosen) == len(grid)
    source = grid if complete else evolve(grid, chosen=chosen)
    return Probe.streamed(source, axes=grid.axes, complete=complete)


def _chosen(grid: GridRows, where: Sequence[str]) -> np.ndarray | None:
    """Places of the rows for which all conditions hold, int64, sorted; None for all of them.

    Conditions are about a row by itself, so that a grid larger than memory is looked through in pieces.
    """
    if not where:
        return None
    found = []
    for low in range(0, len(grid), PIECE):
        high = min(low + PIECE, len(grid))
        columns, rows = grid.read(low, high)
        table = Table(columns=columns, labels=rows.labels, masks=rows.masks, rows=high - low)
        found.append(low + np.flatnonzero(selected(where, table)))
    return np.concatenate(found)


def _lowest(stream: np.random.PCG64, count: int, wanted: int) -> np.ndarray:
    """Places of the ``wanted`` lowest of the stream's next ``count`` words; of equal ones the first."""
    keys, places = np.empty(0, np.uint64), np.empty(0, np.int64)
    for low in range(0, count, PIECE):
        drawn = np.asarray(stream.random_raw(min(PIECE, count - low)))
        keys, places = np.concatenate([keys, drawn]), np.concatenate([places, low + np.arange(len(drawn))])
        order = np.argsort(keys, kind="stable")[:wanted]  # earlier places stand first
        order.sort()
        keys, places = keys[order], places[order]
    return places


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
