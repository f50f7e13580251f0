"""Random graphs of analyzers, random changes, and what follows from what: modelled from the meaning of a
declaration, without asking the engine.
"""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field
from hypothesis import strategies as st

CHECKPOINT, TRAJECTORY, FAMILY = "checkpoint", "trajectory", "family"
START = (0, 3, 8)
BETWEEN = (5, 1, 6, 2, 7, 4)  # epochs of checkpoints that come in between, in this order


@define
class Node:
    """One analyzer.

    Attributes:
        scope: of its declaration.
        site, weights, context, derived: what it reads; ``derived`` numbers a shared quantity.
        needs: (number of an earlier node, moment).
        version, power, wide, source: what may change of it: version, option, outputs, digest of its file.
    """

    scope: str
    site: bool
    weights: bool
    context: bool
    derived: int | None
    needs: list[tuple[int, str]]
    version: int = 1
    power: int = 1
    wide: bool = False
    source: int = 0

    @property
    def captures(self) -> bool:
        return self.site or self.derived is not None


@define
class World:
    """Everything that a result follows from.

    Attributes:
        epochs: of the checkpoints there are, sorted; the last is the reference.
        content: epoch -> how often its weights were changed.
        versions, sources: of the two shared quantities; the second reads the first, and the context.
        rows, scale, dtype: the probe's, the context value's, the passes'.
        gone: (node, epoch) -> identity and result of a checkpoint that was removed: it stays while the
            analyzer is the same.
    """

    nodes: list[Node]
    epochs: list[int] = field(factory=lambda: list(START))
    content: dict[int, int] = field(factory=dict)
    versions: list[int] = field(factory=lambda: [1, 1])
    sources: list[int] = field(factory=lambda: [0, 0])
    rows: int = 4
    scale: float = 2.0
    dtype: str = "float32"
    gone: dict[tuple[int, int], tuple[Any, Any]] = field(factory=dict)

    def weights(self, epoch: int) -> Any:
        return epoch, self.content.get(epoch, 0)

    def identity(self, i: int) -> Any:
        """What makes two results of node ``i`` comparable."""
        node = self.nodes[i]
        said: list[Any] = [i, node, self.rows, self.dtype]
        if node.derived is not None:
            said += [list(zip(self.versions, self.sources, strict=True))[: node.derived + 1]]
        if node.context or node.derived == 1:
            said += [self.scale]
        return repr(said)

    def held(self, i: int) -> list[int]:
        """Epochs at which a node of scope ``checkpoint`` has results, once all work is done."""
        kept = [e for (j, e), (identity, _) in self.gone.items() if j == i and identity == self.identity(i)]
        return sorted({*self.epochs, *kept})

    def spanned(self, i: int) -> list[int]:
        """Epochs that a node over all of them sees."""
        sets = [
            set(self.held(j))
            for j, at in self.nodes[i].needs
            if at == "all" and self.nodes[j].scope == CHECKPOINT
        ]
        return sorted(set.intersection(*sets) if sets else self.epochs)

    def reads(self, i: int, epoch: int | None, deep: dict[Any, Any]) -> Any:
        """All that the result of node ``i`` at ``epoch`` (None: over all) follows from."""
        if (i, epoch) not in deep:
            deep[i, epoch] = self._reads(i, epoch, deep)
        return deep[i, epoch]

    def _reads(self, i: int, epoch: int | None, deep: dict[Any, Any]) -> Any:
        node, reference = self.nodes[i], self.epochs[-1]
        if epoch is not None and epoch not in self.epochs:
            return self.gone[i, epoch][1]
        said: list[Any] = [self.identity(i)]
        if epoch is not None:
            said.append(self.weights(epoch))
        else:
            spanned = self.spanned(i)
            if node.scope == TRAJECTORY:
                said.append(spanned)
            if node.weights:
                said.append([self.weights(e) for e in spanned if e in self.epochs])
        for j, at in node.needs:
            if self.nodes[j].scope != CHECKPOINT:
                said.append((at, self.reads(j, None, deep)))
            elif at == "all":
                said.append((at, [self.reads(j, e, deep) for e in self.spanned(i)]))
            elif at == "reference":
                said.append((at, self.weights(reference), self.reads(j, reference, deep)))
            else:
                said.append((at, self.reads(j, epoch, deep)))
        return hash(repr(said))

    def results(self) -> dict[tuple[int, int | None], Any]:
        """(node, epoch) -> what it follows from, wherever it can be computed; epoch None over all."""
        deep: dict[Any, Any] = {}
        return {
            (i, epoch): self.reads(i, epoch, deep)
            for i, node in enumerate(self.nodes)
            for epoch in (self.epochs if node.scope == CHECKPOINT else [None])
        }

    def passes(self, stale: Any) -> int:
        """Checkpoints to pass forward for stale results."""
        return len({e for i, e in stale if e is not None and self.nodes[i].captures})


