"""The kit with which plugin authors prove their plugin: pytest fixtures and classes of checks to subclass.

The fixtures (``mi_host``, ``mi_workspace``, ``mi_tiny``, ``mi_variant``, ``mi_cli``) are there in every
pytest session; see :mod:`mi.testing.fixtures`. The classes are subclassed in a test module::

    from mi.testing import AnalyzerConformance

    class TestAnalyzers(AnalyzerConformance):
        plugin = "mine"
        family = "my_family"
        parameters = {"width": 8}

Names are imported on first use: pytest loads this package at its start.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AnalyzerConformance": "mi.testing.conformance.analyzer_store",
    "FamilyConformance": "mi.testing.conformance.family",
    "PluginConformance": "mi.testing.conformance.plugin",
    "ProbeConformance": "mi.testing.conformance.probe",
    "VisualizationConformance": "mi.testing.conformance.visualization",
    "Ran": "mi.testing.command",
    "run": "mi.testing.command",
    "Workspace": "mi.domain.workspace",
    "isolated": "mi.testing.workspace",
    "isolated_host": "mi.testing.workspace",
    "make_variant": "mi.testing.workspace",
    "make_workspace": "mi.testing.workspace",
}

__all__ = sorted(_PUBLIC)

if TYPE_CHECKING:
    from mi.domain.workspace import Workspace as Workspace
    from mi.testing.command import Ran as Ran
    from mi.testing.command import run as run
    from mi.testing.conformance.analyzer_store import AnalyzerConformance as AnalyzerConformance
    from mi.testing.conformance.family import FamilyConformance as FamilyConformance
    from mi.testing.conformance.plugin import PluginConformance as PluginConformance
    from mi.testing.conformance.probe import ProbeConformance as ProbeConformance
    from mi.testing.conformance.visualization import VisualizationConformance as VisualizationConformance
    from mi.testing.workspace import isolated as isolated
    from mi.testing.workspace import isolated_host as isolated_host
    from mi.testing.workspace import make_variant as make_variant
    from mi.testing.workspace import make_workspace as make_workspace


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mi.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
