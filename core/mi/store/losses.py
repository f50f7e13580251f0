"""The loss history: every metric at every epoch of training, in ``losses.zarr``.

One array a metric with the dimension ``epoch``, one chunk each, at the training's full length from the
start; NaN is what was not measured. The trainer is the only writer and always writes whole arrays. A training
that is made longer gets a new generation of the store, switched by renaming.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import StoreError
from mi.store.files import fsync_files, store_errors
from mi.store.groups import Group, fsync_group, node_of, open_group, write_group, write_values
from mi.store.keys import Folder
from mi.store.layout import VariantPaths
from mi.store.schema import ArraySpec

if TYPE_CHECKING:
    import xarray as xr

_AXIS = {"units": "optimizer steps", "description": "weights after this many optimizer steps"}


class LossHistory:
    """Metrics in memory, and the one writer of the store.

    Attributes:
        values: metric -> float64, (epochs + 1,); NaN where not measured.
    """

    def __init__(self, paths: VariantPaths, metrics: Sequence[str], epochs: int) -> None:
        self.path = paths.losses
        self.values = {name: np.full(epochs + 1, np.nan) for name in metrics}
        recover_losses(self.path)
        self._fits = False
        if self.path.exists():
            self._adopt(_arrays(self.path))

    def _adopt(self, stored: Mapping[str, np.ndarray]) -> None:
        for name, array in self.values.items():
            known = stored.get(name, np.empty(0))[: len(array)]
            array[: len(known)] = known
        self._fits = set(stored) == {"epoch", *self.values} and all(
            len(a) == len(self.values[n]) for n, a in stored.items() if n != "epoch"
        )

    def record(self, epochs: Sequence[int], metrics: Mapping[str, Sequence[float]]) -> None:
        """Set metrics at ``epochs``; each sequence is as long as ``epochs``."""
        for name, values in metrics.items():
            self.values[name][list(epochs)] = values

    def save(self) -> None:
        """Write every metric, flushed to the disk.

        Raises:
            StoreError: the folder cannot be written.
        """
        with store_errors(self.path, "written"):
            if not self._fits:
                _replace(self.path, self.values)
                self._fits = True
                return
            _write(open_group(Folder(str(self.path))), self.values)


def open_losses(paths: VariantPaths) -> xr.Dataset:
    """One variable a metric over the epochs reached so far, float64, in memory; NaN where not measured.

    Raises:
        StoreError: there is no loss history yet, or it is damaged.
    """
    return as_dataset(read_losses(paths))


def as_dataset(values: Mapping[str, np.ndarray]) -> xr.Dataset:
    """What :func:`read_losses` gives, as :func:`open_losses` gives it."""
    import xarray as xr

    metrics = {name: ("epoch", one) for name, one in values.items() if name != "epoch"}
    return xr.Dataset(metrics, coords={"epoch": ("epoch", values["epoch"], _AXIS)})


def read_losses(paths: VariantPaths) -> dict[str, np.ndarray]:
    """Each metric, in the order in which they are shown, and ``epoch``: :func:`open_losses` without xarray.

    Raises:
        StoreError: there is no loss history yet, or it is damaged.
    """
    following, previous = _generations(paths.losses)
    # Between the two renames of a replacement the new store is already complete.
    path = following if previous.exists() and not paths.losses.exists() else paths.losses
    if not path.exists():
        raise StoreError(f"{paths.root.name}: has no losses yet; `mi train` writes them")
    stored = _arrays(path)
    epoch = stored.pop("epoch")
    measured = np.zeros(len(epoch), dtype=bool)
    for values in stored.values():
        measured |= ~np.isnan(values)
    length = int(np.flatnonzero(measured).max(initial=-1)) + 1
    return {**{name: stored[name][:length] for name in _order(path, stored)}, "epoch": epoch[:length]}


def _arrays(path: Path) -> dict[str, np.ndarray]:
    arrays = open_group(Folder(str(path))).arrays
    with store_errors(path, "read"):
        return {name: array.read() for name, array in arrays.items()}


def _order(path: Path, stored: Mapping[str, np.ndarray]) -> list[str]:
    """Metrics in the order in which they are shown."""
    told = open_group(Folder(str(path))).attrs.get("metrics", [])
    ranks = {name: i for i, name in enumerate(told)} if isinstance(told, list) else {}
    return sorted(stored, key=lambda name: (ranks.get(name, len(ranks)), name))


def _write(group: Group, values: Mapping[str, np.ndarray]) -> None:
    for name, array in values.items():
        fsync_files(write_values(group.arrays[name], array))


def _generations(path: Path) -> tuple[Path, Path]:
    return path.with_name(f".{path.name}.next"), path.with_name(f".{path.name}.last")


def _replace(path: Path, values: Mapping[str, np.ndarray]) -> None:
    """A complete new store beside the old one, then two renames, which ``recover_losses`` can finish."""
    following, previous = _generations(path)
    attributes = {"metrics": list(values)}  # their order, which groups do not keep
    length = len(next(iter(values.values())))
    axis = ArraySpec("epoch", ("epoch",), "int64", 0, _AXIS)
    specs = [axis, *(ArraySpec(name, ("epoch",), "float64", float("nan")) for name in values)]
    nodes = {spec.name: node_of(spec, (length,), epochal=False) for spec in specs}
    shutil.rmtree(following, ignore_errors=True)
    write_group(following, attributes, nodes, {"epoch": np.arange(length, dtype=np.int64)})
    fsync_group(following)
    _write(open_group(Folder(str(following))), values)
    if path.exists():
        path.rename(previous)
    following.rename(path)
    shutil.rmtree(previous, ignore_errors=True)


def signature(path: Path) -> tuple[Any, ...]:
    """Changes whenever a file of the store is written: each replaces one of another inode."""
    found = []
    for file in sorted(path.rglob("*")):
        try:
            stat = file.stat()
        except FileNotFoundError:  # replaced right now
            continue
        found.append((str(file.relative_to(path)), stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def losses_leftovers(paths: VariantPaths) -> list[Path]:
    """What a replacement that a kill cut short left beside the store; :func:`recover_losses` mends it."""
    return [path for path in _generations(paths.losses) if path.exists()]


def recover_losses(path: Path) -> None:
    """Finish or undo a replacement that a kill cut short."""
    following, previous = _generations(path)
    if not path.exists() and previous.exists():
        # The old store is moved away only once the new one is complete.
        following.rename(path)
    for left in (following, previous):
        shutil.rmtree(left, ignore_errors=True)
