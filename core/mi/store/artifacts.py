"""Reading artifacts: lazy, committed epochs alone, sorted; damage is named, never read over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

from mi.errors import StoreError, unknown
from mi.store.commits import Commits
from mi.store.files import as_store_error
from mi.store.groups import Group, open_group
from mi.store.keys import Keys, hierarchy, keys_of
from mi.store.layout import VariantPaths
from mi.store.nodes import NODE

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

T = TypeVar("T")


class ArtifactReader:
    """The artifacts of one variant.

    Args:
        paths: the variant's.
    """

    def __init__(self, paths: VariantPaths) -> None:
        self.paths = paths

    def probes(self) -> list[str]:
        """Names of probes with artifacts, sorted."""
        return _groups(hierarchy(self.paths))

    def analyzers(self, probe: str) -> list[str]:
        """Ids of analyzers with something committed over ``probe``, sorted."""
        names = _groups(hierarchy(self.paths).under(probe))
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
        return dict(open_group(self._keys(probe, analyzer)).attrs)

    def open(self, probe: str, analyzer: str) -> Artifacts:
        """One group, held open: metadata and coordinates are read now, values when they are asked for.

        Raises:
            UnknownNameError: nothing of that name is there.
            StoreError: the group or a commit record is damaged.
        """
        keys, commits = self._keys(probe, analyzer), Commits.of(self.paths, probe, analyzer)
        guard = Guard(keys, commits)
        group = open_group(keys)
        if "committed" not in group.arrays and commits.whole() is None:
            raise unknown("artifacts", f"{probe}/{analyzer}", self._known(probe))
        return Artifacts(probe, analyzer, group, guard)

    def dataset(self, probe: str, analyzer: str) -> xr.Dataset:
        """All committed epochs, sorted; variables are read when their values are asked for.

        Coordinates are loaded. An attribute ``from_float16`` holds the epochs, if any, that were computed of
        activations kept as float16; ``nonfinite`` those whose values are not finite, or come from such
        (``all`` where no axis is epochs). Reading a variable later raises StoreError when a chunk is damaged,
        or when the group was computed anew meanwhile (open it again).

        Raises:
            UnknownNameError: nothing of that name is there.
            StoreError: the group or a commit record is damaged, or a chunk is missing.
        """
        data = self.open(probe, analyzer).dataset()
        if flagged := self.nonfinite(probe, analyzer):
            epochs = sorted(e for e in flagged if e is not None)
            data.attrs["nonfinite"] = epochs or "all"
        return data

    def at(self, probe: str, analyzer: str, epoch: int) -> dict[str, np.ndarray]:
        """One committed epoch's arrays, loaded.

        Raises:
            UnknownNameError: the group or the epoch is not there.
            StoreError: damage.
        """
        return steady(lambda: self.open(probe, analyzer).at(epoch))

    def loaded(self, probe: str, analyzer: str) -> xr.Dataset:
        """As :meth:`dataset`, with all values read.

        Raises:
            UnknownNameError, StoreError: as there.
        """
        return steady(lambda: self.dataset(probe, analyzer).load())

    def _keys(self, probe: str, analyzer: str) -> Keys:
        keys = keys_of(self.paths, probe, analyzer)
        if not keys.exists(NODE):
            raise unknown("artifacts", f"{probe}/{analyzer}", self._known(probe))
        return keys

    def _known(self, probe: str) -> list[str]:
        probes = [probe] if probe in self.probes() else self.probes()
        return [f"{p}/{a}" for p in probes for a in self.analyzers(p)]


@frozen(eq=False)
class Artifacts:
    """One analyzer's artifacts, held open. Chunks that hold several epochs stay decoded, up to 32 MiB.

    Attributes:
        probe, analyzer: their place.
        group: the arrays, committed or not.
    """

    probe: str
    analyzer: str
    group: Group
    _guard: Guard
    _axis: list[int] = field(init=False)  # epoch at each position, committed or not; empty without epochs
    _places: dict[int, int] = field(init=False)

    @_axis.default
    def _epochs(self) -> list[int]:
        return self.group.epochs() if "committed" in self.group.arrays else []

    @_places.default
    def _placed(self) -> dict[int, int]:
        return {e: i for i, e in enumerate(self._axis)}

    @property
    def committed(self) -> Mapping[int, str]:
        """Committed epoch -> fingerprint, sorted, as it was when the group was opened."""
        return self._guard.epochs

    def at(self, epoch: int) -> dict[str, np.ndarray]:
        """One committed epoch's arrays, loaded; of artifacts without a commit an epoch, everything.

        Raises:
            UnknownNameError: the epoch is not there.
            StoreError: damage, or the group was computed anew meanwhile.
        """
        place = None
        if "committed" in self.group.arrays:
            place = self._places.get(epoch)
            if epoch not in self._guard.epochs or place is None:
                known = map(str, self._guard.epochs)
                raise unknown(f"epoch of {self.probe}/{self.analyzer}", str(epoch), known)
        values, array = {}, None
        try:
            for name, array in self.group.arrays.items():
                if name != "committed" and array.dims != (name,):
                    values[name] = array.read() if place is None else array.row(place)
        except Exception as error:
            self._guard.check()  # also where reading failed: new chunks do not fit old metadata
            raise as_store_error(array.path if array else self.group.path, "read", error) from error
        self._guard.check()
        return values

    def dataset(self) -> xr.Dataset:
        """All committed epochs, sorted: see :meth:`ArtifactReader.dataset`.

        Raises:
            StoreError: a coordinate is damaged, a chunk is missing, or the group was computed anew meanwhile.
        """
        from mi.store.datasets import dataset_of

        try:
            return dataset_of(self, self._guard, self._axis)
        finally:
            self._guard.check()


class AnewError(StoreError):
    """A group was regrouped or computed anew while it was being read; to open it again is enough."""


def steady(read: Callable[[], T], tries: int = 5) -> T:
    """What ``read`` gives, tried again where a writer put a group's next generation in place meanwhile.

    Raises:
        AnewError: it did so every time.
        Exception: whatever else ``read`` raises.
    """
    for _ in range(tries - 1):
        with suppress(AnewError):
            return read()
    return read()


class Guard:
    """Notices that a group was replaced, or an epoch computed anew, behind a dataset that is still in use."""

    def __init__(self, keys: Keys, commits: Commits) -> None:
        self.keys, self.commits = keys, commits
        self.generation = keys.stamp()
        self.signature, self.epochs = commits.seen()

    def check(self) -> None:
        """Called after every read.

        Raises:
            StoreError: what was read may not be what was asked for.
        """
        if self.keys.stamp() == self.generation:
            signature, now = self.commits.seen()
            if signature == self.signature:
                return
            if all(now.get(e) == f for e, f in self.epochs.items()):
                self.signature = signature
                return
        raise AnewError(f"{self.keys.file()}: was computed anew while it was being read; open it again")


def _groups(keys: Keys) -> list[str]:
    return [name for name in keys.children() if keys.exists(f"{name}/{NODE}")]
