"""What was found about one group of the store: fresh, stale, nobody's, or not to be judged."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from mi.domain.keep import Keep
from mi.engine.bench import made_with
from mi.engine.family import FamilyScope
from mi.engine.family_share import Share
from mi.engine.plan import Plan
from mi.engine.trajectory import Span
from mi.store.layout import VariantPaths
from mi.store.schema import GroupSpec

JUDGED, ORPHAN, UNJUDGED = "judged", "orphan", "unjudged"


@frozen(eq=False)
class Judgement:
    """One group (or commit records without one).

    Attributes:
        probe, analyzer: its place.
        state: ``judged``; ``orphan`` (its analyzer or probe is no more); ``unjudged``.
        why: of an orphan or of what cannot be judged: one clause.
        fresh: epochs (None: no axis of epochs) whose results are what would be computed now.
        stale: those that are not.
        gone: those whose checkpoint is gone, so that nobody can tell.
        damaged: those whose checkpoint, or whose own chunks, cannot be read.
        bound: whether family.json lists the analyzer, or something that needs it.
        plan: the plan that it was judged by.
        span: of an analyzer over a whole trajectory.
        share: of an analyzer over a family.
        scope: the family's analyzers that it was judged with.
        kept: of a site's kept activations, whose ``analyzer`` is ``keep:<site>``: what they are.
    """

    probe: str
    analyzer: str
    state: str
    why: str = ""
    fresh: frozenset[int | None] = frozenset()
    stale: frozenset[int | None] = frozenset()
    gone: frozenset[int | None] = frozenset()
    damaged: frozenset[int | None] = frozenset()
    bound: bool = True
    plan: Plan | None = field(default=None, repr=False)
    span: Span | None = field(default=None, repr=False)
    share: Share | None = field(default=None, repr=False)
    scope: FamilyScope | None = field(default=None, repr=False)
    kept: KeptGroup | None = None

    @property
    def group(self) -> str:
        """The name of its zarr group."""
        return self.kept.group if self.kept is not None else self.analyzer

    @property
    def computable(self) -> frozenset[int | None]:
        """Fresh results that can be computed again: their checkpoint is there, and the reference's."""
        if self.kept is not None:
            return self.fresh - self.kept.absent
        if self.plan is None or not self.plan.known.absent:
            return self.fresh
        items = self.plan.bench.items.values()
        if self.plan.reference in self.plan.known.absent and any(
            need.at == "reference" for item in items for need in item.analyzer.artifacts
        ):
            return self.fresh & frozenset({None})
        return self.fresh - frozenset(self.plan.known.absent)

    @property
    def paths(self) -> VariantPaths:
        """Where it lies; of a judged group."""
        if self.scope is not None:
            return self.scope.paths
        if self.kept is not None:
            return self.kept.paths
        assert self.plan is not None
        return self.plan.bench.paths

    @property
    def provenance(self) -> dict[str, Any]:
        """With what it would be made now; of a judged group."""
        if self.scope is not None:
            return self.scope.provenance
        if self.kept is not None:
            return made_with(self.kept.device, self.kept.pass_dtype)
        assert self.plan is not None
        return self.plan.bench.provenance

    @property
    def spec(self) -> GroupSpec | None:
        """What it ought to look like; of a judged group. None where nothing would be made now."""
        if self.share is not None:
            return self.share.spec
        if self.span is not None:
            return self.span.spec
        assert self.plan is not None
        return self.plan.bench.group(self.plan.bench.items[self.analyzer])


@frozen
class KeptGroup:
    """Kept activations of one site.

    Attributes:
        paths: the variant's, of kept activations.
        group: the name of their zarr group.
        keep: the request that they answer; None where the group is damaged.
        dtype: the data type in which they are stored.
        pass_dtype: the precision of the pass.
        device: where they would be captured again.
        absent: epochs whose checkpoint is gone.
    """

    paths: VariantPaths
    group: str
    keep: Keep | None
    dtype: str
    pass_dtype: str = "float32"
    device: str = "cpu"
    absent: frozenset[int] = frozenset()
