"""Every fault under an id of its own; ``right`` has none."""

from __future__ import annotations

import mi
from mi_wrong.declare import ANALYZERS, FAMILIES, KINDS, VISUALIZATIONS


@mi.hookimpl
def register_family():
    return [
        mi.FamilyCode(
            id=f"wrong.{fault}",
            implementation=f"mi_wrong.code:{''.join(part.capitalize() for part in fault.split('_'))}",
            families=(f"mi_wrong:families/wrong_{fault}",),
        )
        for fault in FAMILIES
    ]


@mi.hookimpl
def provide_probe(family):
    return KINDS


@mi.hookimpl
def analyze(family):
    return ANALYZERS


@mi.hookimpl
def visualize(family):
    return VISUALIZATIONS
