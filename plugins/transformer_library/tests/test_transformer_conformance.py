"""The library keeps every rule of the core's kit, on a transformer that adds modulo 5."""

from mi.testing import AnalyzerConformance, VisualizationConformance


class OnFive:
    plugin = "transformer_library"
    beside = ("modular_arithmetic", "fourier_library", "geometry_library")
    family = "modular_addition_1layer"
    parameters = {"prime": 5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 12}


class TestAnalyzers(OnFive, AnalyzerConformance):
    pass


class TestVisualizations(OnFive, VisualizationConformance):
    pass
