"""Which analyzers a request brings along, and in what order they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mi.domain.analyzer import Analyzer
from mi.errors import PlanError, nearest


def close(asked: Iterable[str], offered: Mapping[str, Analyzer]) -> tuple[Analyzer, ...]:
    """``asked`` with everything that they need, prerequisites first; the order depends on nothing else.

    Raises:
        PlanError: a need that nobody offers, needs that go in a circle, or a need that a scope cannot have.
    """
    order: dict[str, Analyzer] = {}
    path: list[str] = []

    def visit(id: str) -> None:
        if id in order:
            return
        if id in path:
            raise PlanError(f"analyzers need one another: {' → '.join([*path[path.index(id) :], id])}")
        path.append(id)
        analyzer = offered[id]
        for need in sorted(analyzer.artifacts, key=lambda n: (n.analyzer, n.at)):
            if need.analyzer not in offered:
                near = nearest(need.analyzer, offered)
                tail = f"; did you mean {' or '.join(near)}?" if near else ""
                raise PlanError(f"analyzer {id} needs {need.analyzer}, which no plugin offers{tail}")
            _check_moment(analyzer, need.at, offered[need.analyzer])
            visit(need.analyzer)
        path.pop()
        order[id] = analyzer

    for id in sorted(asked):
        visit(id)
    return tuple(order.values())


def _check_moment(analyzer: Analyzer, at: str, needed: Analyzer) -> None:
    if needed.scope == "family":
        raise PlanError(
            f"analyzer {analyzer.id} needs {needed.id} (scope family); what spans a family exists only after "
            "all that is of one variant, so nothing can need it"
        )
    if analyzer.scope == "checkpoint" and needed.scope != "checkpoint":
        raise PlanError(
            f"analyzer {analyzer.id} (scope checkpoint) needs {needed.id} (scope {needed.scope}); "
            "what spans a trajectory exists only after its checkpoints"
        )
    if analyzer.scope != "checkpoint" and at == "checkpoint":
        raise PlanError(
            f"analyzer {analyzer.id} (scope {analyzer.scope}) needs {needed.id} at 'checkpoint', "
            "expected 'all' or 'reference'"
        )
    if at == "reference" and needed.scope != "checkpoint":
        raise PlanError(
            f"analyzer {analyzer.id} needs {needed.id} at 'reference', but its scope is {needed.scope}; "
            "expected 'all'"
        )
