"""Analyzers over a family's variants: which take part, what is fresh, and the call itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from mi.domain.family import Family
from mi.domain.workspace import Workspace
from mi.engine.bench import lay_out, made_with, own_coordinates, told_of, versions_of
from mi.engine.broken import blamed, owner_of
from mi.engine.family_data import FamilyData, FamilySubject
from mi.engine.family_members import Member, member, planned
from mi.engine.graph import close
from mi.engine.guard import Declared
from mi.engine.item import Item, options_of, said_outputs, sources_of
from mi.engine.plan import Plan
from mi.engine.session import Session
from mi.engine.shares import FORMAT
from mi.engine.trajectory import call_whole
from mi.errors import MiError, NotApplicableError, PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.losses import as_dataset, read_losses
from mi.store.prepare import stored, write_whole
from mi.store.schema import GroupSpec, digest_of
from mi.timing import timed

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr


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


@define(eq=False)
class FamilyScope:
    """The analyzers of scope ``family`` of one family over one probe.

    Attributes:
        family: it.
        paths: of what spans its variants.
        probe: a saved probe's name.
        items: the analyzers, sorted by id.
        broken: analyzer of family.json -> why it cannot be had.
        members: all variants there are, by name, sorted; none until :meth:`gather`.
    """

    workspace: Workspace
    family: Family
    paths: VariantPaths
    probe: str
    device: str
    dtype: str
    items: Mapping[str, Item]
    broken: Mapping[str, str]
    members: dict[str, Member] = field(factory=dict)
    _session: Session = field(factory=Session)

    def load(self, named: bool) -> None:
        """Import the analyzers' functions: those that cannot be are known before any work on the variants.

        Args:
            named: whether they were asked for by name.

        Raises:
            PluginError: one cannot be imported, where they were named or in strict mode.
        """
        for id, item in list(self.items.items()):
            try:
                item.load()
            except PluginError as error:
                why = blamed(self.family, self.workspace.host, id, error)
                if named or self.workspace.host.strict:
                    raise PluginError(why) from error
                self.broken = {**self.broken, id: why}
                self.items = {other: kept for other, kept in self.items.items() if other != id}

    def gather(self, session: Session, plans: Iterable[Plan] = (), *, dry: bool = False) -> None:
        """Look at all variants there are.

        Args:
            session: holds the resident model.
            plans: of variants that have just been worked on.
            dry: whether they are yet to be worked on.
        """
        self._session = session
        needs = sorted({n.analyzer for item in self.items.values() for n in item.analyzer.artifacts})
        self.members = {plan.variant.name: planned(plan, needs, dry=dry) for plan in plans}
        self._look()

    def _look(self) -> None:
        """Variants that have come or gone since."""
        before, self.members = self.members, {}
        for one in self.workspace.variants(self.family.name):
            self.members[one.name] = before.get(one.name) or member(
                self._session, one, self.probe, self.device, self.dtype
            )

    def share(self, item: Item) -> Share:
        """The analyzer against what is committed now, of its own and of what it needs.

        Raises:
            PlanError, PluginError: its outputs cannot be laid out.
        """
        said: list[Any] = []
        epochs: dict[str, tuple[int, ...]] = {}
        missing: dict[str, str] = {}
        losses: dict[str, Mapping[str, np.ndarray]] = {}
        parameters: dict[str, Mapping[str, Any]] = {}
        self._look()
        for name, one in self.members.items():
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
        subject = FamilySubject(self.family.name, self.probe, parameters)
        attrs = {
            **told_of(item),
            "family": self.family.name,
            "probe": self.probe,
            "variants": parameters,
            "missing": missing,
            **versions_of("cpu", self.dtype),
        }
        try:
            known = {"variant": list(subject.variants), **own_coordinates(item, subject)}
        except NotApplicableError as error:
            return Share(item, None, epochs, missing, losses, "", False, str(error))
        spec = lay_out(item, self.probe, known, attrs)
        fingerprint = digest_of([FORMAT, spec.identity, said])
        fresh = stored(self.paths, spec)[1] == fingerprint
        return Share(item, spec, epochs, missing, losses, fingerprint, fresh, "")

    @property
    def provenance(self) -> dict[str, Any]:
        """With what results are made."""
        return made_with("cpu", self.dtype)

    def call(self, share: Share) -> dict[str, Any]:
        """The analyzer's arrays, as they are stored.

        Raises:
            PluginError: it raised, or returned something else than it declared.
            StoreError: what it needs cannot be read, or was computed anew meanwhile.
        """
        assert share.spec is not None
        self._session.use_threads()
        return call_whole(share.item, share.spec, self._data(share))

    def write(self, share: Share, values: Mapping[str, Any]) -> None:
        """Commit an analyzer's arrays. The family's lock must be held.

        Raises:
            StoreError: the folder cannot be written.
        """
        assert share.spec is not None
        bad = 0
        for name in share.epochs:
            reader, last = self._reader(name), self.members[name].epochs[-1]
            bad += len(
                {
                    epoch
                    for need in share.item.analyzer.artifacts
                    for epoch in reader.nonfinite(self.probe, need.analyzer)
                    if need.at != "reference" or epoch == last
                }
            )
        size = sum(array.nbytes for array in values.values())
        with timed("families", "write", analyzer=share.item.id, bytes=size):
            write_whole(self.paths, share.spec, values, share.fingerprint, self.provenance, bad)

    def _data(self, share: Share) -> FamilyData:
        artifacts: dict[str, dict[str, xr.Dataset]] = {}
        reference: dict[str, dict[str, Mapping[str, Any]]] = {}
        for need in share.item.analyzer.artifacts:
            for name, epochs in share.epochs.items():
                reader = self._reader(name)
                if need.at == "reference":
                    found = reader.at(self.probe, need.analyzer, self.members[name].epochs[-1])
                    reference.setdefault(need.analyzer, {})[name] = found
                    continue
                data = reader.dataset(self.probe, need.analyzer)
                if self.members[name].items[need.analyzer][1].analyzer.scope == "checkpoint":
                    data = data.sel(epoch=list(epochs))
                artifacts.setdefault(need.analyzer, {})[name] = data
        parameters = {n: dict(self.members[n].variant.parameters) for n in share.epochs}
        return FamilyData(
            subject=FamilySubject(self.family.name, self.probe, parameters),
            artifacts=Declared("artifact", artifacts),
            reference=Declared("reference artifact", reference),
            losses={name: as_dataset(values) for name, values in share.losses.items()},
        )

    def _reader(self, variant: str) -> ArtifactReader:
        return ArtifactReader(VariantPaths(self.paths.root.parent / variant))


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
