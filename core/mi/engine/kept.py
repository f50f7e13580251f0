"""Activations that are kept: which of them may stand for a pass, and reading them instead of making one.

What is kept in the precision of the pass is bit for bit what the pass gave, and stands for it everywhere.
What was kept in fewer bits (float16) stands for it only where the checkpoint is gone: as long as the exact
values can be had, results are made of them. Fingerprints say which it was: see :mod:`mi.engine.shares`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen

from mi.domain.checkpoint import Checkpoint
from mi.domain.keep import Keep, group_name
from mi.domain.site import Site
from mi.domain.workspace import Variant
from mi.engine.bench import Bench
from mi.engine.guard import unrecorded
from mi.engine.keep import OUTPUT, content_of, identity
from mi.engine.trial import itemsize
from mi.errors import MiError, PlanError
from mi.store.arrays import Array
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import list_checkpoints
from mi.store.commits import Commits
from mi.store.files import store_errors
from mi.store.finite import WEIGHTS
from mi.store.groups import open_group
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.prepare import stored
from mi.store.schema import ArraySpec, GroupSpec

if TYPE_CHECKING:
    import torch


@frozen(eq=False)
class KeptSite:
    """One site's activations over one probe, as they lie in the store.

    Attributes:
        site: which.
        dtype: the data type in which they are stored.
        exact: whether that holds exactly what the pass gave.
        row_bytes: of one row, once it is read.
        epochs: committed epochs -> digest of the checkpoint that they were made of, sorted.
    """

    site: Site
    dtype: str
    exact: bool
    row_bytes: int
    epochs: Mapping[int, str]


@frozen(eq=False)
class Known:
    """The checkpoints there are, those included of which only kept activations are left.

    Attributes:
        checkpoints: sorted by epoch; the file of an absent one is gone.
        absent: epoch -> digest of the bytes that the file had.
        kept: site key -> what is kept of it and may be used.
    """

    checkpoints: tuple[Checkpoint, ...]
    absent: Mapping[int, str] = field(factory=dict)
    kept: Mapping[str, KeptSite] = field(factory=dict)

    def holds(self, sites: Iterable[Site], epoch: int, content: str) -> bool:
        """Whether all these sites can be read instead of being captured, for a checkpoint of these bytes."""
        held = [self.kept.get(site.key) for site in sites]
        return all(
            one is not None and one.epochs.get(epoch) == content and (one.exact or epoch in self.absent)
            for one in held
        )

    def lossy(self, sites: Iterable[Site], epoch: int) -> dict[str, str]:
        """Site key -> data type, of those that would be read there in fewer bits than the pass gave."""
        if epoch not in self.absent:
            return {}
        held = (self.kept.get(site.key) for site in sites)
        return {one.site.key: one.dtype for one in held if one is not None and not one.exact}


def find_known(variant: Variant, probe: str | None, dtype: str) -> Known:
    """The checkpoints of a variant, and what is kept of them over one probe.

    Args:
        variant: an existing variant.
        probe: a saved probe; None for the family's default.
        dtype: of the passes: activations of another precision are not these.
    """
    paths = VariantPaths(variant.folder)
    files = {c.epoch for c in list_checkpoints(paths)}
    kept = kept_sites(variant, probe, dtype)
    absent: dict[int, str] = {}
    for one in kept.values():
        for epoch, content in one.epochs.items():
            if epoch not in files:
                absent.setdefault(epoch, content)
    every = sorted(files | absent.keys())
    checkpoints = tuple(Checkpoint(e, i, paths.checkpoint(e)) for i, e in enumerate(every))
    return Known(checkpoints, dict(sorted(absent.items())), kept)


def known_without_checkpoint(variant: Variant) -> dict[int, str]:
    """Epochs whose checkpoint is gone, and that kept activations over some probe still tell of, sorted.

    Epoch -> digest of the bytes that the checkpoint had. What cannot be told, since a probe cannot be built,
    is left out.
    """
    root = VariantPaths(variant.folder).kept.artifacts
    found: dict[int, str] = {}
    for probe in sorted(path.name for path in root.glob("*/")) if root.is_dir() else []:
        with suppress(Exception):  # whatever a probe's or a family's code raises; `mi verify` says it
            found |= find_known(variant, probe, "float32").absent
    return dict(sorted(found.items()))


def kept_sites(variant: Variant, probe: str | None, dtype: str) -> dict[str, KeptSite]:
    """Site key -> what is kept of it over a probe as it is now, by the family as it is now; sorted."""
    paths = VariantPaths(variant.folder).kept
    folder = paths.artifacts / (probe or variant.family.default_probe)
    groups = sorted(p.parent.name for p in folder.glob("*/zarr.json")) if folder.is_dir() else []
    if not groups:
        return {}
    name, built = variant.probe(probe)
    found = {}
    for group in groups:
        try:
            opened = open_group(keys_of(paths, name, group))
            attrs: dict[str, Any] = dict(opened.attrs)
            keep = keep_of(attrs)
            if attrs["declared"] != identity(variant, keep, built.digest, dtype):
                continue
            told = attrs["arrays"][OUTPUT]
            one = ArraySpec(OUTPUT, tuple(told["dims"]), told["dtype"], 0)
            spec = GroupSpec(name, group, {}, (one,), attrs["identity"])
            shape = opened.arrays[OUTPUT].shape[1 + len(attrs["row_dims"]) :]
            size = math.prod(shape) * itemsize(attrs["pass_dtype"])
            held, _ = stored(paths, spec)
        except (MiError, KeyError, TypeError):  # `mi verify` says what is wrong with it
            continue
        epochs = {e: content for e, f in held.items() if (content := content_of(f, spec.identity))}
        exact = bool(np.can_cast(attrs["captured"], one.dtype, "safe"))
        found[keep.site.key] = KeptSite(keep.site, one.dtype, exact, size, epochs)
    return found


def refuse_other_dtypes(bench: Bench, known: Known) -> None:
    """Refuse to keep in another data type what is kept already: it would be lost before it is made anew.

    Raises:
        PlanError: names the site, both data types and what to do.
    """
    for item in bench.items.values():
        if item.keep is None:
            continue
        held = known.kept.get(item.keep.site.key)
        asked = item.analyzer.outputs[OUTPUT].dtype
        if held is not None and held.epochs and held.dtype != asked:
            raise PlanError(
                f"--keep {item.keep.site.key}: is kept as {held.dtype} already, over {len(held.epochs)} "
                f"epochs, and not as {asked}; keep it as it is, or drop it first: `mi cache rm "
                f"{bench.variant.id} --site {item.keep.site.key}`"
            )


def keep_of(attrs: Mapping[str, Any]) -> Keep:
    """The request that a kept group answers.

    Raises:
        KeyError, TypeError: it is no group of kept activations.
        MiError: nor are its attributes those of one.
    """
    return Keep(Site(attrs["hook"], attrs["position"]), attrs["keep_dtype"])


@define(eq=False)
class KeptReader:
    """Kept activations of one variant over one probe, read an epoch or a batch of rows at a time.

    Args:
        paths: the variant's.
        probe: the probe's name.
        rows: how many rows it has.
        device: where tensors are put.
    """

    paths: VariantPaths
    probe: str
    rows: int
    device: str
    _open: dict[str, _Open] = field(factory=dict)
    _bad: dict[int | None, int] | None = None

    def read(self, epoch: int, sites: Sequence[Site], rows: slice | None = None) -> dict[str, torch.Tensor]:
        """Site key -> tensor, rows first, not to be edited: as a pass would have left it.

        Args:
            epoch: a kept one.
            sites: kept ones.
            rows: a range of rows; None for all.

        Raises:
            StoreError: a chunk is damaged or missing.
        """
        import torch

        low, high, _ = (rows or slice(None)).indices(self.rows)
        found = {}
        for site in sites:
            one = self._array(site)
            inner = self.rows // one.array.shape[1]  # rows that one step along the first axis of rows holds
            first, last = low // inner, -(-high // inner)
            with store_errors(one.array.path, "read"):
                part = one.array.read((one.places[epoch], slice(first, last)))
            flat = part.reshape(-1, *part.shape[one.row_dims :])[low - first * inner : high - first * inner]
            with unrecorded(self.device):
                tensor = torch.from_numpy(np.ascontiguousarray(flat))
                found[site.key] = tensor.to(self.device, getattr(torch, one.dtype))
        return found

    def batch(self, epoch: int, sites: Sequence[Site]) -> int:
        """Rows of the largest batch of the pass that gave them: cut so, sums come out as they did then."""
        commits = [Commits.of(self.paths.kept, self.probe, group_name(site)) for site in sites]
        for epochs, made in (one for commit in commits for one in commit.provenance()):
            if epoch in epochs and made.get("batch"):
                return int(made["batch"])
        return self.rows

    def nonfinite(self, epoch: int) -> int:
        """How many of the checkpoint's weights were not finite when its activations were kept."""
        if self._bad is None:
            self._bad = {}
            for group in ArtifactReader(self.paths.kept).analyzers(self.probe):
                told = Commits.of(self.paths.kept, self.probe, group).nonfinite()
                self._bad |= {e: cells[WEIGHTS] for e, cells in told.items() if WEIGHTS in cells}
        return self._bad.get(epoch, 0)

    def _array(self, site: Site) -> _Open:
        if site.key not in self._open:
            group = open_group(keys_of(self.paths.kept, self.probe, group_name(site)))
            places = {e: i for i, e in enumerate(group.epochs())}
            told = group.attrs
            self._open[site.key] = _Open(
                group.arrays[OUTPUT], places, len(told["row_dims"]), str(told["pass_dtype"])
            )
        return self._open[site.key]


@frozen(eq=False)
class _Open:
    """A kept site's array: where its epochs are, how many axes its rows fold into, and what the pass gave."""

    array: Array
    places: Mapping[int, int]
    row_dims: int
    dtype: str
