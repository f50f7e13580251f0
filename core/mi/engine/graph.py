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
            if analyzer.streaming and (made := _made_by_the_pass(offered[need.analyzer], order)):
                raise PlanError(
                    f"analyzer {id} is streaming and needs {need.analyzer}, but {made} reads activations, so "
                    "its result is there only after the pass; a streaming analyzer may need what is made "
                    "from weights"
                )
        path.pop()
        order[id] = analyzer

    for id in sorted(asked):
        visit(id)
    return tuple(order.values())


def before_pass(asked: Iterable[str], offered: Mapping[str, Analyzer]) -> tuple[str, ...]:
    """Everything that ``asked`` need at the same checkpoint, prerequisites first, without themselves."""
    order: dict[str, None] = {}

    def visit(id: str) -> None:
        for need in offered[id].artifacts:
            visit(need.analyzer)
            order[need.analyzer] = None

    for id in asked:
        visit(id)
    return tuple(order)


def _made_by_the_pass(analyzer: Analyzer, offered: Mapping[str, Analyzer]) -> str:
    """The analyzer among it and those it needs that reads activations; empty where none does."""
    if analyzer.captures or analyzer.gradients:
        return analyzer.id
    found = (_made_by_the_pass(offered[need.analyzer], offered) for need in analyzer.artifacts)
    return next(filter(None, found), "")


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
