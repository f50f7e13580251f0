"""The library keeps every rule of the core's kit, on the kit's own tiny family."""

from mi.testing import AnalyzerConformance, VisualizationConformance


class OnTiny:
    plugin = "fourier_library"
    parameters = {"size": 8}
    options = {"fourier_library.weight_spectrum": {"weight": "embed", "axis": "x"}}


class TestAnalyzers(OnTiny, AnalyzerConformance):
    pass


class TestVisualizations(OnTiny, VisualizationConformance):
    pass
