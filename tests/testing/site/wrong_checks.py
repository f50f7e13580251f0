"""The kit run on the wrong plugin; `tests/testing/test_wrong.py` reads the outcome."""

from __future__ import annotations

from mi_wrong.declare import FAMILIES, VISUALIZATIONS

from mi.testing import (
    AnalyzerConformance,
    FamilyConformance,
    PluginConformance,
    ProbeConformance,
    VisualizationConformance,
)

SMALL = {"size": 5}
ALONE = ("wrong.first_panel",)


def _class(name, base, **settings):
    globals()[f"Test{name}"] = type(
        f"Test{name}", (base,), {"plugin": "wrong", "parameters": SMALL, **settings}
    )


for fault in FAMILIES:
    _class(f"Family_{fault}", FamilyConformance, epochs=4, family=f"wrong_{fault}", refused=({"size": 3},))
for kind in ("Fails", "Heavy", "Unmarked", "Unbounded"):
    _class(f"Plugin_{kind.lower()}", PluginConformance, plugin=f"wrong_{kind.lower()}")
_class("Plugin_unshipped", PluginConformance, family="nowhere")
_class("Probes", ProbeConformance)
_class("Analyzers", AnalyzerConformance)
_class(
    "Visualizations",
    VisualizationConformance,
    visualizations=tuple(v.id for v in VISUALIZATIONS if v.id not in ALONE),
)
_class("Second", VisualizationConformance, visualizations=("wrong.right", *ALONE))
for base in (ProbeConformance, AnalyzerConformance, VisualizationConformance):
    _class(f"Nothing_{base.__name__}", base, plugin="wrong_bare")
