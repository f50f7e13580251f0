"""A family: its variants, and artifacts that span them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from mi.domain.family import Family
from mi.domain.workspace import Workspace
from mi.lab.variant import LabVariant
from mi.plural import counted
from mi.store.layout import VariantPaths
from mi.views.cache import ByteCache

if TYPE_CHECKING:
    import xarray as xr


@define(eq=False, repr=False)
class LabFamily:
    """One family.

    Attributes:
        workspace, family: the declarations behind it.
    """

    workspace: Workspace
    family: Family
    _frames: ByteCache

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name

    @property
    def variants(self) -> list[LabVariant]:
        """Its variants in ``results/``, sorted by name."""
        return [LabVariant(variant, self._frames) for variant in self.workspace.variants(self.name)]

    def artifacts(self, analyzer: str, probe: str | None = None) -> xr.Dataset:
        """Artifacts of an analyzer of scope ``family``, lazy; coordinates are loaded.

        ``attrs["variants"]`` has the parameters of the variants that took part when it was made, and
        ``attrs["missing"]`` says why others did not.

        Args:
            analyzer: its id.
            probe: a saved probe; the family's default by default.

        Raises:
            UnknownNameError: nothing of that name has been computed; the message names the nearest.
            StoreError: damage.
        """
        from mi.store.artifacts import ArtifactReader

        paths = VariantPaths(self.workspace.family_folder(self.family))
        return ArtifactReader(paths).dataset(probe or self.family.default_probe, analyzer)

    def __repr__(self) -> str:
        return f"<family {self.name}: {counted(len(self.variants), 'variant')}>"
