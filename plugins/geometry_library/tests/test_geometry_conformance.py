"""The library keeps every rule of the core's kit, on the kit's own tiny family."""

from mi.testing import AnalyzerConformance, VisualizationConformance


class OnTiny:
    plugin = "geometry_library"
    parameters = {"size": 8}


class TestAnalyzers(OnTiny, AnalyzerConformance):
    pass


class TestVisualizations(OnTiny, VisualizationConformance):
    pass
