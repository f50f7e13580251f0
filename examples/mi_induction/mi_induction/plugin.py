"""What this distribution contributes to `mi`; light: functions are named, not imported."""

from __future__ import annotations

from mi import Analyzer, Family, FamilyCode, Option, ProbeKind, Visualization, hookimpl
from mi_induction.analyses import ANALYZERS
from mi_induction.figures import VISUALIZATIONS

CODE = "induction.attention_only"


@hookimpl
def register_family() -> FamilyCode:
    """Two-layer attention-only transformers, and the family that is shipped."""
    return FamilyCode(
        id=CODE,
        implementation="mi_induction.family:AttentionOnly",
        title="Two-layer attention-only transformer",
        families=("mi_induction:families/induction_attention_only",),
    )


@hookimpl
def provide_probe(family: Family) -> list[ProbeKind]:
    """Rows with a repeated segment, for families of this code."""
    if family.code != CODE:
        return []
    return [
        ProbeKind(
            id="induction.repeated_segments",
            title="Rows with a repeated segment",
            build="mi_induction.probes:repeated_segments",
            options={
                "rows": Option(type="int", default=64, minimum=2, maximum=4096, description="rows, in twins"),
                "segment": Option(
                    type="int",
                    default=0,
                    minimum=0,
                    maximum=2048,
                    description="tokens of the segment; 0 for a third of the context",
                ),
                "seed": Option(
                    type="int", default=0, minimum=0, maximum=4294967295, description="seed of the draw"
                ),
            },
            description="A segment stands twice, at the same places in every row; nothing else repeats.",
        )
    ]


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Analyses of induction, for families of this code."""
    return list(ANALYZERS) if family.code == CODE else []


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Figures of these analyses, for families of this code."""
    return list(VISUALIZATIONS) if family.code == CODE else []
