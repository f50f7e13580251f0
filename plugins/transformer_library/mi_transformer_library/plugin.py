"""What this distribution contributes to `mi`: analyses of transformers, offered to every family.

Light, so that listing plugins costs no second. It knows no task: a family.json binds what it wants, and what
does not fit a model or a probe says so.
"""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.visualization import Visualization
from mi.hookspecs import hookimpl
from mi_transformer_library.declare_heads import HEADS
from mi_transformer_library.declare_logits import LOGITS
from mi_transformer_library.declare_patching import PATCHING
from mi_transformer_library.declare_views import VISUALIZATIONS

ANALYZERS = (*HEADS, *LOGITS, *PATCHING)


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Offered to every family."""
    return list(ANALYZERS)


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Offered to every family."""
    return list(VISUALIZATIONS)
