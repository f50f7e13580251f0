"""One resident model, weights swapped in, one forward pass that keeps the needed sites and positions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from attrs import define, evolve

from mi.domain.code import VariantCode
from mi.domain.site import Site
from mi.domain.workspace import Variant
from mi.engine.batches import evenly, joined, keep, rows_within
from mi.engine.guard import unrecorded
from mi.engine.tokenrows import TokenRows
from mi.engine.trial import refuse_missing
from mi.errors import CheckpointError, MiError, PlanError

if TYPE_CHECKING:
    import torch

    from mi.engine.batches import Batch
    from mi.engine.trial import Trial

# Bytes of one batch's activations: on the CPU what stays near the processor (2,048 rows of 30 kB; 12,769 rows
# at once take twice as long), on an accelerator a quarter of its memory, or half of what is free.
CPU_BUDGET = 64 * 2**20


class UnbuiltError(PlanError):
    """A family's model that cannot be built: no analyzer's fault."""


@define(eq=False)
class Resident:
    """The model of one (family code, parameters, device, dtype).

    Attributes:
        model: it.
        passes: forward passes over the probe so far; one a checkpoint, in however many batches.
    """

    code: VariantCode
    model: Any
    device: str
    dtype: str
    passes: int = 0
    held: tuple[Any, Any] | None = None

    def load(self, weights: Mapping[str, torch.Tensor], code: VariantCode | None = None) -> None:
        """Swap a checkpoint's weights in.

        Args:
            weights: the checkpoint's.
            code: as it is at the checkpoint's epoch, from now on; None: as it was.

        Raises:
            CheckpointError: they do not fit.
        """
        import torch

        self.code = code or self.code
        try:
            with torch.no_grad():
                self.code.load_weights(self.model, weights)
        except MiError:
            raise
        except Exception as error:
            raise CheckpointError(f"weights do not fit the model ({type(error).__name__}: {error})") from None

    def rebuild(self) -> None:
        """Build the model anew, after somebody changed more of it than loading weights puts back."""
        self.model = _built(self.code, self.device, self.dtype)

    def missing(self, sites: Iterable[Site]) -> None:
        """Refuse hooks that the model does not have.

        Raises:
            PlanError: names the site and the nearest ones.
        """
        refuse_missing(sites, self.model.hook_dict)

    def capture(self, tokens: Any, sites: Sequence[Site], trial: Trial) -> dict[str, torch.Tensor]:
        """One forward pass over the whole probe: site key -> tensor, rows first, not to be edited.

        Raises:
            PlanError: a site is missing after the pass.
        """
        self.passes += 1
        every = self.fed(tokens)
        return joined(self.steps(every, sites, trial), len(every), self.device)

    def batches(self, tokens: Any, sites: Sequence[Site], trial: Trial) -> Iterator[Batch]:
        """One forward pass over the whole probe, a batch of rows at a time.

        Batches are as even as can be: kernels for one or two rows round differently, so a short last batch
        would have bits of its own. Where they are cut depends on the model, the probe's length and the device
        (where memory is short, on that too), never on the sites.

        Args:
            tokens: the probe's, (rows, n_ctx), or :class:`mi.engine.tokenrows.TokenRows`.
            sites: what to keep.
            trial: from :func:`mi.engine.trial.try_out`.

        Yields:
            The slice of rows, and site key -> tensor of these rows, not to be edited. The next batch's
            tensors replace them: keep no more than one batch needs.

        Raises:
            PlanError: a site is missing after the pass.
        """
        self.passes += 1
        for rows, found in self.steps(self.fed(tokens), sites, trial):
            with unrecorded(self.device):
                batch = [{key: tensor.contiguous() for key, tensor in found.items()}]
            del found  # what else the pass held is freed while the batch is worked on
            yield rows, batch.pop()  # and the batch, while the next is made

    def steps(
        self,
        every: torch.Tensor | TokenRows,
        sites: Sequence[Site],
        trial: Trial,
        around: Callable[[slice], AbstractContextManager[None]] = lambda rows: nullcontext(),
    ) -> Iterator[Batch]:
        """Same as :meth:`batches`, uncounted, of views; each batch runs inside ``around(rows)``."""
        hooks = {site.hook for site in sites}
        for rows in evenly(len(every), self.rows_at_once(trial)):
            with around(rows):
                cache = self.run(every[rows], hooks, trial.stop)
            found: list[dict[str, torch.Tensor]] = [{}]
            for site in sites:
                if site.hook not in cache:
                    raise PlanError(f"site {site.key}: the hook exists but never fires in this model")
                found[0][site.key] = keep(site, cache[site.hook])
            del cache  # before the next batch, or two caches exist at once
            yield rows, found.pop()  # this frame holds on to nothing of it

    def rows_at_once(self, trial: Trial) -> int:
        """Rows of a batch at most: a power of two, which what else uses a device's memory seldom changes."""
        budget = self.budget() if trial.budget is None else min(self.budget(), trial.budget)
        return rows_within(budget, trial.row_bytes)

    def run(self, rows: Any, hooks: set[str] | None, stop: int | None = None) -> dict[str, torch.Tensor]:
        """``run_with_cache`` of all hooks (None) or some, never trusting its return value."""
        import torch

        extra: dict[str, Any] = {} if stop is None else {"stop_at_layer": stop}
        chosen = None if hooks is None else hooks.__contains__
        with unrecorded(self.device):
            _, cache = self.model.run_with_cache(rows, names_filter=chosen, **extra)
        found = getattr(cache, "cache_dict", cache)
        return {name: t for name, t in found.items() if isinstance(t, torch.Tensor)}

    def fed(self, tokens: Any) -> Any:
        """The probe's tokens on the device: moved once, or read when they are fed."""
        import torch

        if isinstance(tokens, TokenRows):
            return evolve(tokens, device=self.device)
        if self.held is None or self.held[0] is not tokens:
            self.held = (tokens, torch.tensor(tokens, device=self.device))
        return self.held[1]

    def budget(self) -> int:
        """Bytes that one batch's activations may take."""
        import torch

        if self.device.startswith("cuda"):
            free, total = torch.cuda.mem_get_info(self.device)
            return int(min(total // 4, free // 2))  # the card's size unless others fill it: the same bits
        return CPU_BUDGET


def model_key(variant: Variant, device: str, dtype: str) -> str:
    """What two variants must share to be served by one resident model."""
    return json.dumps(
        [variant.family.code, dict(sorted(variant.parameters.items())), device, dtype], sort_keys=True
    )


def build(variant: Variant, device: str, dtype: str) -> Resident:
    """Build the model of a variant, in evaluation mode.

    Raises:
        UnbuiltError: the family's code fails, or its model has no hooks.
    """
    try:
        model = _built(variant.code, device, dtype)
    except MiError:
        raise
    except Exception as error:
        raise UnbuiltError(
            f"{variant.id}: the model cannot be built on {device} ({type(error).__name__}: {error})"
        ) from error
    for name in ("run_with_cache", "hook_dict"):
        if not hasattr(model, name):
            raise UnbuiltError(f"{variant.id}: {type(model).__name__} has no {name}, expected a hooked model")
    return Resident(variant.code, model, device, dtype)


def _built(code: VariantCode, device: str, dtype: str) -> Any:
    import torch

    model = code.build_model(device)
    return model if dtype == "float32" else model.to(getattr(torch, dtype))
