"""Whose a stored group is: the analyzer and probe that it was made by, where they are still there."""

from __future__ import annotations

from mi.domain.workspace import FamilyResults, Variant
from mi.engine.judgement import ORPHAN, UNJUDGED, Judgement
from mi.errors import StoreError
from mi.store.groups import open_group
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths


def nobodys(whose: Variant | FamilyResults, probe: str, analyzer: str) -> Judgement | None:
    """Why a group has no owner, or none that can be asked; None when it has one."""
    workspace, family = whose.workspace, whose.family
    if probe not in workspace.probe_names(family):
        return Judgement(probe, analyzer, ORPHAN, f"family {family.name} has no probe {probe!r}")
    host = workspace.host
    offered = host.analyzers(family)
    if analyzer in offered:
        scope = offered[analyzer].scope
        if (scope == "family") == isinstance(whose, FamilyResults):
            return None
        return Judgement(probe, analyzer, ORPHAN, f"its scope is {scope} now, so its results lie elsewhere")
    owner = host.record_of(analyzer)
    if owner is None:
        plugin = analyzer.split(".")[0]
        return Judgement(probe, analyzer, ORPHAN, f"no plugin {plugin!r} is installed")
    if owner.failures:
        return Judgement(probe, analyzer, UNJUDGED, f"{owner.owner} failed: {owner.failures[0].error}")
    if owner.status != "loaded":
        return Judgement(probe, analyzer, UNJUDGED, f"{owner.owner} is {owner.status}")
    return Judgement(probe, analyzer, ORPHAN, f"{owner.owner} offers no such analyzer")


def dtype_of(paths: VariantPaths, probe: str, analyzer: str) -> str:
    """The precision of the passes that a group was made from; float32 where it does not say."""
    try:
        return str(open_group(keys_of(paths, probe, analyzer)).attrs.get("dtype", "float32"))
    except StoreError:
        return "float32"
