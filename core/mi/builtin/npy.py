"""Arrays of whole numbers in ``.npy`` files, read a piece at a time.

Not memory-mapped: a file that is cut off while it is mapped kills the process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from mi.domain.code import VariantCode
from mi.domain.probe import Rows
from mi.errors import FormatError, StoreError


@frozen(eq=False)
class NpyFile:
    """A ``.npy`` file of whole numbers whose first axis is rows.

    Attributes:
        path: the file.
        shape, dtype: as its header says.
        start: where its values begin, in bytes.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, low: int, high: int) -> np.ndarray:
        """Rows ``low`` to ``high`` (exclusive), int64, (high - low, …).

        Raises:
            StoreError: the file cannot be read, or was cut off since it was opened.
        """
        inner = self.shape[1:]
        width, count = math.prod(inner), (high - low) * math.prod(inner)
        try:
            with self.path.open("rb") as file:
                file.seek(self.start + low * width * self.dtype.itemsize)
                values = np.fromfile(file, self.dtype, count)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read ({error.strerror})") from None
        if len(values) != count:
            raise StoreError(f"{self.path}: ends within row {low + len(values) // max(width, 1):,}")
        return values.reshape(high - low, *inner).astype(np.int64)


def open_npy(path: Path, form: tuple[str, ...]) -> NpyFile:
    """A file of whole numbers with one axis for each name of ``form``, checked without reading its values.

    Raises:
        StoreError: it cannot be read.
        FormatError: it is no such file.
    """
    expected = f"whole numbers, ({', '.join(form)}{',' * (len(form) == 1)})"
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else (np.lib.format.read_array_header_2_0)
            )
            shape, fortran, dtype = read(file)
            start = file.tell()
            length = file.seek(0, 2) - start
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise FormatError(path, "file", str(error), "an array as numpy.save writes it") from None
    if dtype.kind not in "iu" or len(shape) != len(form):
        raise FormatError(path, "array", f"{dtype} {shape}", expected)
    if fortran and len(shape) > 1:
        raise FormatError(
            path, "array", "in column order", "rows one after another (numpy.ascontiguousarray)"
        )
    if length != math.prod(shape) * dtype.itemsize:
        raise FormatError(
            path, "file", f"{length:,} bytes of values", f"{math.prod(shape) * dtype.itemsize:,}"
        )
    return NpyFile(path, shape, dtype, start)


@frozen(eq=False)
class CoordinateFile:
    """Rows of a grid whose coordinates stand in a file, encoded by the family.

    Attributes:
        code: the variant.
        axes: name -> coordinates; the file's columns are in this order.
        file: (rows, axes).
    """

    code: VariantCode
    axes: Mapping[str, np.ndarray]
    file: NpyFile

    def __len__(self) -> int:
        return len(self.file)

    def columns(self, low: int, high: int) -> dict[str, np.ndarray]:
        """Coordinates of rows: axis -> (high - low,)."""
        values = self.file.read(low, high)
        return {name: values[:, i].astype(self.axes[name].dtype) for i, name in enumerate(self.axes)}

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """As of :class:`mi.domain.probe.RowSource`."""
        columns = self.columns(low, high)
        return columns, self.code.encode(columns)


@frozen(eq=False)
class TokenFile:
    """Rows whose tokens, and perhaps labels, stand in files.

    Attributes:
        tokens: (rows, n_ctx).
        labels: (rows,), or None.
    """

    tokens: NpyFile
    labels: NpyFile | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def read(self, low: int, high: int) -> tuple[Mapping[str, np.ndarray], Rows]:
        """As of :class:`mi.domain.probe.RowSource`."""
        labels = None if self.labels is None else self.labels.read(low, high)
        return {}, Rows(tokens=self.tokens.read(low, high), labels=labels)
