"""The core's own declarations, and the kit's, conform."""

from __future__ import annotations

from mi.testing import AnalyzerConformance, FamilyConformance, ProbeConformance, VisualizationConformance


class TestTinyFamily(FamilyConformance):
    plugin = "testing"
    parameters = {"size": 5}


class TestCoreProbes(ProbeConformance):
    plugin = "core"
    parameters = {"size": 5}
    kinds = ("core.full_grid", "core.filter", "core.sample", "core.rows")
    options = {
        "core.filter": {"where": ["x < 3"]},
        "core.sample": {"rows": 7},
        "core.rows": {"file": "rows.csv"},
    }
    files = {"rows.csv": "x,y\n1,2\n4,4\n"}


class TestTinyAnalyzers(AnalyzerConformance):
    plugin = "testing"
    parameters = {"size": 5}


class TestCoreAnalyzers(AnalyzerConformance):
    plugin = "core"
    parameters = {"size": 5}


class TestTinyVisualizations(VisualizationConformance):
    plugin = "testing"
    parameters = {"size": 5}


class TestCoreVisualizations(VisualizationConformance):
    plugin = "core"
    parameters = {"size": 5}
