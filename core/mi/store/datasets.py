"""Artifacts as xarray reads them, lazily: apart, since importing xarray takes longer than many a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from mi.store.arrays import Array
from mi.store.commits import inexact
from mi.store.files import as_store_error

if TYPE_CHECKING:
    from mi.store.artifacts import Artifacts, Guard


def dataset_of(artifacts: Artifacts, guard: Guard, axis: Sequence[int]) -> xr.Dataset:
    """All committed epochs, sorted: see :meth:`mi.store.artifacts.ArtifactReader.dataset`.

    Args:
        artifacts: the group, held open.
        guard: asked after every read of a variable.
        axis: epoch at each position, committed or not; empty without epochs.

    Raises:
        StoreError: a coordinate is damaged, or a chunk is missing.
    """
    arrays = artifacts.group.arrays
    index = {}
    for name, array in arrays.items():
        if array.dims == (name,):
            try:
                index[name] = _plain(array.read())
            except Exception as error:
                raise as_store_error(array.path, "read", error) from error
    order = None
    if "committed" in arrays:
        places = {e: i for i, e in enumerate(axis)}
        order = [places[e] for e in guard.epochs if e in places]
    if order is not None:
        index["epoch"] = index["epoch"][order]
    variables = {}
    for name, array in arrays.items():
        if name in index or name == "committed":
            continue
        _refuse_gaps(array, order if array.dims[:1] == ("epoch",) else None)
        lazy = indexing.LazilyIndexedArray(_Stored(array, guard))
        variables[name] = xr.Variable(array.dims, lazy, array.attrs)
        if order is not None and "epoch" in array.dims and order != list(range(array.shape[0])):
            variables[name] = variables[name].isel(epoch=order)
    coords = {n: xr.Variable((n,), values, arrays[n].attrs) for n, values in index.items()}
    attrs = {**artifacts.group.attrs, "analyzer": artifacts.analyzer, "probe": artifacts.probe}
    attrs |= {f"from_{name}": epochs for name, epochs in inexact(guard.epochs).items()}
    return xr.Dataset(variables, coords, attrs)


class _Stored(BackendArray):  # type: ignore[misc]
    """An array as xarray reads it lazily, with errors said in a sentence."""

    def __init__(self, array: Array, guard: Guard) -> None:
        self.array, self.guard = array, guard
        self.shape, self.dtype = array.shape, array.dtype

    def __deepcopy__(self, memo: Any) -> _Stored:
        """Itself: xarray copies what it aligns, and nobody writes through it."""
        return self

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self.read)

    def read(self, key: tuple[Any, ...]) -> Any:
        """The cells at an outer index.

        Raises:
            StoreError: a chunk is damaged, or the group was replaced meanwhile.
        """
        try:
            cells = self.array.read(key)
        except Exception as error:
            self.guard.check()  # also where reading failed: new chunks do not fit old metadata
            raise as_store_error(self.array.path, "read", error) from error
        self.guard.check()
        return cells


def _plain(values: np.ndarray) -> np.ndarray:
    """Coordinates as numpy's own types: strings of variable length as ``<U``."""
    return np.array(values.tolist(), dtype=str) if values.dtype.kind in "OT" else values


def _refuse_gaps(array: Array, positions: Sequence[int] | None) -> None:
    """Say now, and not at some later look, that a chunk which ought to be there is not."""
    starts = {0}
    if positions is not None:
        step = array.chunks[0]
        starts = {p // step * step for p in positions}
    for low in sorted(starts):
        high = None if positions is None else min(low + array.chunks[0], array.shape[0])
        for file in array.files(low, high):
            if not array.keys.exists(array.key(file)):
                raise array.missing(file)