@st.composite
def graphs(draw: Any) -> World:
    nodes: list[Node] = []
    for i in range(draw(st.integers(3, 7))):
        before = [j for j in range(i) if nodes[j].scope != FAMILY]
        scope = draw(st.sampled_from([CHECKPOINT, CHECKPOINT, CHECKPOINT, TRAJECTORY, FAMILY]))
        if not before:
            scope = CHECKPOINT
        needs = []
        for j in draw(st.permutations(before))[: draw(st.integers(0 if scope != FAMILY else 1, 2))]:
            if nodes[j].scope == TRAJECTORY:
                if scope != CHECKPOINT:  # an analyzer of one checkpoint cannot need what spans them
                    needs.append((j, "all"))
            else:
                moments = ["checkpoint" if scope == CHECKPOINT else "all", "reference"]
                needs.append((j, draw(st.sampled_from(moments))))
        site, weights, context = (draw(st.booleans()) for _ in range(3))
        derived = draw(st.sampled_from([None, 0, 1]))
        if scope != CHECKPOINT:
            site, derived = False, None
        if scope == FAMILY:
            weights = context = False
        elif not (site or weights or needs or derived is not None):
            weights = True
        nodes.append(Node(scope, site, weights, context, derived, needs))
    return World(nodes)


CHANGES = (
    *("version", "option", "outputs", "source", "quantity", "quantity source", "context", "probe", "dtype"),
    *("checkpoint", "reference", "later", "inserted", "removed", "last removed", "nothing"),
)
changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 6)), min_size=6, max_size=6)


def apply(world: World, kind: str, number: int) -> World:
    """The world after one change; ``number`` chooses which node, quantity or checkpoint."""
    i = number % len(world.nodes)
    node = world.nodes[i]
    of_node = {
        "version": evolve(node, version=node.version + 1),
        "option": evolve(node, power=node.power + 1),
        "outputs": evolve(node, wide=not node.wide),
        "source": evolve(node, source=node.source + 1),
    }
    if kind in of_node:
        return evolve(world, nodes=[of_node[kind] if j == i else n for j, n in enumerate(world.nodes)])
    if kind.startswith("quantity"):
        name = "sources" if kind == "quantity source" else "versions"
        raised = [v + (q == number % 2) for q, v in enumerate(getattr(world, name))]
        return evolve(world, **{name: raised})
    if kind == "context":
        return evolve(world, scale=world.scale + 1)
    if kind == "probe":
        return evolve(world, rows=world.rows + 1)
    if kind == "dtype":
        return evolve(world, dtype="float64" if world.dtype == "float32" else "float32")
    if kind in ("checkpoint", "reference"):
        epoch = world.epochs[-1 if kind == "reference" else number % (len(world.epochs) - 1)]
        return evolve(world, content={**world.content, epoch: world.content.get(epoch, 0) + 1})
    used = {*world.epochs, *(e for _, e in world.gone)}
    free = [e for e in BETWEEN if e not in used and e < world.epochs[-1]]
    if kind == "inserted" and free:
        return evolve(world, epochs=sorted([*world.epochs, free[0]]))
    if kind in ("later", "inserted"):
        return evolve(world, epochs=[*world.epochs, 20 + len(used)])
    if kind.endswith("removed") and len(world.epochs) > 2:
        epoch = world.epochs[-1 if kind == "last removed" else number % (len(world.epochs) - 1)]
        return _without(world, epoch)
    return world


def _without(world: World, epoch: int) -> World:
    results = world.results()
    stays = {
        (i, epoch): (world.identity(i), results[i, epoch])
        for i, node in enumerate(world.nodes)
        if node.scope == CHECKPOINT
    }
    left = [e for e in world.epochs if e != epoch]
    return evolve(world, epochs=left, gone={**world.gone, **stays})
