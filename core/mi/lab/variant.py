"""A variant: its checkpoints, losses and artifacts, and its model at any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from attrs import define, field

from mi.domain.checkpoint import Checkpoint, at_epoch, nearest_epoch
from mi.domain.visualization import Visualization
from mi.domain.workspace import Variant
from mi.errors import UnknownNameError
from mi.lab.moment import Moment
from mi.plural import counted
from mi.store.layout import VariantPaths
from mi.views.cache import ByteCache

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from mi.domain.family import Family
    from mi.domain.probe import Probe


class Checkpoints(Sequence[Checkpoint]):
    """Checkpoints by index; each has an ``epoch``, an ``index`` and a ``path``."""

    def __init__(self, checkpoints: Sequence[Checkpoint]) -> None:
        self._checkpoints = tuple(checkpoints)

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Checkpoint]: ...
    def __getitem__(self, index: int | slice) -> Checkpoint | Sequence[Checkpoint]:
        return self._checkpoints[index]

    def __len__(self) -> int:
        return len(self._checkpoints)

    @property
    def epochs(self) -> list[int]:
        """Their epochs, sorted."""
        return [checkpoint.epoch for checkpoint in self]

    def __repr__(self) -> str:
        if not self:
            return "<no checkpoints>"
        return f"<{counted(len(self), 'checkpoint')}: epoch {self[0].epoch:,} to {self[-1].epoch:,}>"


@define(eq=False, repr=False)
class LabVariant:
    """One variant.

    Attributes:
        variant: the declaration behind it.
    """

    variant: Variant
    _frames: ByteCache = field(factory=ByteCache)

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def id(self) -> str:
        """``family/name``."""
        return self.variant.id

    @property
    def family(self) -> Family:
        """Its family."""
        return self.variant.family

    @property
    def folder(self) -> Path:
        """Where its results lie."""
        return self.variant.folder

    @property
    def parameters(self) -> dict[str, Any]:
        """All its domain parameters."""
        return dict(self.variant.parameters)

    @property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints, sorted by epoch; read anew each time, so that a running training shows."""
        from mi.store.checkpoints import list_checkpoints

        return Checkpoints(list_checkpoints(self._paths))

    @property
    def losses(self) -> xr.Dataset:
        """One variable a metric over every epoch of training, in memory; NaN where not measured.

        Raises:
            StoreError: there is no loss history yet, or it is damaged.
        """
        from mi.store.losses import open_losses

        return open_losses(self._paths)

    @property
    def visualizations(self) -> dict[str, Visualization]:
        """The visualizations that its family lists, by id; those that no plugin offers are left out."""
        offered = self.variant.workspace.host.visualizations(self.family)
        return {use.id: offered[use.id] for use in self.family.visualizations if use.id in offered}

    def probe(self, name: str | None = None) -> Probe:
        """A saved probe built for this variant; the family's default by default.

        Raises:
            UnknownNameError: no such probe.
        """
        return self.variant.probe(name)[1]

    def artifacts(self, analyzer: str, probe: str | None = None) -> xr.Dataset:
        """An analyzer's artifacts over all committed epochs, lazy; coordinates are loaded.

        Raises:
            UnknownNameError: nothing of that name has been computed; the message names the nearest.
            StoreError: damage.
        """
        from mi.store.artifacts import ArtifactReader

        try:
            return ArtifactReader(self._paths).dataset(probe or self.family.default_probe, analyzer)
        except UnknownNameError:
            offered = self.variant.workspace.host.analyzers(self.family)
            if analyzer in offered and offered[analyzer].scope == "family":
                raise UnknownNameError(
                    f"{analyzer} spans the variants of {self.family.name}: its artifacts are the family's, "
                    f"mi.open().family({self.family.name!r}).artifacts({analyzer!r})"
                ) from None
            raise

    def activations(self, site: str, probe: str | None = None) -> xr.DataArray:
        """Activations that ``mi analyze --keep`` stored, over all epochs kept, lazy: no model is built.

        Dimensions are ``epoch``, the probe's axes (or ``row``), then the site's own.

        Args:
            site: as it was kept, ``blocks.0.mlp.hook_post@-1``.
            probe: the saved probe; the family's default by default.

        Raises:
            UnknownNameError: nothing is kept of this site; the message names the nearest that is.
            StoreError: damage.
        """
        from urllib.parse import unquote

        from mi.domain.keep import group_name
        from mi.domain.site import Site
        from mi.engine.keep import OUTPUT
        from mi.errors import unknown
        from mi.store.artifacts import ArtifactReader

        name, reader = probe or self.family.default_probe, ArtifactReader(self._paths.kept)
        groups = reader.analyzers(name)
        if group_name(Site.parse(site)) not in groups:
            known = [unquote(group) for group in groups]
            raise unknown(f"site kept of {self.id} over probe {name}", site, known)
        return reader.dataset(name, group_name(Site.parse(site)))[OUTPUT]

    def at(self, epoch: float, *, nearest: bool = False, probe: str | None = None) -> Moment:
        """One checkpoint, to look at.

        Args:
            epoch: a checkpoint's epoch.
            nearest: take the nearest checkpoint, the earlier of two equally near.
            probe: the saved probe that views and activations are over; the family's default by default.

        Raises:
            UnknownNameError: there is no checkpoint at exactly this epoch; the message names the nearest.
        """
        checkpoints = self.checkpoints
        found = nearest_epoch(checkpoints, epoch) if nearest else at_epoch(checkpoints, epoch)
        return Moment(self.variant, found, probe, self._frames)

    def weights(self, epoch: int) -> dict[str, torch.Tensor]:
        """The checkpoint's tensors, as it stores them.

        Raises:
            UnknownNameError: there is no checkpoint at this epoch.
            CheckpointError: the file is damaged.
        """
        return self.at(epoch).weights()

    def run_with_cache(
        self,
        epoch: int,
        probe: str | None = None,
        names_filter: str | Sequence[str] | None = None,
        device: str = "cpu",
    ) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """Logits and activations of every row of a probe; see :meth:`Moment.run_with_cache`."""
        return self.at(epoch, probe=probe).run_with_cache(names_filter, device)

    @property
    def _paths(self) -> VariantPaths:
        return VariantPaths(self.variant.folder)

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"<variant {self.id} ({said}): {self.checkpoints!r}>"
