"""Keeping activations: a kept site is an analyzer whose one output is what the site held.

So it takes part in the same plan, the same pass, the same blocks and the same commit records as any analyzer,
and freshness, kill safety, `mi verify` and `mi clean` hold for it without a second mechanism. What differs is
said here: its dimensions come from the model, its group lies in ``activations.zarr``, and its fingerprint
carries the digest of the checkpoint, so that the epoch is known for what it was when the file is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.domain.analyzer import Analyzer
from mi.domain.keep import Keep
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.workspace import Variant
from mi.engine.data import CheckpointData, Subject
from mi.engine.item import Item
from mi.errors import PlanError, unknown
from mi.plural import counted
from mi.store.schema import digest_of

if TYPE_CHECKING:
    import torch

OUTPUT = "activation"
FORMAT = 1  # raised when the meaning of kept activations changes

# How TransformerLens lays its hooks out, after the axis of rows, by the end of their names.
_NAMES = {
    ("hook_pattern", "hook_attn_scores"): ("head", "query", "key"),
    ("hook_q", "hook_k", "hook_v", "hook_z"): ("position", "head", "d_head"),
    ("hook_result",): ("position", "head", "d_model"),
    ("mlp.hook_pre", "mlp.hook_post"): ("position", "neuron"),
    ("hook_resid_pre", "hook_resid_mid", "hook_resid_post"): ("position", "d_model"),
    ("hook_embed", "hook_pos_embed", "hook_attn_out", "hook_mlp_out"): ("position", "d_model"),
}


def expand(keep: Iterable[Keep], hooks: Mapping[str, Any]) -> tuple[Keep, ...]:
    """Requests with their patterns expanded, each site once; a pattern leaves out hooks that never fire.

    Raises:
        PlanError: a hook that the model does not have or that never fires, or a pattern that stands for none.
    """
    found: dict[str, Keep] = {}
    for one in keep:
        sites = one.site.expand(hooks)
        if not sites or any(site.hook not in hooks for site in sites):
            raise PlanError(f"--keep {one.site.key}: {unknown('hook of the model', one.site.hook, hooks)}")
        firing = [site for site in sites if _fires(hooks, site.hook)]
        if not firing:
            raise PlanError(f"--keep {one.site.key}: the hook exists but never fires in this model")
        for site in firing:
            found.setdefault(site.key, Keep(site, one.dtype))
    return tuple(found.values())


def _fires(hooks: Mapping[str, Any], hook: str) -> bool:
    try:
        return hooks[hook] is not None
    except PlanError:
        return False


def code_identity(variant: Variant, dtype: str) -> list[Any]:
    """What of a family's code a model is made of: its id, the variant's parameters and the precision."""
    return [variant.family.code, dict(variant.parameters), dtype]


def identity(variant: Variant, keep: Keep, probe_digest: str, dtype: str) -> str:
    """Digest of everything but the checkpoint that kept activations follow from."""
    said = [code_identity(variant, dtype), probe_digest, keep.site.key, keep.dtype]
    return digest_of(["keep", FORMAT, *said])


def fingerprint(group_identity: str, content: str) -> str:
    """What a commit record says of one epoch: a hash, and the digest of the checkpoint's bytes."""
    return f"{digest_of([FORMAT, group_identity, content])}-{content}"


def content_of(said: str, group_identity: str) -> str:
    """The digest of the checkpoint that a fingerprint carries; empty where it is of another group."""
    content = said.partition("-")[2]
    return content if content and fingerprint(group_identity, content) == said else ""


def make_keep(variant: Variant, keep: Keep, subject: Subject, dtype: str) -> Item:
    """The item that keeps one site.

    Args:
        variant: whose.
        keep: the site, no pattern.
        subject: with the model's hooks.
        dtype: of the passes.

    Raises:
        PlanError: the model has no such hook, or the site's position is outside the sequence.
    """
    hooks: Any = subject.hooks
    given = hooks.dtype(keep.site.hook)
    captured = "float32" if given == "bfloat16" else given  # which zarr does not have, and float32 holds
    dims = _dims(keep.site, subject.hooks[keep.site.hook], subject)
    floating = np.dtype(captured).kind == "f"
    keep = Keep(keep.site, keep.dtype if floating and keep.dtype != captured else "")
    stored = keep.dtype or captured
    declared = identity(variant, keep, subject.probe.digest, dtype)
    analyzer = Analyzer(
        id=keep.id,
        version=FORMAT,
        title=f"Activations at {keep.site.key}",
        function=partial(_keep, site=keep.site),
        outputs={
            OUTPUT: Output(
                (*subject.probe.row_dims, *dims),
                stored,
                description=f"what {keep.site.key} held",
                fill=None if floating else _sentinel(stored),
            )
        },
        sites=(keep.site,),
        coordinates=lambda subject: {n: _coordinates(subject, n, length) for n, length in dims.items()},
    )
    return Item(
        analyzer=analyzer,
        options={},
        sites=(keep.site,),
        plugin="mi",
        identity=declared,
        keep=keep,
        attributes={
            "site": keep.site.key,
            "hook": keep.site.hook,
            "position": keep.site.position,
            "keep_dtype": keep.dtype,
            "captured": captured,
            "pass_dtype": given,
            "row_dims": list(subject.probe.row_dims),
            "declared": declared,
            "family_code": variant.family.code,
        },
    )


def _keep(data: CheckpointData, site: Site) -> dict[str, torch.Tensor]:
    tensor = data.site(site.hook, site.position)
    if tensor.shape[0] != len(data.probe):
        raise PlanError(f"it holds {counted(tensor.shape[0], 'row')}, expected the probe's {len(data.probe)}")
    return {OUTPUT: data.probe.fold(tensor)}


def _dims(site: Site, shape: Sequence[int], subject: Subject) -> dict[str, int]:
    """Name -> length of a site's own dimensions, in order."""
    known = next((n for ends, n in _NAMES.items() if site.hook.endswith(ends)), ())
    names = known if len(known) == len(shape) else [*("position",)[: len(shape)], *_numbered(len(shape))]
    taken = {*subject.probe.row_dims, "epoch", "committed", "row", OUTPUT}
    pairs = [(f"site_{n}" if n in taken else n, length) for n, length in zip(names, shape, strict=True)]
    if site.position is not None:
        axis = site.position_axis - 1  # the axis of rows is not among these
        length = shape[axis] if axis < len(shape) else 0
        if not -length <= site.position < length:
            raise PlanError(
                f"--keep {site.key}: the position is outside 0..{length - 1} of its {length} positions"
            )
        del pairs[axis]
    return dict(pairs)


def _numbered(rank: int) -> list[str]:
    return [f"dim_{i}" for i in range(1, rank)]


def _coordinates(subject: Subject, name: str, length: int) -> Sequence[Any]:
    """The family's own coordinates of a dimension where it has one of this length, else whole numbers."""
    own = subject.dimensions.get(name)
    return own if own is not None and len(own) == length else range(length)


def _sentinel(dtype: str) -> int:
    kind = np.dtype(dtype).kind
    return 0 if kind == "b" else int(np.iinfo(dtype).min if kind == "i" else np.iinfo(dtype).max)
