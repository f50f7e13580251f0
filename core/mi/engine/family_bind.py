"""Which analyzers span a family's variants, bound to their options and their plugins."""

from __future__ import annotations

from collections.abc import Sequence

from mi.domain.family import Family
from mi.domain.workspace import Workspace
from mi.engine.broken import blamed, owner_of
from mi.engine.family import FamilyScope
from mi.engine.graph import close
from mi.engine.item import Item, options_of, said_outputs, sources_of
from mi.errors import MiError, PluginError
from mi.store.layout import VariantPaths
from mi.store.schema import digest_of


def family_scope(
    workspace: Workspace,
    family: Family,
    *,
    asked: Sequence[str] | None = None,
    probe: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> FamilyScope:
    """The family's analyzers of scope ``family``, bound; variants are gathered later.

    Args:
        workspace, family: whose.
        asked: ids, those of other scopes too; None for those that family.json lists.
        probe: a saved probe; None for the family's default.
        device, dtype: as results of variants are asked for.

    Raises:
        PlanError, PluginError, ParameterError: one that was asked for by name cannot be had.
    """
    host, offered = workspace.host, workspace.host.analyzers(family)
    listed = [use.id for use in family.analyzers] if asked is None else asked
    ids = sorted({id for id in listed if id in offered and offered[id].scope == "family"})
    name = probe or family.default_probe
    items: dict[str, Item] = {}
    broken: dict[str, str] = {}
    for id in ids:
        try:
            close([id], offered)
            items[id] = _bound(workspace, family, id, name, dtype)
        except MiError as error:
            if asked is not None:
                raise
            broken[id] = blamed(family, host, id, error)
            if host.strict:
                raise PluginError(broken[id]) from error
    paths = VariantPaths(workspace.family_folder(family))
    return FamilyScope(workspace, family, paths, name, device, dtype, items, broken)


def _bound(workspace: Workspace, family: Family, id: str, probe: str, dtype: str) -> Item:
    analyzer = workspace.host.analyzers(family)[id]
    options = options_of(family, analyzer)
    identity = digest_of(
        {
            "analyzer": [analyzer.id, analyzer.version, analyzer.scope],
            "options": options,
            "outputs": said_outputs(analyzer),
            "artifacts": sorted([n.analyzer, n.at] for n in analyzer.artifacts),
            "losses": analyzer.losses,
            "probe": probe,
            "dtype": dtype,
            **sources_of(analyzer, ()),
        }
    )
    return Item(
        analyzer=analyzer,
        options=options,
        sites=(),
        plugin=owner_of(workspace.host, id),
        identity=identity,
    )
