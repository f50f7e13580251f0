"""The plugin keeps every rule of the core's kit, on a modulus of 5; so does a deeper network that divides."""

from mi.testing import AnalyzerConformance, FamilyConformance, VisualizationConformance


class OnFive:
    plugin = "modular_arithmetic"
    beside = ("fourier_library", "geometry_library")
    family = "modular_addition_1layer"
    parameters = {"prime": 5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 12}


class TestFamily(OnFive, FamilyConformance):
    refused = ({"prime": 4}, {"prime": 9}, {"train_fraction": 0.0}, {"train_fraction": 1.0})


class TestAnalyzers(OnFive, AnalyzerConformance):
    pass


class TestVisualizations(OnFive, VisualizationConformance):
    pass


class TestDeepFamily(FamilyConformance):
    plugin = "modular_arithmetic"
    beside = ("fourier_library", "geometry_library")
    family = "modular_arithmetic_transformer"
    parameters = {
        "task": "div",
        "modulus": 5,
        "n_layers": 2,
        "layer_norm": True,
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "d_mlp": 12,
        "train_fraction": 0.5,
    }
    refused = ({"modulus": 4}, {"task": "mul", "modulus": 9}, {"train_fraction": 0.0})
