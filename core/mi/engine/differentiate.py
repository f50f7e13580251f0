"""Passes with a graph: gradients of the family's loss with respect to weights, or to activations.

They run outside inference mode, on the family's functional ``forward`` (weights) or on the resident model
(sites), and leave nothing behind: gradients are returned, never accumulated in the model's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.code import VariantCode
from mi.domain.probe import Probe
from mi.domain.site import Site
from mi.engine.batches import evenly, keep
from mi.engine.capture import Resident
from mi.engine.counting import counting_rows
from mi.engine.guard import unrecorded
from mi.engine.model import remove_hook
from mi.engine.trial import TRIAL_ROWS
from mi.errors import MiError, PlanError

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]
    Fed = tuple[torch.Tensor, torch.Tensor | None]  # tokens and labels
    Loss = Callable[[slice], torch.Tensor]

# What one batch may keep for its backward pass, and as much again for the gradients on the way: about what
# stays near a processor. The same on every machine and device, whatever memory is given: sums over batches
# round differently when their borders move, so these follow from shapes alone.
BATCH_BYTES = 2**26


class Differentiator:
    """Gradients of one variant's loss over one probe, a checkpoint at a time.

    The loss is the mean of ``VariantCode.row_losses`` over the rows that count. It is summed batch by batch
    and divided once, so the size of a batch changes the last bits alone. Batches are as even as can be; of a
    probe that is not in memory, only a batch's rows are read at a time.

    Args:
        code: the family's.
        probe: what it is fed.
        device, dtype: of the passes.
        limit: take at most so many of the rows that count: to see whether there is a gradient at all.

    Attributes:
        passes: how many were made, each over all the rows that count, in however many batches.
    """

    def __init__(
        self, code: VariantCode, probe: Probe, device: str, dtype: str, limit: int | None = None
    ) -> None:
        self.code, self.probe, self.device, self.dtype = code, probe, device, dtype
        self.limit = limit
        self.passes = 0
        self._rows: dict[str, np.ndarray] = {}
        self._held: dict[str, Fed] = {}
        self._row_bytes: dict[Any, int] = {}

    def by_weights(self, weights: Mapping[str, torch.Tensor], rows: str) -> tuple[torch.Tensor, Tensors]:
        """The loss, and its gradient with respect to each of the checkpoint's tensors, of the tensor's shape.

        A tensor that the loss does not depend on has a gradient of zero; one of whole numbers has none.

        Args:
            weights: the checkpoint's.
            rows: name of a mask over rows; all when empty.

        Raises:
            PlanError: the family's ``forward`` or ``row_losses`` fails or returns something else.
        """
        import torch

        every = self._counting(rows)
        with torch.inference_mode(False), torch.enable_grad():
            given = {n: self._leaf(t) for n, t in weights.items()}
            leaves = {n: t for n, t in given.items() if t.requires_grad}

            def loss(some: slice) -> torch.Tensor:
                tokens, labels = self._fed(rows, some)
                logits = self._called("forward", self.code.forward, given, tokens)
                if not getattr(logits, "requires_grad", False):
                    who = f"{type(self.code).__name__}.forward"
                    raise PlanError(f"{who} returned logits without a graph, so they have no gradient")
                return self._losses(logits, tokens, labels)

            total, value = {name: torch.zeros_like(t) for name, t in leaves.items()}, None
            size = self._size(("weights", rows), loss, leaves.values())
            for some in evenly(len(every), size):
                part = loss(some).sum()
                found = torch.autograd.grad(part, list(leaves.values()), allow_unused=True)
                for name, gradient in zip(leaves, found, strict=True):
                    if gradient is not None:
                        total[name] += gradient
                value = part.detach() if value is None else value + part.detach()
        self.passes += 1
        return _means(value, total, len(every))

    def by_sites(
        self, resident: Resident, sites: Sequence[Site], rows: str
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss, and its gradient with respect to the activation at each site, by the site's key.

        Args:
            resident: the model with the checkpoint's weights.
            sites: no patterns.
            rows: name of a mask over rows; all when empty. At the others the gradient is zero.

        Returns:
            The loss; key -> (rows, …) of all the probe's rows, without the position's axis where the site
            names one.

        Raises:
            PlanError: a hook that never fires, or that shows what the loss does not depend on.
        """
        import torch

        every = self._counting(rows)
        parts: dict[str, list[torch.Tensor]] = {site.key: [] for site in sites}
        value = None
        shown: dict[str, torch.Tensor] = {}
        hooks = list(dict.fromkeys(site.hook for site in sites))

        def loss(some: slice) -> torch.Tensor:
            shown.clear()
            tokens, labels = self._fed(rows, some)
            with _showing(resident.model, sites, shown):
                logits = resident.model(tokens)
            for hook in hooks:
                if hook not in shown:
                    raise PlanError(f"site {hook}: the hook exists but never fires in this model")
            if not logits.requires_grad:
                raise _apart(hooks[0])
            return self._losses(logits, tokens, labels)

        with torch.inference_mode(False), torch.enable_grad(), _frozen(resident.model) as own:
            size = self._size(("sites", rows, *sorted(parts)), loss, own)
            for some in evenly(len(every), size):
                part = loss(some).sum()
                found = torch.autograd.grad(part, [shown[h] for h in hooks], allow_unused=True)
                by_hook = dict(zip(hooks, found, strict=True))
                for site in sites:
                    if by_hook[site.hook] is None:
                        raise _apart(site.hook)
                    parts[site.key].append(keep(site, by_hook[site.hook]))
                value = part.detach() if value is None else value + part.detach()
        shown.clear()
        self.passes += 1
        whole = {key: torch.cat(p) if len(p) > 1 else p[0] for key, p in parts.items()}
        mean, gradients = _means(value, whole, len(every))
        if len(every) < len(self.probe):
            with unrecorded(self.device):
                gradients = {k: self._spread(g, every) for k, g in gradients.items()}
        return mean, gradients

    def _spread(self, gradient: torch.Tensor, every: np.ndarray) -> torch.Tensor:
        """Gradients of the rows that count, among zeros for the others."""
        import torch

        whole = gradient.new_zeros((len(self.probe), *gradient.shape[1:]))
        whole[torch.as_tensor(every, device=gradient.device)] = gradient
        return whole

    def _counting(self, rows: str) -> np.ndarray:
        """Places of the rows that count."""
        if rows not in self._rows:
            self._rows[rows] = counting_rows(self.probe, rows, self.limit)
        return self._rows[rows]

    def _fed(self, rows: str, some: slice) -> Fed:
        """Tokens and labels of some of the rows that count; of a probe in memory they are moved once."""
        every = self._counting(rows)
        if not self.probe.held:
            places = every[some]
            low = int(places[0])
            return self._moved(self.probe.part(slice(low, int(places[-1]) + 1)), places - low)
        if rows not in self._held:
            self._held[rows] = self._moved(self.probe, every)
        tokens, labels = self._held[rows]
        return tokens[some], None if labels is None else labels[some]

    def _moved(self, probe: Probe, places: np.ndarray) -> Fed:
        import torch

        with torch.inference_mode(False):
            tokens = torch.tensor(probe.tokens[places], device=self.device)
            labels = None if probe.labels is None else np.asarray(probe.labels)[places]
            return tokens, None if labels is None else torch.tensor(labels, device=self.device)

    def _leaf(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy that a graph can begin with; checkpoints' tensors are made in inference mode."""
        import torch

        if not tensor.is_floating_point():
            return tensor.clone()
        return tensor.clone().to(getattr(torch, self.dtype)).requires_grad_()

    def _losses(self, logits: Any, tokens: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """The rows' losses, checked.

        Raises:
            PlanError: they are none.
        """
        import torch

        losses = self._called("row_losses", self.code.row_losses, logits, tokens, labels)
        who = f"{type(self.code).__name__}.row_losses"
        if not isinstance(losses, torch.Tensor) or losses.shape != (len(tokens),):
            shape = getattr(losses, "shape", type(losses).__name__)
            said = shape if isinstance(shape, str) else f"shape {tuple(shape)}"
            raise PlanError(f"{who} returned {said}, expected shape ({len(tokens)},): one loss a row")
        if logits.requires_grad and not losses.requires_grad:
            raise PlanError(f"{who} returned losses without a graph, so they have no gradient")
        return losses

    def _called(self, name: str, function: Callable[..., Any], *given: Any) -> Any:
        try:
            return function(*given)
        except MiError:
            raise
        except Exception as error:  # the family's fault, said as such
            who = f"{type(self.code).__name__}.{name}"
            raise PlanError(f"{who} raised {type(error).__name__}: {error}") from error

    def _size(self, key: Any, loss: Loss, own: Any) -> int:
        """Rows a batch, from what a few rows keep for their backward pass beside the weights."""
        import torch

        if key not in self._row_bytes:
            known = {t.untyped_storage().data_ptr() for t in own}
            kept: dict[int, int] = {}

            def pack(tensor: torch.Tensor) -> torch.Tensor:
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in known:
                    kept[storage.data_ptr()] = storage.nbytes()
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                few = loss(slice(0, TRIAL_ROWS))
            self._row_bytes[key] = max(sum(kept.values()) // max(len(few), 1), 1)
        return max(BATCH_BYTES // self._row_bytes[key], 1)


def _apart(hook: str) -> PlanError:
    return PlanError(
        f"site {hook}: the loss does not depend on what this hook shows; the model computes it elsewhere, or "
        "uses it nowhere"
    )


@contextmanager
def _frozen(model: Any) -> Iterator[list[torch.Tensor]]:
    """The model's parameters and buffers; no graph is kept for them meanwhile."""
    parameters = list(model.parameters())
    before = [p.requires_grad for p in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield [*parameters, *model.buffers()]
    finally:
        for parameter, needed in zip(parameters, before, strict=True):
            parameter.requires_grad_(needed)


@contextmanager
def _showing(model: Any, sites: Sequence[Site], shown: dict[str, torch.Tensor]) -> Iterator[None]:
    """What the hooks of these sites show, as tensors of the graph; hooks are out again whatever happens."""
    points, added = model.hook_dict, []

    def hooked(name: str) -> Callable[..., Any]:
        def function(tensor: torch.Tensor, *, hook: Any) -> torch.Tensor:
            if not tensor.is_floating_point():
                raise PlanError(f"site {name}: holds whole numbers, which have no gradient")
            # The first site on the way begins the graph; what comes after it is part of it.
            shown[name] = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
            return shown[name]

        return function

    try:
        for name in dict.fromkeys(site.hook for site in sites):
            added.append((points[name], points[name].add_hook(hooked(name))))
        yield
    finally:
        for point, handle in added:
            remove_hook(point, handle)


def _means(
    value: torch.Tensor | None, total: Mapping[str, torch.Tensor], rows: int
) -> tuple[torch.Tensor, Tensors]:
    """Sums over rows as means, made so that an edit in place is found."""
    assert value is not None  # some row counts: checked when the analyzer was bound
    with unrecorded(str(value.device)):
        return value / rows, {name: tensor / rows for name, tensor in total.items()}
