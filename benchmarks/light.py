"""A plugin with twelve light analyzers, each under 10 ms at p = 113: what a pass shared by many is worth.

Each reads one site at '=' and reduces it over the rows, as a first look at a model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.output import Output
from mi.domain.site import Site
from mi.hookspecs import hookimpl

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData

SITES = {
    "hook_embed": "feature",
    "blocks.0.hook_resid_pre": "feature",
    "blocks.0.hook_resid_mid": "feature",
    "blocks.0.hook_mlp_out": "feature",
    "blocks.0.hook_resid_post": "feature",
    "unembed.hook_out": "residue",
}
STATISTICS = ("mean", "size")


def reduced(data: CheckpointData, hook: str, statistic: str) -> dict[str, Any]:
    """``value``: mean, or root of the sum of squares, of each cell over the rows."""
    there = data.site(hook, -1)  # (rows, cells)
    return {"value": there.mean(0) if statistic == "mean" else there.square().sum(0).sqrt()}


def _analyzer(hook: str, statistic: str) -> Analyzer:
    return Analyzer(
        id=f"light.{statistic}_{hook.rpartition('.')[2]}" + ("" if "hook_out" not in hook else "_logits"),
        version=1,
        title=f"{statistic} of {hook}",
        function=lambda data: reduced(data, hook, statistic),
        sites=(Site(hook, -1),),
        outputs={"value": Output((SITES[hook],))},
    )


ANALYZERS = [_analyzer(hook, statistic) for hook in SITES for statistic in STATISTICS]


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Offered to every family."""
    return ANALYZERS
