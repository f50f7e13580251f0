"""The library keeps every rule of the core's kit, on the kit's own tiny family."""

from mi.testing import AnalyzerConformance, VisualizationConformance
from mi_geometry_library.plugin import PARAMETER_PATH, VIEWS


class OnTiny:
    plugin = "geometry_library"
    parameters = {"size": 8}


class TestAnalyzers(OnTiny, AnalyzerConformance):
    pass


class TestVisualizations(OnTiny, VisualizationConformance):
    # loss_and_decay reads what the tiny family does not list: test_geometry_views.py
    visualizations = tuple(v.id for v in VIEWS if v.reads == (PARAMETER_PATH.id,))
