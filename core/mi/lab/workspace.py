"""A workspace, opened."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from mi.domain.family import Family
from mi.domain.workspace import Workspace
from mi.errors import PluginWarning, UnknownNameError, unknown
from mi.lab.family import LabFamily
from mi.lab.variant import LabVariant
from mi.plugins import Host
from mi.plural import counted
from mi.views.cache import ByteCache


def open(path: str | Path | None = None, *, host: Host | None = None) -> Lab:
    """The workspace at ``path``; by default that of ``MI_WORKSPACE``, else of this folder or one above it.

    A plugin that fails, now or later, and a local plugin that is not trusted, is a
    :class:`mi.errors.PluginWarning`.

    Args:
        path: the folder that holds ``model_families/``.
        host: loaded plugins; all that are installed by default, and the workspace's own.

    Raises:
        StoreError: there is no workspace.
    """
    workspace = Workspace.open(path, host)
    if host is None:
        workspace.host.announce(_warn)
    return Lab(workspace)


def _warn(line: str) -> None:
    warnings.warn(line, PluginWarning, stacklevel=2)


class Families(Mapping[str, Family]):
    """Families by name; one that is malformed raises its sentence when it is asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __getitem__(self, name: str) -> Family:
        return self._workspace.family(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._workspace.family_names())

    def __len__(self) -> int:
        return len(self._workspace.family_names())

    def __contains__(self, name: object) -> bool:
        return name in self._workspace.family_names()

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'family')}: {', '.join(self) or 'none'}>"


@define(eq=False, repr=False)
class Lab:
    """A workspace.

    Attributes:
        workspace: the declarations behind it.
    """

    workspace: Workspace
    _frames: ByteCache = field(factory=ByteCache)

    @property
    def families(self) -> Families:
        """Declared families by name."""
        return Families(self.workspace)

    def family(self, name: str) -> LabFamily:
        """A family with its variants and what spans them.

        Raises:
            UnknownNameError: there is none of that name.
        """
        return LabFamily(self.workspace, self.workspace.family(name), self._frames)

    def variants(self, family: str | None = None) -> list[LabVariant]:
        """Variants in ``results/``, sorted by family and name.

        Raises:
            UnknownNameError: no such family.
        """
        return [LabVariant(variant, self._frames) for variant in self.workspace.variants(family)]

    def variant(self, name: str | None = None, /, **parameters: Any) -> LabVariant:
        """The one variant of a family with these parameters, or of this name.

        Args:
            name: a family's name, or a variant's (``name`` or ``family/name``).
            parameters: values of domain parameters; those left out may be anything.

        Raises:
            UnknownNameError: none matches, or several do; the message lists them.
            ParameterError: a parameter that the family does not have.
        """
        if name is None or name in self.families:
            return LabVariant(self.workspace.variant(family=name, **parameters), self._frames)
        if parameters:
            raise unknown("family", name, self.families)
        try:
            return LabVariant(self.workspace.variant(name), self._frames)
        except UnknownNameError:
            names = [variant.name for variant in self.workspace.variants()]
            if "/" in name or name in names:  # it says what it must; several variants may match
                raise
            raise unknown("family or variant", name, [*self.families, *names]) from None

    def __repr__(self) -> str:
        return (
            f"<workspace {self.workspace.root}: {self.families!r}, "
            f"{counted(len(self.workspace.variants()), 'variant')}>"
        )
