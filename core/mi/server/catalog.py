"""What the landing page lists: every family, every variant, and how far each has come."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen

from mi.domain.family import Family
from mi.domain.workspace import Variant, Workspace
from mi.errors import MiError
from mi.server.query import report_url
from mi.server.sparkline import Sparkline, sparkline
from mi.server.target import default_variant, relative
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths

METRICS = {"loss": ("test_loss", "train_loss"), "accuracy": ("test_accuracy", "train_accuracy")}


@frozen(kw_only=True)
class VariantRow:
    """One variant in the table.

    Attributes:
        name, url: the variant and its report's address.
        state: its training in words.
        tone: ``good``, ``busy``, ``plain`` or ``bad``, for the badge's colour.
        parameters: (name, value) of those that tell variants apart.
        checkpoints, last_epoch: how many there are, and the last one's epoch.
        metrics: kind of metric -> (set, last measured value) of each set, as text.
        curves: the losses over training, drawn small.
        analyzers: number of analyzers with artifacts.
        problem: what could not be read.
    """

    name: str
    url: str
    state: str = ""
    tone: str = "plain"
    parameters: tuple[tuple[str, str], ...] = ()
    checkpoints: int = 0
    last_epoch: int = 0
    metrics: Mapping[str, tuple[tuple[str, str], ...]] = field(factory=dict)
    curves: Sparkline | None = None
    analyzers: int = 0
    problem: str = ""


@frozen(kw_only=True)
class FamilyEntry:
    """One family; ``problem`` says why it cannot be read."""

    name: str
    title: str = ""
    description: str = ""
    url: str = ""
    reports: tuple[tuple[str, str], ...] = ()
    rows: tuple[VariantRow, ...] = ()
    problems: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Kinds of metric that any variant has."""
        return tuple(m for m in METRICS if any(m in row.metrics for row in self.rows))


@frozen(kw_only=True)
class Catalog:
    """The whole workspace."""

    workspace: str
    families: tuple[FamilyEntry, ...]


def read_catalog(workspace: Workspace) -> Catalog:
    """Families and variants as they are on disk now; one that cannot be read hides no other."""
    entries = []
    for name, family in workspace.families().items():
        if isinstance(family, Family):
            entries.append(_family(workspace, family))
        else:
            entries.append(FamilyEntry(name=name, title=name, problems=(relative(workspace, str(family)),)))
    return Catalog(workspace=workspace.root.name, families=tuple(entries))


def _family(workspace: Workspace, family: Family) -> FamilyEntry:
    rows, problems = [], []
    for variant in workspace.scan(family.name):
        if isinstance(variant, Variant):
            rows.append(_row(workspace, variant))
        else:
            problems.append(relative(workspace, str(variant)))
    commands = () if rows else (f"mi train {family.name}", f"mi analyze {default_variant(family)}")
    return FamilyEntry(
        name=family.name,
        title=family.title,
        description=family.description,
        reports=tuple(
            (name, report_url(family.name, report=name)) for name in workspace.report_names(family)
        ),
        rows=tuple(rows),
        problems=tuple(problems),
        commands=commands,
    )


def _row(workspace: Workspace, variant: Variant) -> VariantRow:
    from mi.status import artifact_rows, state_of

    paths = VariantPaths(variant.folder)
    url = report_url(variant.family.name, variant.name)
    parameters = _telling(variant)
    try:
        state = state_of(variant)
        checkpoints = list_checkpoints(paths)
        metrics, curves = _losses(paths)
        analyzers = len({row["analyzer"] for row in artifact_rows(variant) if not row["error"]})
    except MiError as error:
        problem = relative(workspace, str(error))
        return VariantRow(
            name=variant.name, url=url, state="damaged", tone="bad", parameters=parameters, problem=problem
        )
    return VariantRow(
        name=variant.name,
        url=url,
        state=state,
        tone=_tone(state),
        parameters=parameters,
        checkpoints=len(checkpoints),
        last_epoch=checkpoints[-1].epoch if checkpoints else 0,
        metrics=metrics,
        curves=curves,
        analyzers=analyzers,
    )


def _telling(variant: Variant) -> tuple[tuple[str, str], ...]:
    """The parameters that its name is made of: the pattern's, and those that differ from the default."""
    family = variant.family
    named = {part for _, part, _, _ in string.Formatter().parse(family.pattern) if part}
    return tuple(
        (name, _text(value))
        for name, value in variant.parameters.items()
        if name in named or value != family.parameters[name].default
    )


def _losses(paths: VariantPaths) -> tuple[dict[str, tuple[tuple[str, str], ...]], Sparkline | None]:
    """Last measured values, and the losses' curves; nothing before training has begun."""
    from mi.store.losses import open_losses

    if not paths.losses.exists():
        return {}, None
    history = open_losses(paths)
    last = {}
    for kind, names in METRICS.items():
        said = [
            (name.removesuffix(f"_{kind}"), _last(history[name].values)) for name in names if name in history
        ]
        last[kind] = tuple((part, _metric(kind, value)) for part, value in said if value is not None)
    curves = [history[name].values for name in ("train_loss", "test_loss") if name in history]
    return {kind: said for kind, said in last.items() if said}, sparkline(history["epoch"].values, curves)


def _last(values: np.ndarray) -> float | None:
    measured = values[~np.isnan(values)]
    return float(measured[-1]) if len(measured) else None


def _metric(kind: str, value: float) -> str:
    if kind == "accuracy" and math.isfinite(value):
        return f"{100 * value:.1f} %"
    return f"{value:.3g}"


def _tone(state: str) -> str:
    if state in ("trained", "analyzed"):
        return "good"
    if state.startswith("training"):
        return "busy"
    return "bad" if state.startswith("stopped") else "plain"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
