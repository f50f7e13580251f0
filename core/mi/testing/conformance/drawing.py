"""A visualization's frames and pages, made as the server and the export make them."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import define, field

from mi.domain.report import Panel, Report
from mi.domain.values import check_options
from mi.domain.visualization import Visualization
from mi.domain.workspace import Variant
from mi.refs import resolve
from mi.store.layout import VariantPaths
from mi.testing.conformance.analysis import Analysis, copied
from mi.views.check import Value, checked
from mi.views.data import DataSource, MissingArtifacts, ViewData
from mi.views.page import ReportPage, build_page

NOTHING, GAPS = "nothing-analyzed", "some-analyzed"
Frames = list[dict[str, Any]]


@define(eq=False)
class Studio:
    """Draws visualizations of the analyzed tiny variant, and of copies of it that lack artifacts."""

    analysis: Analysis
    _pages: dict[str, ReportPage] = field(factory=dict)

    def options(self, visualization: Visualization, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every option: the given ones over those of family.json over the defaults."""
        used = self.analysis.variant.family.use("visualization", visualization.id).options
        return check_options(visualization.id, visualization.options, {**used, **(given or {})})

    def report(self, id: str, options: Mapping[str, Any] | None = None) -> Report:
        """A report with one panel."""
        panel = Panel(visualization=id, options=dict(options or {}))
        return Report(name="kit", title="Kit", probe=self.analysis.probe, panels=(panel,))

    def page(self, id: str, options: Mapping[str, Any] | None = None) -> ReportPage:
        """The page of one panel; made once for the same options."""
        key = f"{id} {sorted((options or {}).items())!r}"
        if key not in self._pages:
            self._pages[key] = self.new_page(id, options)
        return self._pages[key]

    def new_page(
        self, id: str, options: Mapping[str, Any] | None = None, variant: Variant | None = None
    ) -> ReportPage:
        """A page of one panel, of this variant or of a copy."""
        return build_page(variant or self.analysis.variant, self.report(id, options))

    def data(self, visualization: Visualization) -> ViewData | MissingArtifacts:
        """What the visualization reads."""
        return DataSource.of(self.analysis.variant, self.analysis.probe).data(visualization)

    def static(self, visualization: Visualization, options: Mapping[str, Any] | None = None) -> Any:
        """What ``static`` returns; {} where there is none."""
        chosen, data = self.options(visualization, options), self.data(visualization)
        return {} if visualization.static is None else resolve(visualization.static)(data, chosen)

    def frames(self, visualization: Visualization, options: Mapping[str, Any] | None = None) -> Frames:
        """What ``frame`` returns at every epoch; [] where there is none."""
        chosen, data = self.options(visualization, options), self.data(visualization)
        if visualization.frame is None or isinstance(data, MissingArtifacts):
            return []
        return [resolve(visualization.frame)(data, int(epoch), dict(chosen)) for epoch in data.epochs]

    def values(
        self, visualization: Visualization, options: Mapping[str, Any] | None = None
    ) -> list[dict[str, Value]]:
        """Static fields, then the fields of every frame, checked.

        Raises:
            PluginError: they are not what is declared.
        """
        fields = visualization.fields
        fixed = {name: f for name, f in fields.items() if f.static}
        moving = {name: f for name, f in fields.items() if not f.static}
        found = []
        if fixed:
            found.append(checked(visualization, fixed, self.static(visualization, options), "static"))
        for epoch, frame in zip(self.analysis.epochs, self.frames(visualization, options), strict=False):
            found.append(checked(visualization, moving, frame, f"epoch {epoch}"))
        return found

    def without_anything(self) -> Variant:
        """A copy of the variant with checkpoints and nothing else."""
        folder = self.analysis.variant.folder.with_name(NOTHING)
        if not folder.exists():
            shutil.rmtree(
                VariantPaths(copied(self.analysis.variant, folder).folder).losses, ignore_errors=True
            )
        return self.analysis.variant.workspace.variant(f"{self.analysis.variant.family.name}/{NOTHING}")

    def with_gaps(self) -> Variant:
        """A copy of the variant analyzed at its first and last checkpoint alone."""
        folder = self.analysis.variant.folder.with_name(GAPS)
        if not folder.exists():
            variant = copied(self.analysis.variant, folder)
            self.analysis.run(variant, epochs=[self.analysis.epochs[0], self.analysis.epochs[-1]])
        return self.analysis.variant.workspace.variant(f"{self.analysis.variant.family.name}/{GAPS}")


def snapshot(data: ViewData) -> dict[str, Any]:
    """A copy of everything in view data that a careless function could edit."""
    kept: dict[str, Any] = {id: dataset.copy(deep=True) for id, dataset in data.artifacts.items()}
    if data.losses is not None:
        kept["the losses"] = data.losses.copy(deep=True)
    return kept | {"parameters": copy.deepcopy(dict(data.parameters)), "epochs": data.epochs.copy()}


def edited(data: ViewData, before: Mapping[str, Any]) -> str:
    """What of view data differs from its snapshot; empty when nothing does."""
    for name, value in snapshot(data).items():
        was = before[name]
        if isinstance(value, dict):
            same = value == was
        elif isinstance(value, np.ndarray):
            same = np.array_equal(value, was)
        else:
            same = value.identical(was)
        if not same:
            return name
    return ""


def unlike(one: Any, other: Any) -> bool:
    """Whether two frames, fields, columns or texts differ in any value."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() != other.keys() or any(unlike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list) and one and isinstance(one[0], Mapping):
        return len(one) != len(other) or any(map(unlike, one, other))
    a, b = np.asarray(one), np.asarray(other)
    return a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f" == b.dtype.kind)
