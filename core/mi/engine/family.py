"""Analyzers over a family's variants: what they read, the call itself, and the commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from mi.domain.family import Family
from mi.domain.workspace import Workspace
from mi.engine.bench import made_with
from mi.engine.broken import blamed
from mi.engine.family_data import FamilyData, FamilySubject
from mi.engine.family_members import Member, member, planned
from mi.engine.family_share import Share, share_of
from mi.engine.guard import Declared
from mi.engine.item import Item
from mi.engine.plan import Plan
from mi.engine.session import Session
from mi.engine.trajectory import call_whole
from mi.errors import PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.losses import as_dataset
from mi.store.prepare import write_whole
from mi.timing import timed

if TYPE_CHECKING:
    import xarray as xr


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
        self._look()
        return share_of(item, self.paths, self.family.name, self.probe, self.dtype, self.members)

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
