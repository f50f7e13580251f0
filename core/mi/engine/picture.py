"""What a plan looks like as a graph: what is captured, what is derived of it, the analyzers, what they need.

Nodes stand in the order of needs: what a node reads comes before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from mi.domain.analyzer import Analyzer
from mi.domain.keep import PREFIX
from mi.domain.needs import Derived, GradientNeed
from mi.domain.site import Site
from mi.engine.family import FamilyScope
from mi.engine.item import Item
from mi.engine.plan import Plan
from mi.engine.shares import Work
from mi.engine.trajectory import spans
from mi.plural import counted

# Layers of the graph, in the order in which they are computed: key -> heading.
LAYERS = {
    "site": "sites, kept from the one forward pass of a stale checkpoint",
    "input": "read besides",
    "gradient": "gradients, one pass with a graph for each choice of rows",
    "derived": "derived quantities, once a checkpoint",
    "keep": "kept activations",
    "checkpoint": "analyzers of a checkpoint",
    "trajectory": "analyzers over a trajectory",
    "family": "analyzers over a family's variants",
}
FRESH, STALE, LACKING, OUT = "fresh", "stale", "lacking", "out"


@frozen
class Edge:
    """Something that is read.

    Attributes:
        source: the node that is read.
        at: of artifacts: ``checkpoint``, ``reference`` or ``all``; else empty.
    """

    source: tuple[str, str]
    at: str = ""


@frozen
class Node:
    """A thing that is captured, read or computed.

    Attributes:
        layer: one of ``LAYERS``.
        name: unique within the layer.
        state: ``fresh``, ``stale``, ``lacking`` (cannot be computed now) or ``out`` (skipped or broken);
            empty for what is not stored.
        note: the state in words: how much and why.
        reads: what it reads.
    """

    layer: str
    name: str
    state: str = ""
    note: str = ""
    reads: tuple[Edge, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What edges name it by."""
        return self.layer, self.name


@define
class Picture:
    """The graph of one variant, or of what spans one family.

    Attributes:
        name: of the variant or the family.
        title: the whole in one line.
        nodes: by key, what is read before what reads it.
    """

    name: str
    title: str
    nodes: dict[tuple[str, str], Node] = field(factory=dict)

    def add(self, node: Node) -> None:
        """Add a node, unless it is there."""
        self.nodes.setdefault(node.key, node)

    def layer(self, name: str) -> list[Node]:
        """The nodes of one layer, in order."""
        return [node for node in self.nodes.values() if node.layer == name]


def picture_of(plan: Plan) -> Picture:
    """The graph of one variant's plan."""
    bench, passes = plan.bench, len(plan.pass_epochs)
    title = (
        f"{plan.variant.id}, probe {bench.probe_name} ({counted(len(bench.probe), 'row')}): "
        f"{counted(len(plan.epochs), 'checkpoint')}, {len(plan.stale_epochs)} stale, "
        f"{counted(passes, 'forward pass')}"
    )
    picture = Picture(plan.variant.id, title)
    told = {s.item.id: (s.fresh, s.lacking) for s in spans(plan, plan.after())}
    for id, item in bench.items.items():
        state, note = _of_work(plan.work[id], plan.epochs) if id in plan.work else _of_whole(*told[id])
        _draw(picture, item, state, note)
    _draw_out(picture, plan.skipped, plan.broken, plan.variant.workspace.host.analyzers(plan.variant.family))
    return picture


def picture_of_family(scope: FamilyScope) -> Picture:
    """The graph of what spans a family's variants; they are gathered."""
    title = f"{scope.family.name}, probe {scope.probe}: {counted(len(scope.members), 'variant')}"
    picture = Picture(scope.family.name, title)
    for item in scope.items.values():
        share = scope.share(item)
        state, why = _of_whole(share.fresh, share.lacking)
        every = counted(len(scope.members), "variant")
        _draw(picture, item, state, f"{why}, over {len(share.epochs)} of {every}")
    _draw_out(picture, {}, scope.broken, scope.workspace.host.analyzers(scope.family))
    return picture


