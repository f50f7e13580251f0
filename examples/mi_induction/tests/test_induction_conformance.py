"""The plugin keeps every rule of the core's kit, on a model of two small heads a layer."""

from mi.testing import AnalyzerConformance, FamilyConformance, ProbeConformance, VisualizationConformance


class Small:
    plugin = "induction"
    beside = ("transformer_library",)
    family = "induction_attention_only"
    parameters = {
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "vocabulary": 24,
        "context": 12,
        "segment_min": 2,
        "segment_max": 5,
        "batch": 4,
        "test_rows": 4,
    }
    options = {"induction.repeated_segments": {"rows": 6, "segment": 3}}


class TestFamily(Small, FamilyConformance):
    refused = ({"segment_max": 7}, {"segment_min": 5, "segment_max": 4})
    prompts = ("3 14 15 3", "9 2 6 9")


class TestFamilyWithLayerNorm(Small, FamilyConformance):
    parameters = Small.parameters | {"normalization": "layernorm"}


class TestProbe(Small, ProbeConformance):
    pass


class TestAnalyzers(Small, AnalyzerConformance):
    pass


class TestVisualizations(Small, VisualizationConformance):
    pass
