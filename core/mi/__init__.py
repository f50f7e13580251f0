"""`mi`: find out how a family of trained models solves its task, and how that solution formed.

Names are imported on first use, so that ``import mi`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Analyzer": "mi.domain.analyzer",
    "ArtifactNeed": "mi.domain.needs",
    "Derived": "mi.domain.needs",
    "GradientNeed": "mi.domain.needs",
    "Output": "mi.domain.output",
    "ProbeNeed": "mi.domain.needs",
    "Site": "mi.domain.site",
    "FamilyCode": "mi.domain.code",
    "Training": "mi.domain.code",
    "TrainingPass": "mi.domain.code",
    "VariantCode": "mi.domain.code",
    "Family": "mi.domain.family",
    "Probe": "mi.domain.probe",
    "probe_from_rows": "mi.domain.probe",
    "ProbeKind": "mi.domain.probe",
    "Rows": "mi.domain.probe",
    "RowSource": "mi.domain.probe",
    "Option": "mi.domain.values",
    "Field": "mi.domain.visualization",
    "Visualization": "mi.domain.visualization",
    "MiError": "mi.errors",
    "NotApplicableError": "mi.errors",
    "ParameterError": "mi.errors",
    "hookimpl": "mi.hookspecs",
    "open": "mi.lab",
}

__all__ = sorted(["__version__", *_PUBLIC])

if TYPE_CHECKING:
    from mi.domain.analyzer import Analyzer as Analyzer
    from mi.domain.code import FamilyCode as FamilyCode
    from mi.domain.code import Training as Training
    from mi.domain.code import TrainingPass as TrainingPass
    from mi.domain.code import VariantCode as VariantCode
    from mi.domain.family import Family as Family
    from mi.domain.needs import ArtifactNeed as ArtifactNeed
    from mi.domain.needs import Derived as Derived
    from mi.domain.needs import GradientNeed as GradientNeed
    from mi.domain.needs import ProbeNeed as ProbeNeed
    from mi.domain.output import Output as Output
    from mi.domain.probe import Probe as Probe
    from mi.domain.probe import ProbeKind as ProbeKind
    from mi.domain.probe import Rows as Rows
    from mi.domain.probe import RowSource as RowSource
    from mi.domain.probe import probe_from_rows as probe_from_rows
    from mi.domain.site import Site as Site
    from mi.domain.values import Option as Option
    from mi.domain.visualization import Field as Field
    from mi.domain.visualization import Visualization as Visualization
    from mi.errors import MiError as MiError
    from mi.errors import NotApplicableError as NotApplicableError
    from mi.errors import ParameterError as ParameterError
    from mi.hookspecs import hookimpl as hookimpl
    from mi.lab import open as open


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
