"""The library keeps every rule of the core's kit, on a family that has never heard of it, modulo 5."""

from mi.testing import AnalyzerConformance, VisualizationConformance
from mi_transformer_library.declare_heads import COPYING
from mi_transformer_library.plugin import ANALYZERS


class OnFive:
    plugin = "transformer_library"
    beside = ("modular_arithmetic", "fourier_library")
    family = "modular_addition_1layer"
    parameters = {"prime": 5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 12}


class TestAnalyzers(OnFive, AnalyzerConformance):
    # All but the copying score, which that family has no use for: it reads "=" and never writes it.
    analyzers = tuple(sorted(a.id for a in ANALYZERS if a is not COPYING))


class TestVisualizations(OnFive, VisualizationConformance):
    pass
