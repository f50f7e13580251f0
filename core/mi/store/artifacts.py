"""Reading artifacts: lazy, committed epochs alone, sorted; damage is named, never read over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from mi.errors import StoreError, unknown
from mi.store.commits import Commits
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of
from mi.store.zarrio import chunk_files, epochs_of, open_arrays, open_group, store_errors


class ArtifactReader:
    """The artifacts of one variant.

    Args:
        paths: the variant's.
    """

    def __init__(self, paths: VariantPaths) -> None:
        self.paths = paths

    def probes(self) -> list[str]:
        """Names of probes with artifacts, sorted."""
        return _groups(self.paths.artifacts)

    def analyzers(self, probe: str) -> list[str]:
        """Ids of analyzers with something committed over ``probe``, sorted."""
        names = _groups(self.paths.artifacts / probe)
        return [n for n in names if Commits.of(self.paths, probe, n).files()]

    def committed(self, probe: str, analyzer: str) -> dict[int, str]:
        """Epoch -> fingerprint of what is committed, sorted; {} for artifacts without an epoch axis.

        Raises:
            StoreError: a commit record is damaged.
        """
        return Commits.of(self.paths, probe, analyzer).read()

    def whole(self, probe: str, analyzer: str) -> str | None:
        """Fingerprint of artifacts without an axis of checkpoints; None when there are none.

        Raises:
            StoreError: the commit record is damaged.
        """
        return Commits.of(self.paths, probe, analyzer).whole()

    def nonfinite(self, probe: str, analyzer: str) -> dict[int | None, dict[str, int]]:
        """Epoch -> output -> cells that are not finite, where any is; None for what has no axis of epochs.

        Raises:
            StoreError: a commit record is damaged.
        """
        return Commits.of(self.paths, probe, analyzer).nonfinite()

    def token(self, probe: str, analyzer: str) -> str:
        """Changes whenever the committed content changes: the key of a cache.

        Raises:
            StoreError: a commit record is damaged.
        """
        commits = Commits.of(self.paths, probe, analyzer)
        said = repr((commits.read(), commits.whole()))
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def attributes(self, probe: str, analyzer: str) -> dict[str, Any]:
        """What is recorded with the group: version, options, plugin, versions of libraries, device.

        Raises:
            StoreError: there is no such group.
        """
        return dict(open_group(self._place(probe, analyzer)).attrs)

    def dataset(self, probe: str, analyzer: str) -> xr.Dataset:
        """All committed epochs, sorted; variables are read when their values are asked for.

        Coordinates are loaded. Reading a variable later raises StoreError when a chunk is damaged, or when
        the group was computed anew meanwhile (open it again).

        Raises:
            UnknownNameError: nothing of that name is there.
            StoreError: the group or a commit record is damaged, or a chunk is missing.
        """
        path = self._place(probe, analyzer)
        commits = Commits.of(self.paths, probe, analyzer)
        guard = _Guard(path, commits)
        group = open_group(path)
        with store_errors(path, "read"):
            arrays: dict[str, Any] = dict(group.arrays())
            dims = {name: tuple(a.metadata.dimension_names or ()) for name, a in arrays.items()}
            index = {n: _plain(np.asarray(a[...])) for n, a in arrays.items() if dims[n] == (n,)}
        order = None
        if "committed" in arrays:
            places = {int(e): i for i, e in enumerate(index["epoch"])}
            order = [places[e] for e in guard.epochs if e in places]
            index["epoch"] = index["epoch"][order]
        elif commits.whole() is None:
            raise unknown("artifacts", f"{probe}/{analyzer}", self._known(probe))
        variables = {}
        for name, array in arrays.items():
            if name in index or name == "committed":
                continue
            _refuse_gaps(path / name, array, order if dims[name][:1] == ("epoch",) else None)
            lazy = indexing.LazilyIndexedArray(_Stored(array, path / name, guard.check))
            variables[name] = xr.Variable(dims[name], lazy, dict(array.attrs))
            if order is not None and "epoch" in dims[name] and order != list(range(array.shape[0])):
                variables[name] = variables[name].isel(epoch=order)
        coords = {n: xr.Variable((n,), values, dict(arrays[n].attrs)) for n, values in index.items()}
        return xr.Dataset(variables, coords, {**group.attrs, "analyzer": analyzer, "probe": probe})

    def at(self, probe: str, analyzer: str, epoch: int) -> dict[str, np.ndarray]:
        """One committed epoch's arrays, loaded.

        Raises:
            UnknownNameError: the group or the epoch is not there.
            StoreError: damage.
        """
        path = self._place(probe, analyzer)
        guard = _Guard(path, Commits.of(self.paths, probe, analyzer))
        if epoch not in guard.epochs:
            raise unknown(f"epoch of {probe}/{analyzer}", str(epoch), map(str, guard.epochs))
        arrays = open_arrays(path)
        place = epochs_of(path, arrays).index(epoch)
        values = {}
        for name, array in arrays.items():
            if name != "committed" and array.metadata.dimension_names != (name,):
                _refuse_gaps(path / name, array, [place])
                values[name] = np.asarray(_Stored(array, path / name, guard.check).read((place,)))
        return values

    def _place(self, probe: str, analyzer: str) -> Path:
        path = place_of(self.paths, probe, analyzer)
        if not (path / "zarr.json").exists():
            raise unknown("artifacts", f"{probe}/{analyzer}", self._known(probe))
        return path

    def _known(self, probe: str) -> list[str]:
        probes = [probe] if probe in self.probes() else self.probes()
        return [f"{p}/{a}" for p in probes for a in self.analyzers(p)]


class _Guard:
    """Notices that a group was replaced, or an epoch computed anew, behind a dataset that is still in use."""

    def __init__(self, path: Path, commits: Commits) -> None:
        self.path, self.commits = path, commits
        self.generation, self.signature = self._generation(), commits.signature()
        self.epochs = commits.read()

    def check(self) -> None:
        """Called after every read.

        Raises:
            StoreError: what was read may not be what was asked for.
        """
        if self._generation() == self.generation:
            signature = self.commits.signature()
            if signature == self.signature:
                return
            now = self.commits.read()
            if all(now.get(e) == f for e, f in self.epochs.items()):
                self.signature = signature
                return
        raise StoreError(f"{self.path}: was computed anew while it was being read; open it again")

    def _generation(self) -> tuple[int, int]:
        try:
            stat = self.path.stat()
        except OSError:
            return (-1, -1)
        return (stat.st_ino, stat.st_mtime_ns)  # numbers of deleted folders are used again, times are not


class _Stored(BackendArray):  # type: ignore[misc]
    """A zarr array as xarray reads it lazily, with errors said in a sentence."""

    def __init__(self, array: Any, path: Path, check: Callable[[], None]) -> None:
        self.array, self.path, self.check = array, path, check
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self.read)

    def read(self, key: tuple[Any, ...]) -> Any:
        """The cells at an outer index.

        Raises:
            StoreError: a chunk is damaged, or the group was replaced meanwhile.
        """
        try:
            with store_errors(self.path, "read"):
                return self.array.oindex[key] if key else self.array[...]
        finally:
            self.check()  # also where reading failed: new chunks do not fit old metadata


def _groups(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "zarr.json").exists())


def _plain(values: np.ndarray) -> np.ndarray:
    """Coordinates as numpy's own types: strings of variable length as ``<U``."""
    return np.array(values.tolist(), dtype=str) if values.dtype.kind in "OT" else values


def _refuse_gaps(path: Path, array: Any, positions: Sequence[int] | None) -> None:
    """A chunk that ought to be there and is not would read as "missing" in silence."""
    rows = [(p, p + 1) for p in positions] if positions is not None else [(0, max((*array.shape[:1], 1)))]
    seen: set[Path] = set()
    for low, high in rows:
        for file in chunk_files(path, array, low, high):
            if file not in seen and not file.exists():
                raise StoreError(f"{file}: missing chunk; `mi analyze` computes it again")
            seen.add(file)
