"""What a process keeps between tasks: opened workspaces, and one resident model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from attrs import define, field

from mi.domain.probe import Probe
from mi.domain.workspace import Variant, Workspace
from mi.engine.capture import TRIAL_ROWS, Resident, build, model_key
from mi.errors import PlanError
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
        """The hooks of a variant's model over a probe of this length; built when they are read."""
        key = model_key(variant, device, dtype), probe.n_ctx
        if key not in self._hooks:
            self._hooks[key] = Hooks(self, variant, device, dtype, probe)
        return self._hooks[key]


class Hooks(Mapping[str, tuple[int, ...]]):
    """A model's hooks -> shape of one row's activation; built once, on the first question.

    Which hooks there are needs the model; their shapes need a look at two rows, with whatever weights.
    """

    def __init__(self, session: Session, variant: Variant, device: str, dtype: str, probe: Probe) -> None:
        self._build: Callable[[], Resident] = partial(session.model, variant, device, dtype)
        self._tokens = probe.part(slice(TRIAL_ROWS)).tokens

    @cached_property
    def _names(self) -> dict[str, None]:
        return dict.fromkeys(self._build().model.hook_dict)

    @cached_property
    def _held(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Data type and shape of one row at every hook that fires."""
        import torch

        resident = self._build()
        found = resident.run(torch.as_tensor(self._tokens, device=resident.device), None)
        return {n: (str(t.dtype).removeprefix("torch."), tuple(t.shape[1:])) for n, t in found.items()}

    def dtype(self, hook: str) -> str:
        """The data type of a hook's activation, as torch names it.

        Raises:
            PlanError: it never fires.
        """
        if hook not in self._held:
            raise PlanError(f"hook {hook} exists but never fires in this model")
        return self._held[hook][0]

    def table(self) -> dict[str, Any]:
        """Hook -> [data type, shape of one row], or None where it never fires: what can be recorded."""
        return {n: [self._held[n][0], list(self._held[n][1])] if n in self._held else None for n in self}

    def __getitem__(self, hook: str) -> tuple[int, ...]:
        if hook not in self._names:
            raise KeyError(hook)
        self.dtype(hook)
        return self._held[hook][1]

    def __contains__(self, hook: object) -> bool:
        return hook in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
