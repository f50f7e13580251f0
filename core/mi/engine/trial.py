"""A look at a few rows: what a pass over all of them will hold and weigh, and where it can stop."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from mi.domain.site import Site
from mi.engine.batches import keep, outside, weights_of
from mi.errors import PlanError, nearest

if TYPE_CHECKING:
    import torch

    from mi.engine.capture import Resident

TRIAL_ROWS = 2
_SCORES = "hook_attn_scores"
_BLOCK = re.compile(r"blocks\.(\d+)\.")
_BEFORE_BLOCKS = re.compile(r"(embed|pos_embed|hook_embed|hook_pos_embed|hook_tokens)\b")


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


def refuse_missing(sites: Iterable[Site], hooks: Collection[str]) -> None:
    """Refuse hooks that the model does not have.

    Raises:
        PlanError: names the site and the nearest ones.
    """
    for site in sites:
        if site.hook not in hooks:
            near = nearest(site.hook, hooks)
            tail = f"; did you mean {' or '.join(near)}?" if near else ""
            raise PlanError(f"site {site.key}: the model has no hook {site.hook!r}{tail}")


def weight_of(site: Site, held: tuple[str, tuple[int, ...]] | None) -> int:
    """Bytes of one row at a site, from what its hook is known to hold.

    Args:
        site: no pattern.
        held: data type, as torch names it, and shape of one row; None where the hook never fires.

    Raises:
        PlanError: it never fires, or the position is outside the sequence.
    """
    if held is None:
        raise _silent(site)
    dtype, shape = held
    rest = list(shape)
    if site.position is not None:
        axis = site.position_axis - 1  # the axis of rows is not among these
        length = rest.pop(axis) if axis < len(rest) else 0
        if not -length <= site.position < length:
            raise outside(site, length)
    return math.prod(rest) * itemsize(dtype)


def itemsize(dtype: str) -> int:
    """Bytes of a number of a data type, as torch names it."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize  # which numpy does not have


def _silent(site: Site) -> PlanError:
    return PlanError(
        f"site {site.key}: the hook exists but never fires in this model; "
        "it cannot be captured (results of heads follow from hook_z and W_O)"
    )


Shown = Callable[[Mapping[str, "torch.Tensor"], int], None]


def try_out(resident: Resident, tokens: Any, sites: Sequence[Site], shown: Shown | None = None) -> Trial:
    """Run a few rows, with every hook on: what fires, what it holds, what it weighs.

    Args:
        resident: the model.
        tokens: the probe's.
        sites: to be captured.
        shown: told what every hook showed, and what a row of all of them weighs.

    Raises:
        PlanError: a hook that never fires, a position outside the sequence, or scores that are none.
    """
    resident.missing(sites)
    rows = resident.fed(tokens)[slice(TRIAL_ROWS)].clone()  # a hook may show them: weighed alone
    everything = resident.run(rows, None)
    row_bytes = max(sum(weights_of(everything).values()) // len(rows), 1)
    if shown is not None:
        shown(everything, row_bytes)
    site_bytes: dict[str, int] = {}
    for site in sites:
        if site.hook not in everything:
            raise _silent(site)
        kept = keep(site, everything[site.hook])
        site_bytes[site.key] = kept.numel() * kept.element_size() // len(rows)
        if site.hook.endswith(_SCORES) and _sums_to_one(everything[site.hook]):
            raise PlanError(
                f"site {site.key}: this model's hook holds the attention pattern, after the softmax, "
                "not the scores; compute scores from hook_q and hook_k"
            )
    stop = _early_stop(resident, rows, sites, everything)
    return Trial(row_bytes=row_bytes, stop=stop, site_bytes=site_bytes)


def _early_stop(
    resident: Resident, rows: Any, sites: Sequence[Site], everything: Mapping[str, torch.Tensor]
) -> int | None:
    """The first layer that no site needs, where the model can stop there and the sites stay the same."""
    import torch

    if "stop_at_layer" not in inspect.signature(resident.model.run_with_cache).parameters:
        return None
    layers = [_BLOCK.match(site.hook) for site in sites if not _BEFORE_BLOCKS.match(site.hook)]
    if not all(layers):
        return None
    stop = max((int(m.group(1)) + 1 for m in layers if m), default=0)
    if f"blocks.{stop}.hook_resid_pre" not in resident.model.hook_dict:  # the last layer: nothing to save
        return None
    hooks = {site.hook for site in sites}
    try:
        part = resident.run(rows, hooks, stop)
    except Exception:  # whatever a model that cannot stop raises, it can run to its end
        return None
    same = all(h in part and torch.equal(part[h], everything[h]) for h in hooks)
    return stop if same else None


def _sums_to_one(scores: torch.Tensor) -> bool:
    import torch

    total = scores.sum(-1)
    return bool((scores >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-3)
