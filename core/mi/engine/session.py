"""What a process keeps between tasks: opened workspaces, and one resident model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field

from mi.domain.probe import Probe
from mi.domain.workspace import Variant, Workspace
from mi.engine.capture import Resident, build, model_key
from mi.engine.hookcache import Hooks
from mi.timing import timed


@define(eq=False)
class Session:
    """A worker's memory. Models never travel: each process builds its own, once.

    Attributes:
        workspaces: by their root.
        threads: that torch is to use, once it is needed; None for its own choice.
    """

    workspaces: dict[Path, Workspace] = field(factory=dict)
    threads: int | None = None
    _key: str = ""
    _resident: Resident | None = None
    _hooks: dict[tuple[str, int], Hooks] = field(factory=dict)
    _probe: tuple[Any, Probe] | None = None

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
        self.use_threads()
        key = model_key(variant, device, dtype)
        if self._resident is None or self._key != key:
            self._resident = None  # freed before the next is built
            with timed("plan", "build the model"):
                self._resident, self._key = build(variant, device, dtype), key
        return self._resident

    def use_threads(self) -> None:
        """Tell torch how many threads to use; before anything is computed with it."""
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)

    def probe(self, variant: Variant, name: str | None) -> tuple[str, Probe]:
        """The name of a saved probe (the family's default for None) and it, built for a variant.

        The same as long as it is asked for again, so that a plan's rows and digest are those of its tasks.
        """
        name = name or variant.family.default_probe
        spec = variant.workspace.probe_spec(variant.family, name)
        key = variant.folder, spec
        if self._probe is None or self._probe[0] != key:
            self._probe = key, variant.workspace.build_probe(variant.family, spec, variant.code)
        return name, self._probe[1]

    def hooks(self, variant: Variant, device: str, dtype: str, probe: Probe) -> Hooks:
        """The hooks of a variant's model over a probe of this length; known when they are asked for."""
        key = model_key(variant, device, dtype), probe.n_ctx
        if key not in self._hooks:
            self._hooks[key] = Hooks(partial(self.model, variant, device, dtype), variant, dtype, probe)
        return self._hooks[key]
