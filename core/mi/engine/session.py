"""What a process keeps between tasks: opened workspaces, and one resident model."""

from __future__ import annotations

from pathlib import Path

from attrs import define, field

from mi.domain.workspace import Variant, Workspace
from mi.engine.capture import Resident, build, model_key


@define(eq=False)
class Session:
    """A worker's memory. Models never travel: each process builds its own, once."""

    workspaces: dict[Path, Workspace] = field(factory=dict)
    _key: str = ""
    _resident: Resident | None = None

    def workspace(self, root: Path) -> Workspace:
        """The workspace at ``root``, opened once."""
        if root not in self.workspaces:
            self.workspaces[root] = Workspace.open(root)
        return self.workspaces[root]

    def model(self, variant: Variant, device: str, dtype: str) -> Resident:
        """The resident model for a variant; another variant's makes way for it.

        Raises:
            PlanError: it cannot be built.
        """
        key = model_key(variant, device, dtype)
        if self._resident is None or self._key != key:
            self._resident = None  # freed before the next is built
            self._resident, self._key = build(variant, device, dtype), key
        return self._resident
