"""The four hooks through which plugins contribute.

Every hook takes positional named arguments without defaults and returns frozen declarations; the host
calls each plugin by itself, so that one that raises loses only its own contribution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi.domain.analyzer import Analyzer
    from mi.domain.code import FamilyCode
    from mi.domain.family import Family
    from mi.domain.probe import ProbeKind
    from mi.domain.visualization import Visualization

PROJECT = "mi"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_family() -> FamilyCode | Iterable[FamilyCode]:  # type: ignore[empty-body]
    """Code that builds, feeds and trains the models of declared families."""


@hookspec
def provide_probe(family: Family) -> Iterable[ProbeKind]:  # type: ignore[empty-body]
    """Kinds of probe offered to ``family``."""


@hookspec
def analyze(family: Family) -> Iterable[Analyzer]:  # type: ignore[empty-body]
    """Analyzers offered to ``family``; its family.json names those it uses."""


@hookspec
def visualize(family: Family) -> Iterable[Visualization]:  # type: ignore[empty-body]
    """Visualizations offered to ``family``; its family.json names those it uses."""
