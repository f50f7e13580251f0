"""One resident model, weights swapped in, one forward pass that keeps the needed sites and positions."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from mi.domain.code import VariantCode
from mi.domain.site import Site
from mi.domain.workspace import Variant
from mi.engine.guard import unrecorded
from mi.engine.tokenrows import TokenRows
from mi.errors import CheckpointError, MiError, PlanError, nearest

if TYPE_CHECKING:
    import torch

    Batch = tuple[slice, dict[str, torch.Tensor]]  # rows, and site key -> tensor of these rows

TRIAL_ROWS = 2
# Bytes of one batch's activations: on the CPU what stays near the processor (2,048 rows of 30 kB; 12,769 rows
# at once take twice as long), on an accelerator a quarter of its memory, or half of what is free.
CPU_BUDGET = 64 * 2**20
_SCORES, _PATTERNS = "hook_attn_scores", ("hook_attn_scores", "hook_pattern")
_BLOCK = re.compile(r"blocks\.(\d+)\.")
_BEFORE_BLOCKS = re.compile(r"(embed|pos_embed|hook_embed|hook_pos_embed|hook_tokens)\b")


class UnbuiltError(PlanError):
    """A family's model that cannot be built: no analyzer's fault."""


@frozen
class Trial:
    """What a pass over a few rows tells of the passes to come.

    Attributes:
        row_bytes: activations of one row, all hooks together.
        stop: the layer to stop before; None to run to the end.
        site_bytes: key of each site -> bytes of one row there, at the site's position.
        budget: bytes that one batch's activations may take at most, where memory is short.
    """

    row_bytes: int
    stop: int | None
    site_bytes: Mapping[str, int] = field(factory=dict)
    budget: int | None = None


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

    def load(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap a checkpoint's weights in.

        Raises:
            CheckpointError: they do not fit.
        """
        import torch

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
        known = list(self.model.hook_dict)
        for site in sites:
            if site.hook not in self.model.hook_dict:
                near = nearest(site.hook, known)
                tail = f"; did you mean {' or '.join(near)}?" if near else ""
                raise PlanError(f"site {site.key}: the model has no hook {site.hook!r}{tail}")

    def try_out(self, tokens: Any, sites: Sequence[Site]) -> Trial:
        """Run a few rows, with every hook on: what fires, what it holds, what it weighs.

        Raises:
            PlanError: a hook that never fires, a position outside the sequence, or scores that are none.
        """
        self.missing(sites)
        rows = self._tokens(tokens)[slice(TRIAL_ROWS)].clone()  # a hook may show them: weighed alone
        everything = self.run(rows, None)
        site_bytes: dict[str, int] = {}
        for site in sites:
            if site.hook not in everything:
                raise PlanError(
                    f"site {site.key}: the hook exists but never fires in this model; "
                    "it cannot be captured (results of heads follow from hook_z and W_O)"
                )
            kept = keep(site, everything[site.hook])
            site_bytes[site.key] = kept.numel() * kept.element_size() // len(rows)
            if site.hook.endswith(_SCORES) and _sums_to_one(everything[site.hook]):
                raise PlanError(
                    f"site {site.key}: this model's hook holds the attention pattern, after the softmax, "
                    "not the scores; compute scores from hook_q and hook_k"
                )
        stop = self._early_stop(rows, sites, everything)
        row_bytes = max(sum(weights_of(everything).values()) // len(rows), 1)
        return Trial(row_bytes=row_bytes, stop=stop, site_bytes=site_bytes)

    def capture(self, tokens: Any, sites: Sequence[Site], trial: Trial) -> dict[str, torch.Tensor]:
        """One forward pass over the whole probe: site key -> tensor, rows first, not to be edited.

        Raises:
            PlanError: a site is missing after the pass.
        """
        self.passes += 1
        every = self._tokens(tokens)
        return joined(self.steps(every, sites, trial), len(every), self.device)

    def batches(self, tokens: Any, sites: Sequence[Site], trial: Trial) -> Iterator[Batch]:
        """One forward pass over the whole probe, a batch of rows at a time.

        Batches are as even as can be: kernels for one or two rows round differently, so a short last batch
        would have bits of its own. Where they are cut depends on the model, the probe's length and the device
        (where memory is short, on that too), never on the sites.

        Args:
            tokens: the probe's, (rows, n_ctx), or :class:`mi.engine.tokenrows.TokenRows`.
            sites: what to keep.
            trial: from :meth:`try_out`.

        Yields:
            The slice of rows, and site key -> tensor of these rows, not to be edited. The next batch's
            tensors replace them: keep no more than one batch needs.

        Raises:
            PlanError: a site is missing after the pass.
        """
        self.passes += 1
        for rows, found in self.steps(self._tokens(tokens), sites, trial):
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
        return 1 << (max(budget // trial.row_bytes, 1).bit_length() - 1)

    def run(self, rows: Any, hooks: set[str] | None, stop: int | None = None) -> dict[str, torch.Tensor]:
        """``run_with_cache`` of all hooks (None) or some, never trusting its return value."""
        import torch

        extra: dict[str, Any] = {} if stop is None else {"stop_at_layer": stop}
        chosen = None if hooks is None else hooks.__contains__
        with unrecorded(self.device):
            _, cache = self.model.run_with_cache(rows, names_filter=chosen, **extra)
        found = getattr(cache, "cache_dict", cache)
        return {name: t for name, t in found.items() if isinstance(t, torch.Tensor)}

    def _early_stop(
        self, rows: Any, sites: Sequence[Site], everything: Mapping[str, torch.Tensor]
    ) -> int | None:
        """The first layer that no site needs, where the model can stop there and the sites stay the same."""
        import torch

        if "stop_at_layer" not in inspect.signature(self.model.run_with_cache).parameters:
            return None
        layers = [_BLOCK.match(site.hook) for site in sites if not _BEFORE_BLOCKS.match(site.hook)]
        if not all(layers):
            return None
        stop = max((int(m.group(1)) + 1 for m in layers if m), default=0)
        if f"blocks.{stop}.hook_resid_pre" not in self.model.hook_dict:  # the last layer: nothing to save
            return None
        hooks = {site.hook for site in sites}
        try:
            part = self.run(rows, hooks, stop)
        except Exception:  # whatever a model that cannot stop raises, it can run to its end
            return None
        same = all(h in part and torch.equal(part[h], everything[h]) for h in hooks)
        return stop if same else None

    def _tokens(self, tokens: Any) -> Any:
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


def keep(site: Site, tensor: torch.Tensor) -> torch.Tensor:
    """The needed position of a hook's tensor, rows first; a view.

    Positions are the second axis; patterns and scores are (rows, head, query, key), where the position is the
    query's.

    Raises:
        PlanError: the position is outside the sequence.
    """
    if site.position is None:
        return tensor
    axis = 2 if site.hook.endswith(_PATTERNS) else 1
    length = tensor.shape[axis] if tensor.ndim > axis else 0
    if not -length <= site.position < length:
        raise PlanError(f"site {site.key}: the position is outside 0..{length - 1} of its {length} positions")
    return tensor.select(axis, site.position)


def evenly(length: int, most: int) -> Iterator[slice]:
    """``range(length)`` in as few slices of at most ``most`` as can be; their lengths differ by at most 1."""
    count = -(-length // most)
    for i in range(count):
        yield slice(length * i // count, length * (i + 1) // count)


def joined(batches: Iterable[Batch], length: int, device: str) -> dict[str, torch.Tensor]:
    """Batches of views as whole tensors of ``length`` rows, each contiguous."""
    whole: dict[str, torch.Tensor] = {}
    with unrecorded(device):
        for rows, found in batches:
            for key, part in found.items():
                if len(part) == length:
                    whole[key] = part.contiguous()
                else:
                    if key not in whole:
                        whole[key] = part.new_empty((length, *part.shape[1:]))
                    whole[key][rows] = part
                del part
            del found
    return whole


def weights_of(tensors: Mapping[str, torch.Tensor]) -> dict[int, int]:
    """Memory -> bytes, each memory once: many names share one."""
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors.values()}


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


def _sums_to_one(scores: torch.Tensor) -> bool:
    import torch

    total = scores.sum(-1)
    return bool((scores >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-3)
