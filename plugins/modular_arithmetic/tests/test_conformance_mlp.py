"""The families of pair networks keep every rule of the core's kit, and so do the analyses of irreps."""

from mi.testing import AnalyzerConformance, FamilyConformance, VisualizationConformance


class Of:
    plugin = "modular_arithmetic"
    beside = ("fourier_library", "geometry_library")


class OneHot(Of):
    family = "modular_addition_mlp"
    parameters = {"prime": 5, "d_mlp": 12}


class Embedding(Of):
    family = "modular_addition_embedding_mlp"
    parameters = {"prime": 5, "d_embed": 4, "d_mlp": 12}


class Composition(Of):
    family = "symmetric_group_composition"
    parameters = {"n": 3, "d_embed": 4, "d_mlp": 12}


class TestOneHotFamily(OneHot, FamilyConformance):
    refused = ({"prime": 9}, {"train_fraction": 0.0}, {"train_fraction": 1.0})


class TestEmbeddingFamily(Embedding, FamilyConformance):
    refused = ({"prime": 9}, {"train_fraction": 1.0})


class TestCompositionFamily(Composition, FamilyConformance):
    refused = ({"train_fraction": 0.0}, {"train_fraction": 1.0})


class TestCompositionAnalyzers(Composition, AnalyzerConformance):
    pass


class TestCompositionVisualizations(Composition, VisualizationConformance):
    pass
