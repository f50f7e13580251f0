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
    """Code that builds, feeds and trains the models of declared families.

    Asked once a process. A family.json names the code that it uses by its id, so one code may serve several
    families, and a family may be declared by who has not written its code.
    """


@hookspec
def provide_probe(family: Family) -> Iterable[ProbeKind]:  # type: ignore[empty-body]
    """Kinds of probe offered to ``family``; its family.json names those it allows.

    Asked once a process and family, as are :func:`analyze` and :func:`visualize`.

    Args:
        family: the declaration, as the workspace holds it; return nothing for a family that yours do not fit.
    """


@hookspec
def analyze(family: Family) -> Iterable[Analyzer]:  # type: ignore[empty-body]
    """Analyzers offered to ``family``; its family.json names those it uses, with options.

    A generic library offers to every family; what does not fit a probe or a model says so when it is planned.

    Args:
        family: the declaration, as the workspace holds it.
    """


@hookspec
def visualize(family: Family) -> Iterable[Visualization]:  # type: ignore[empty-body]
    """Visualizations offered to ``family``; its family.json names those it uses, and a report places them.

    Args:
        family: the declaration, as the workspace holds it.
    """
