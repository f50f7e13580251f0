"""A visualization's frames and pages, made as the server and the export make them."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from functools import cached_property
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


@define(eq=False, slots=False)
class Studio:
    """Draws visualizations of the analyzed tiny variant, and of copies of it that lack artifacts."""

    analysis: Analysis
    _pages: dict[str, ReportPage] = field(factory=dict)
    _values: dict[str, list[dict[str, Value]]] = field(factory=dict)

    @cached_property
    def source(self) -> DataSource:
        """The variant's artifacts, opened once."""
        return DataSource.of(self.analysis.variant, self.analysis.probe)

    def options(self, visualization: Visualization, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every option: the given ones over those of family.json over the defaults."""
        used = self.analysis.variant.family.use("visualization", visualization.id).options
        return check_options(visualization.id, visualization.options, {**used, **(given or {})})

    def report(self, *ids: str, options: Mapping[str, Any] | None = None) -> Report:
        """A report with one panel a visualization."""
        panels = tuple(Panel(visualization=id, options=dict(options or {})) for id in ids)
        return Report(name="kit", title="Kit", probe=self.analysis.probe, panels=panels)

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
        return build_page(variant or self.analysis.variant, self.report(id, options=options))

    def data(self, visualization: Visualization) -> ViewData | MissingArtifacts:
        """What the visualization reads."""
        return self.source.data(visualization)

    def values(
        self, visualization: Visualization, options: Mapping[str, Any] | None = None
    ) -> list[dict[str, Value]]:
        """Static fields, then the fields of every frame, as they are declared; made once.

        Raises:
            PluginError: they are not what is declared.
            Exception: whatever the functions raise.
        """
        key = f"{visualization.id} {sorted((options or {}).items())!r}"
        if key not in self._values:
            data, chosen = self.data(visualization), self.options(visualization, options)
            assert isinstance(data, ViewData)
            fixed = {name: f for name, f in visualization.fields.items() if f.static}
            moving = {name: f for name, f in visualization.fields.items() if not f.static}
            static, frames = everything(visualization, data, chosen)
            found = [checked(visualization, fixed, static, "static")] if fixed else []
            for epoch, frame in zip(data.epochs, frames, strict=False):
                found.append(checked(visualization, moving, frame, f"epoch {epoch}"))
            self._values[key] = found
        return self._values[key]

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


def everything(
    visualization: Visualization, data: ViewData, options: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """What ``static`` and ``frame`` return, the latter at every epoch; {} and [] where there is none."""
    static = resolve(visualization.static)(data, options) if visualization.static else {}
    frame = resolve(visualization.frame) if visualization.frame else None
    return static, [frame(data, int(epoch), options) for epoch in data.epochs] if frame else []


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
