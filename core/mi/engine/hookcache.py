"""The hooks of a variant's model: asked of it once, and remembered, so that a fresh variant builds none.

``.hooks.json`` in the variant's folder holds, for inputs of a length and a precision, which hooks there are
and what one row of each is, with the digest of what the model is built by. It may be deleted at any time. Who
has a model at hand compares, and what does not hold is asked anew: see :func:`mi.engine.plan.make_plan`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.domain.jsonfile import write_json
from mi.domain.probe import Probe
from mi.domain.workspace import Variant
from mi.engine.batches import weights_of
from mi.engine.capture import Resident
from mi.engine.sources import built_by
from mi.engine.trial import TRIAL_ROWS
from mi.errors import PlanError
from mi.store.files import store_errors
from mi.store.layout import VariantPaths

if TYPE_CHECKING:
    import torch

    from mi.engine.bench import Bench

SCHEMA = 1

Held = tuple[str, tuple[int, ...]]  # data type, as torch names it, and shape of one row


@frozen
class Remembered:
    """What is remembered of a model.

    Attributes:
        hooks: hook -> what one row of it is, or None where it never fires.
        row_bytes: of one row, all hooks together; those that show the same memory count once.
    """

    hooks: Mapping[str, Held | None]
    row_bytes: int


class Hooks(Mapping[str, tuple[int, ...]]):
    """A model's hooks -> shape of one row's activation; known from the first question on.

    Which hooks there are needs the model; their shapes need a look at two rows, with whatever weights. Where
    both are remembered, and the model would be built by the same, they need neither.
    """

    def __init__(self, build: Callable[[], Resident], variant: Variant, dtype: str, probe: Probe) -> None:
        self._build, self._variant, self._dtype, self._n_ctx = build, variant, dtype, probe.n_ctx
        self._tokens = probe.part(slice(TRIAL_ROWS)).tokens
        self._remembering = True
        self._remembered: Remembered | None = None
        self._row_bytes = 0
        self._names: dict[str, None] | None = None
        self._held: dict[str, Held] | None = None

    @property
    def built(self) -> bool:
        """Whether something was asked, and a model answered."""
        return self._names is not None and self._remembered is None

    def hold(self) -> bool:
        """Whether what was remembered, and relied on, is what the model says; from now on it is asked itself.

        To be called where there is a model, since one is built else.
        """
        before = self._remembered
        self._remembering, self._remembered = False, None
        if before is None:
            return True
        self._names = self._held = None
        return before.hooks == self._table()

    def take(self, shown: Mapping[str, torch.Tensor], row_bytes: int) -> None:
        """What all hooks showed of a few rows, so that it is remembered though nobody has asked.

        Args:
            shown: hook -> tensor, rows first.
            row_bytes: of one row, all hooks together.
        """
        if self._held is None:
            self._names = dict.fromkeys(self._build().model.hook_dict)
            self._keep(shown, row_bytes)

    def _keep(self, shown: Mapping[str, torch.Tensor], row_bytes: int) -> None:
        self._held = {name: (_said(t.dtype), tuple(t.shape[1:])) for name, t in shown.items()}
        self._row_bytes = row_bytes

    def dtype(self, hook: str) -> str:
        """The data type of a hook's activation, as torch names it.

        Raises:
            PlanError: it never fires.
        """
        return self._fired(hook)[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, all hooks together, as the model that was asked showed them."""
        self._rows()
        return self._row_bytes

    def table(self) -> dict[str, Any]:
        """Hook -> [data type, shape of one row], or None where it never fires: what can be recorded."""
        return {name: held and [held[0], list(held[1])] for name, held in self._table().items()}

    def _table(self) -> dict[str, Held | None]:
        held = self._rows()
        return {name: held.get(name) for name in self}

    def _known(self) -> dict[str, None]:
        if self._names is None:
            if self._remembering:
                self._remembered = remembered(self._variant, self._n_ctx, self._dtype)
            if self._remembered is None:
                self._names = dict.fromkeys(self._build().model.hook_dict)
            else:
                told = self._remembered.hooks
                self._names = dict.fromkeys(told)
                self._held = {name: held for name, held in told.items() if held is not None}
                self._row_bytes = self._remembered.row_bytes
        return self._names

    def _rows(self) -> dict[str, Held]:
        """What one row of every hook is that fires."""
        self._known()
        if self._held is None:
            import torch

            model = self._build()
            # Tokens of its own: a hook may show them, and they are weighed alone.
            found = model.run(torch.tensor(self._tokens, device=model.device), None)
            self._keep(found, max(sum(weights_of(found).values()) // len(self._tokens), 1))
        assert self._held is not None
        return self._held

    def _fired(self, hook: str) -> Held:
        held = self._rows()
        if hook not in held:
            raise PlanError(f"hook {hook} exists but never fires in this model")
        return held[hook]

    def __getitem__(self, hook: str) -> tuple[int, ...]:
        if hook not in self._known():
            raise KeyError(hook)
        return self._fired(hook)[1]

    def __contains__(self, hook: object) -> bool:
        return hook in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())


def remembered(variant: Variant, n_ctx: int, dtype: str) -> Remembered | None:
    """What is remembered of a model over inputs of a length; None where nothing is that holds."""
    try:
        found = _models(variant).get(_key(n_ctx, dtype))
        if found is None or found["built_by"] is None or found["built_by"] != built_by(variant, dtype):
            return None
        hooks: dict[str, Any] = found["hooks"]
        told = {str(n): held and (str(held[0]), tuple(map(int, held[1]))) for n, held in hooks.items()}
        return Remembered(told, int(found["row_bytes"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # edited by hand, or half a disk
        return None


def remember(bench: Bench) -> None:
    """Remember the hooks that a plan asked a model for.

    Whole or not at all, so that no lock is needed: of two who write at once, one is forgotten.

    Raises:
        StoreError: the folder cannot be written.
    """
    hooks, variant = bench.subject.hooks, bench.variant
    if not isinstance(hooks, Hooks) or not hooks.built:
        return
    code, file = built_by(variant, bench.dtype), VariantPaths(variant.folder).hooks
    if code is None:
        return
    models, key = _models(variant), _key(bench.probe.n_ctx, bench.dtype)
    mine = {"built_by": code, "row_bytes": hooks.row_bytes, "hooks": hooks.table()}
    if models.get(key) == mine:
        return
    models[key] = mine
    with store_errors(file, "written"):
        write_json(file, {"schema": SCHEMA, "models": models})


def _said(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _key(n_ctx: int, dtype: str) -> str:
    return f"{n_ctx} tokens, {dtype}"


def _models(variant: Variant) -> dict[str, Any]:
    try:
        data = json.loads(VariantPaths(variant.folder).hooks.read_bytes())
        return dict(data["models"]) if data["schema"] == SCHEMA else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
