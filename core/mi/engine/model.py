"""The resident model in an analyzer's hands: passes of its own, counted apart, and nothing left behind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from mi.domain.site import Site
from mi.engine.batches import evenly, joined, weights_of
from mi.engine.capture import Resident
from mi.engine.guard import as_bytes, checksum
from mi.engine.trial import TRIAL_ROWS, Trial
from mi.errors import PlanError

if TYPE_CHECKING:
    import torch

    Edit = Callable[[torch.Tensor, slice], torch.Tensor]


class Model:
    """The model that serves the one forward pass, holding one checkpoint's weights; ``data.model``.

    Use it while the analyzer runs: the next checkpoint's weights are swapped in afterwards.
    """

    def __init__(self, resident: Resident, weights: Mapping[str, torch.Tensor]) -> None:
        self._resident, self._weights = resident, weights
        self._before: tuple[dict[str, Any], dict[int, list[Any]], bool] | None = None
        self._row_bytes: dict[int, int] = {}
        self._called = False
        self._passes: int | None = 0

    @property
    def module(self) -> Any:
        """The model: weights under TransformerLens' names (``W_E``, ``W_Q``), ``ln_final``, ``unembed``.

        Only to be read: what is edited is put back, and the analyzer fails.

        Raises:
            PlanError: the analyzer is over.
        """
        self._check_open()
        if self._before is None:
            self._before = self._read()
        return self._resident.model

    @property
    def resident(self) -> Resident:
        """The resident model itself, for the engine's own passes."""
        self._check_open()
        return self._resident

    @property
    def used(self) -> bool:
        """Whether anything of it was read."""
        return self._called or self._before is not None

    def run(
        self,
        tokens: Any,
        *,
        sites: Iterable[Site | str] = (),
        edits: Mapping[str, Edit] | None = None,
    ) -> dict[str, torch.Tensor]:
        """One forward pass over rows of the analyzer's choice, with activations replaced on the way.

        Same as the one pass, but for the rows and the edits: in batches where memory asks for it, in
        inference mode. Counted as one pass whatever the number of rows.

        Args:
            tokens: (rows, n_ctx), an array or a tensor on any device.
            sites: what to keep: sites, their keys, or patterns of either.
            edits: hook -> ``f(activation, rows) -> activation``: the activation of the slice ``rows`` of the
                tokens' rows, rows first. The function returns a tensor of the same shape and edits nothing in
                place. What a model computes elsewhere and only shows at a hook cannot be edited there: in
                delegated attention ``hook_pattern`` is such a hook.

        Returns:
            Key of each site -> tensor, rows first; after the edits.

        Raises:
            PlanError: a hook that the model lacks or that does not fire; an edit that returns another shape,
                or that the model discards.
        """
        import torch

        resident = self._resident
        module = self.module
        edits = dict(edits or {})
        wanted = self._expand(sites)
        resident.missing([*wanted, *map(Site, edits)])
        rows = torch.as_tensor(tokens, device=resident.device)
        assert self._passes is not None
        self._passes += 1
        trial = Trial(self._weigh(rows), None)
        around = partial(_edited, module.hook_dict, edits)
        return joined(resident.steps(rows, wanted, trial, around), len(rows), resident.device)

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: Any) -> torch.Tensor:
        """One pass of the family's functional ``forward`` with weights of the analyzer's choice.

        For what can be said in weights it gives the same as :meth:`run`, often many times sooner. In batches
        where memory asks for it. Counted as one pass whatever the number of rows.

        Args:
            weights: name -> tensor, all that a checkpoint has, on ``device``.
            tokens: (rows, n_ctx), an array or a tensor on any device.

        Returns:
            Logits, (rows, n_ctx or 1, d_vocab_out).

        Raises:
            ParameterError: the family declares none.
            PlanError: the analyzer is over.
        """
        import torch

        resident = self.resident
        rows = torch.as_tensor(tokens, device=resident.device)
        assert self._passes is not None
        self._passes, self._called = self._passes + 1, True
        most = resident.rows_at_once(Trial(self._weigh(rows), None))
        parts = [resident.code.forward(weights, rows[some]) for some in evenly(len(rows), most)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def row_losses(
        self, weights: Mapping[str, torch.Tensor], tokens: Any, labels: torch.Tensor | None
    ) -> torch.Tensor:
        """The family's loss of each row, from one pass of :meth:`forward`, and with its errors.

        Under ``torch.enable_grad()`` it can be differentiated by those weights that ask for it.

        Args:
            weights: as of :meth:`forward`.
            tokens: int64, (rows, n_ctx), on ``device``.
            labels: int64, (rows,), on ``device``; None where the probe has none.

        Returns:
            (rows,)
        """
        return self.resident.code.row_losses(self.forward(weights, tokens), tokens, labels)

    def mend(self) -> list[str]:
        """What the analyzer left changed of the model, in words; it is put back."""
        if self._before is None:
            return []
        weights, hooks, mode = self._before
        model, found = self._resident.model, []
        for point in model.hook_dict.values():
            for handle in _handles(point):
                if not any(handle is kept for kept in hooks[id(point)]):
                    remove_hook(point, handle)
                    found = ["the model's hooks"]
        if model.training:
            model.eval()
            found.append("the model's evaluation mode")
        if _compatible(model) != mode:  # it changes more than weights: scores are masked in another way
            self._resident.rebuild()
            found.append("the model's compatibility mode")
        if found[-1:] == ["the model's compatibility mode"] or self._state() != weights:
            self._resident.load(self._weights)
            found.append("the model's weights")
            self._before = self._read()
        return found

    def close(self) -> int:
        """End the use of this checkpoint's weights; the number of passes that were made."""
        passes, self._passes = self._passes or 0, None
        return passes

    def _check_open(self) -> None:
        if self._passes is None:
            raise PlanError("data.model is used after its checkpoint; use it while the analyzer runs")

    def _expand(self, sites: Iterable[Site | str]) -> list[Site]:
        found: list[Site] = []
        for site in sites:
            one = Site.parse(site) if isinstance(site, str) else site
            several = one.expand(self._resident.model.hook_dict) if one.glob else (one,)
            if not several:
                raise PlanError(f"site {one.key}: no hook of the model matches {one.hook!r}")
            found += several
        return list(dict.fromkeys(found))

    def _weigh(self, rows: torch.Tensor) -> int:
        """Bytes of one row's activations, all hooks together; a look at a few rows, once for each length."""
        length = int(rows.shape[-1])
        if length not in self._row_bytes:
            few = rows[:TRIAL_ROWS].clone()  # a hook may show them: weighed alone
            total = sum(weights_of(self._resident.run(few, None)).values())
            self._row_bytes[length] = max(total // max(len(few), 1), 1)
        return self._row_bytes[length]

    def _read(self) -> tuple[dict[str, Any], dict[int, list[Any]], bool]:
        return self._state(), self._hooks(), _compatible(self._resident.model)

    def _state(self) -> dict[str, Any]:
        """Version counter and, on the CPU, checksum of every parameter and buffer."""
        model = self._resident.model
        state = {}
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            memory = as_bytes(tensor.detach())
            version = None if tensor.is_inference() else tensor._version
            state[name] = version, None if memory is None else checksum(memory)
        return state

    def _hooks(self) -> dict[int, list[Any]]:
        return {id(point): _handles(point) for point in self._resident.model.hook_dict.values()}


@contextmanager
def _edited(points: Mapping[str, Any], edits: Mapping[str, Edit], rows: slice) -> Iterator[None]:
    """Edits hooked in, and out again whatever happens.

    Raises:
        PlanError: one of them was never called, or is discarded by the model.
    """
    called: set[str] = set()

    def hooked(name: str, edit: Edit) -> Callable[..., Any]:
        def function(tensor: torch.Tensor, *, hook: Any) -> torch.Tensor:
            called.add(name)
            edited = edit(tensor, rows)
            shape = getattr(edited, "shape", type(edited).__name__)
            if shape != tensor.shape:
                raise PlanError(f"the edit of {name} returned {_said(shape)}, expected {_said(tensor.shape)}")
            return edited

        return function

    added: list[tuple[Any, Any]] = []
    try:
        for name, edit in edits.items():
            added.append((points[name], points[name].add_hook(hooked(name, edit))))
        with warnings.catch_warnings():
            # All that TransformerLens does about an edit that comes too late is to warn.
            warnings.filterwarnings("error", message=r".*\bedit is discarded\b", category=UserWarning)
            yield
    except UserWarning as warning:
        if "edit is discarded" not in str(warning):
            raise
        raise PlanError(
            f"an edit of {', '.join(edits)} cannot be made: the model has used the values before that hook"
        ) from None
    finally:
        for point, handle in added:
            remove_hook(point, handle)
    if silent := sorted(edits.keys() - called):
        raise PlanError(f"hook {silent[0]} exists but never fires in this model, so it cannot be edited")


def _compatible(model: Any) -> bool:
    return bool(getattr(model, "compatibility_mode", False))


def _handles(point: Any) -> list[Any]:
    return [*point.fwd_hooks, *point.bwd_hooks]


def remove_hook(point: Any, handle: Any) -> None:
    """Take one hook out of a TransformerLens hook point."""
    handle.hook.remove()
    point.fwd_hooks = [h for h in point.fwd_hooks if h is not handle]
    point.bwd_hooks = [h for h in point.bwd_hooks if h is not handle]


def _said(shape: Any) -> str:
    return shape if isinstance(shape, str) else f"shape {tuple(shape)}"
