"""What a model consists of, as its hooks tell, and how to say that an analysis does not fit it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mi.domain.site import Site
from mi.errors import MiError, NotApplicableError

if TYPE_CHECKING:
    from mi.engine.data import Subject

_LAYER = re.compile(r"\.(\d+)\.")


def refuse(why: str) -> NotApplicableError:
    """The error to raise where an analysis does not fit: skipped, unless it was asked for by name."""
    return NotApplicableError(f"not applicable: {why}")


def layer_of(hook: str) -> int:
    """The layer that a hook belongs to: the first number in its name.

    Raises:
        NotApplicableError: there is none.
    """
    found = _LAYER.search(f".{hook}.")
    if found is None:
        raise refuse(f"{hook} names no layer, expected a hook such as blocks.0.attn.hook_pattern")
    return int(found[1])


def shapes(subject: Subject, pattern: str, ndim: int, what: str) -> dict[int, tuple[int, ...]]:
    """Layer -> shape of one row's activation at the hooks that a pattern stands for, in layer order.

    Args:
        subject: the model and probe.
        pattern: a hook or a pattern of hooks.
        ndim: axes that each must have.
        what: those axes in words.

    Raises:
        NotApplicableError: no such hook, two in one layer, or activations of another form.
    """
    hooks = [site.hook for site in Site(pattern).expand(subject.hooks)]
    if not hooks:
        raise refuse(f"the model has no hook {pattern}")
    found: dict[int, tuple[int, ...]] = {}
    for hook in hooks:
        layer, shape = layer_of(hook), subject.hooks[hook]
        if len(shape) != ndim:
            raise refuse(f"{hook} holds {shape} a row, expected {what}")
        if layer in found:
            raise refuse(f"{pattern} names two hooks of layer {layer}, expected one a layer")
        found[layer] = shape
    return found


def heads(subject: Subject, pattern: str, axis: int, ndim: int, what: str) -> dict[str, list[int]]:
    """Coordinates ``layer`` and ``head`` of the activations at a pattern, whose heads lie along ``axis``.

    Raises:
        NotApplicableError: as :func:`shapes`, or layers have different numbers of heads.
    """
    found = shapes(subject, pattern, ndim, what)
    counts = {shape[axis] for shape in found.values()}
    if len(counts) > 1:
        raise refuse(f"layers have different numbers of heads ({', '.join(map(str, sorted(counts)))})")
    return {"layer": list(found), "head": list(range(counts.pop()))}


def vocabulary(subject: Subject, names: Iterable[str]) -> int:
    """How many tokens a matrix (token, d_model), or (d_model, token), of the checkpoints speaks of.

    Args:
        subject: the model.
        names: what the matrix may be called.

    Returns:
        The number; 0 where that cannot be told: no tensor is called so, none of its axes is the residual
        stream's, no checkpoint can be read.
    """
    streams = [site.hook for site in Site("blocks.*.hook_resid_pre").expand(subject.hooks)]
    try:
        width = subject.hooks[streams[0]][-1] if streams else 0
        shapes_of = {name: subject.weights[name] for name in names if name in subject.weights}
    except MiError:
        return 0
    for shape in shapes_of.values():
        if len(shape) == 2 and width in shape:
            return shape[1] if shape[0] == width else shape[0]
    return 0


def head_name(layer: int, head: int) -> str:
    """``L1H0``."""
    return f"L{layer}H{head}"
