"""Kept activations against what would be kept now: fresh, stale or nobody's. Without model, plan or torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve

from mi.domain.keep import PREFIX
from mi.domain.workspace import Variant
from mi.engine.epochs import hash_checkpoints
from mi.engine.judgement import JUDGED, ORPHAN, UNJUDGED, Judgement, KeptGroup
from mi.engine.keep import OUTPUT, content_of, identity
from mi.engine.kept import keep_of
from mi.errors import MiError, StoreError
from mi.store.checkpoints import list_checkpoints
from mi.store.commits import Commits
from mi.store.groupcheck import groups_of
from mi.store.groups import open_group
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths


def judge_kept(
    variant: Variant, *, device: str = "cpu", but: Collection[tuple[str, str]] = ()
) -> list[Judgement]:
    """Every kept site of a variant, over every probe, sorted by place.

    An epoch is fresh when the checkpoint has the bytes that the activations were made of, or is gone, and the
    probe, the family's code and the variant's parameters are the same.

    Args:
        variant: an existing variant.
        device: where they would be captured again.
        but: groups to leave out, since they are damaged.
    """
    paths = VariantPaths(variant.folder)
    groups = [group for group in groups_of(paths.kept) if group not in but]
    if not groups:
        return []
    digests, damaged = hash_checkpoints(list_checkpoints(paths))
    probes: dict[str, str | Judgement] = {}
    found = []
    for probe, group in groups:
        if probe not in probes:
            probes[probe] = _digest(variant, probe)
        digest, told = probes[probe], _told(paths.kept, probe, group, device)
        if isinstance(digest, str):
            found.append(_judged(variant, probe, told, digest, digests, damaged))
        else:
            found.append(Judgement(probe, PREFIX + group, digest.state, digest.why, kept=told))
    return found


def _digest(variant: Variant, probe: str) -> str | Judgement:
    """The probe's digest; or why there is none."""
    if probe not in variant.workspace.probe_names(variant.family):
        return Judgement(probe, "", ORPHAN, f"family {variant.family.name} has no probe {probe!r}")
    try:
        return variant.probe(probe)[1].digest
    except (
        Exception
    ) as error:  # a probe's or a family's code may raise anything; here it only means "unknown"
        said = str(error) if isinstance(error, MiError) else f"{type(error).__name__}: {error}"
        return Judgement(probe, "", UNJUDGED, " ".join(said.split()))


def _told(paths: VariantPaths, probe: str, group: str, device: str) -> KeptGroup:
    try:
        attrs: Mapping[str, Any] = open_group(keys_of(paths, probe, group)).attrs
        dtype = str(attrs["arrays"][OUTPUT]["dtype"])
        return KeptGroup(paths, group, keep_of(attrs), dtype, str(attrs["dtype"]), device)
    except (MiError, KeyError, TypeError):
        return KeptGroup(paths, group, None, "")


def _judged(
    variant: Variant,
    probe: str,
    told: KeptGroup,
    digest: str,
    digests: Mapping[int, str],
    damaged: Mapping[int, str],
) -> Judgement:
    if told.keep is None:
        return Judgement(probe, PREFIX + told.group, ORPHAN, "it does not say what was kept", kept=told)
    attrs = open_group(keys_of(told.paths, probe, told.group)).attrs
    try:
        held = Commits.of(told.paths, probe, told.group).read()
    except StoreError:
        held = {}
    same = attrs.get("declared") == identity(variant, told.keep, digest, told.pass_dtype)
    fresh, unread = set(), set()
    for epoch, said in held.items():
        content = content_of(said, str(attrs.get("identity")))
        if same and epoch in damaged:
            unread.add(epoch)
        elif same and content and digests.get(epoch, content) == content:
            fresh.add(epoch)
    return Judgement(
        probe,
        PREFIX + told.keep.site.key,
        JUDGED,
        fresh=frozenset(fresh),
        stale=frozenset(held.keys() - fresh - unread),
        damaged=frozenset(unread),
        kept=evolve(told, absent=frozenset(held.keys() - digests.keys() - damaged.keys())),
    )