def _of_work(work: Work, epochs: tuple[int, ...]) -> tuple[str, str]:
    if work.stale:
        return STALE, f"stale at {len(work.stale)} of {counted(len(epochs), 'checkpoint')}: {work.why}"
    if work.lost:
        return LACKING, f"cannot be computed at {counted(len(work.lost), 'checkpoint')}, gone by now"
    return FRESH, f"fresh at {counted(len(work.keep.keys() & set(epochs)), 'checkpoint')}"


def _of_whole(fresh: bool, lacking: str) -> tuple[str, str]:
    if lacking:
        return LACKING, lacking
    return (FRESH, "fresh") if fresh else (STALE, "stale")


def _draw(picture: Picture, item: Item, state: str, note: str) -> None:
    """An analyzer, after everything that it reads."""
    analyzer = item.analyzer
    reads = list(_inputs(picture, analyzer, item.own_sites(), item.globs))
    for need in analyzer.gradients:
        reads.append(_gradient(picture, need, item.options))
    reads += [_derived(picture, one, item.globs) for one in analyzer.derived]
    if analyzer.model:
        reads.append(_input(picture, "the model, for passes of its own"))
    if analyzer.losses:
        reads.append(_input(picture, "loss history"))
    for needed in sorted(analyzer.artifacts, key=lambda n: (n.analyzer, n.at)):
        reads.append(Edge(_place(picture, needed.analyzer), needed.at))
    keeps = analyzer.id.startswith(PREFIX)
    layer = "keep" if keeps else analyzer.scope
    name = analyzer.id.removeprefix(PREFIX) if keeps else analyzer.id
    picture.add(Node(layer, name, state, note, tuple(dict.fromkeys(reads))))


def _draw_out(
    picture: Picture, skipped: Mapping[str, str], broken: Mapping[str, str], offered: Mapping[str, Analyzer]
) -> None:
    """Analyzers that take no part, with the reason."""
    for id, why in {**skipped, **broken}.items():
        scope = offered[id].scope if id in offered else "checkpoint"
        picture.add(Node(scope, id, OUT, f"skipped, {why}" if id in skipped else why))


def _place(picture: Picture, id: str) -> tuple[str, str]:
    """The node of an analyzer that is needed: drawn already, or of the variants of a family."""
    for layer in ("checkpoint", "trajectory"):
        if (layer, id) in picture.nodes:
            return layer, id
    picture.add(Node("input", f"{id} of each variant"))
    return "input", f"{id} of each variant"


def _inputs(
    picture: Picture, one: Analyzer | Derived, sites: Iterable[Site], globs: Mapping[str, tuple[str, ...]]
) -> Iterator[Edge]:
    for site in sites:
        hooks = globs.get(site.key, ())
        note = counted(len(hooks), "hook") if site.key in globs else ""
        picture.add(Node("site", site.key, note=note))
        yield Edge(("site", site.key))
    if one.weights:
        yield _input(picture, "weights")
    for name in one.context:
        yield _input(picture, f"context {name}")


def _input(picture: Picture, name: str) -> Edge:
    picture.add(Node("input", name))
    return Edge(("input", name))


def _gradient(picture: Picture, need: GradientNeed, options: Mapping[str, Any]) -> Edge:
    rows = need.over(options)
    by = [*(["weights"] if need.weights else []), *(site.key for site in need.sites)]
    name = f"of the loss over {f'rows of {rows}' if rows else 'all rows'}, by {', '.join(by)}"
    picture.add(Node("gradient", name))
    return Edge(("gradient", name))


def _derived(picture: Picture, quantity: Derived, globs: Mapping[str, tuple[str, ...]]) -> Edge:
    inner = [_derived(picture, one, globs) for one in quantity.derived]
    reads = [*_inputs(picture, quantity, quantity.sites, globs), *inner]
    picture.add(Node("derived", quantity.id, reads=tuple(reads)))
    return Edge(("derived", quantity.id))
