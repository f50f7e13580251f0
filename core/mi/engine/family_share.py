"""One analyzer over a family's variants against what is committed: who takes part, what is fresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.engine.bench import lay_out, own_coordinates, told_of, versions_of
from mi.engine.family_data import FamilySubject
from mi.engine.family_members import Member
from mi.engine.item import Item
from mi.engine.shares import FORMAT
from mi.errors import MiError, NotApplicableError
from mi.store.layout import VariantPaths
from mi.store.losses import read_losses
from mi.store.prepare import stored
from mi.store.schema import GroupSpec, digest_of

if TYPE_CHECKING:
    import numpy as np


@frozen(eq=False)
class Share:
    """One analyzer of scope ``family`` against what is committed.

    Attributes:
        item: the analyzer.
        spec: its group; None when no variant takes part.
        epochs: variant that takes part -> epochs of what is needed over ``all``, sorted by name.
        missing: variant that does not -> why.
        losses: variant -> its loss history, where it is declared.
        fingerprint: what its commit will say.
        fresh: whether its stored commit says so already.
        lacking: why there is nothing to compute; empty when there is.
    """

    item: Item
    spec: GroupSpec | None
    epochs: Mapping[str, tuple[int, ...]]
    missing: Mapping[str, str]
    losses: Mapping[str, Mapping[str, np.ndarray]]
    fingerprint: str
    fresh: bool
    lacking: str


def share_of(
    item: Item, paths: VariantPaths, family: str, probe: str, dtype: str, members: Mapping[str, Member]
) -> Share:
    """The analyzer against what is committed now, of its own and of what it needs.

    Args:
        item: the analyzer.
        paths: of what spans the family's variants.
        family, probe: names.
        dtype: of the passes.
        members: all variants there are, by name, sorted.

    Raises:
        PlanError, PluginError: its outputs cannot be laid out.
    """
    said: list[Any] = []
    epochs: dict[str, tuple[int, ...]] = {}
    missing: dict[str, str] = {}
    losses: dict[str, Mapping[str, np.ndarray]] = {}
    parameters: dict[str, Mapping[str, Any]] = {}
    for name, one in members.items():
        told, axis, why = _needed(item, one)
        if not why and item.analyzer.losses:
            try:
                history = read_losses(VariantPaths(one.variant.folder))
                told.append(history)
                losses[name] = history
            except MiError as error:
                why = str(error)
        if why:
            missing[name] = why
            continue
        epochs[name], parameters[name] = axis, dict(one.variant.parameters)
        said.append([name, dict(one.variant.parameters), told])
    if not epochs:
        first = next(iter(missing.items()), None)
        tail = f" ({first[0]}: {first[1]})" if first else ""
        lacking = f"no variant has what it needs{tail}"
        return Share(item, None, {}, missing, {}, "", False, lacking)
    subject = FamilySubject(family, probe, parameters)
    attrs = {
        **told_of(item),
        "family": family,
        "probe": probe,
        "variants": parameters,
        "missing": missing,
        **versions_of("cpu", dtype),
    }
    try:
        known = {"variant": list(subject.variants), **own_coordinates(item, subject)}
    except NotApplicableError as error:
        return Share(item, None, epochs, missing, losses, "", False, str(error))
    spec = lay_out(item, probe, known, attrs)
    fingerprint = digest_of([FORMAT, spec.identity, said])
    fresh = stored(paths, spec)[1] == fingerprint
    return Share(item, spec, epochs, missing, losses, fingerprint, fresh, "")


def _needed(item: Item, one: Member) -> tuple[list[Any], tuple[int, ...], str]:
    """Fingerprints of what is needed of a variant; epochs of what is over ``all``; what is lacking."""
    needs = sorted(item.analyzer.artifacts, key=_order)
    found = list(zip(needs, one.held(needs), strict=True))
    for _, held in found:
        if held.why:
            return [], (), held.why
    axes = [set(held.epochs) for need, held in found if held.epochs is not None and need.at == "all"]
    axis = set.intersection(*axes) if axes else set()
    if axes and not axis:
        return [], (), "what is needed has no epoch in common"
    told: list[Any] = []
    for need, held in found:
        if held.epochs is None:
            told.append([need.analyzer, need.at, held.whole])
        else:
            there = {e: f for e, f in held.epochs.items() if need.at == "reference" or e in axis}
            told.append([need.analyzer, need.at, sorted([e, f] for e, f in there.items())])
    return told, tuple(sorted(axis)), ""


def _order(need: Any) -> tuple[str, str]:
    return need.analyzer, need.at
