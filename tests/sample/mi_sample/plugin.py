"""The hooks; light."""

from __future__ import annotations

from mi import (
    Analyzer,
    ArtifactNeed,
    Family,
    FamilyCode,
    Field,
    Option,
    Output,
    Site,
    Visualization,
    hookimpl,
)


@hookimpl
def register_family() -> FamilyCode:
    return FamilyCode(
        id="sample.sums",
        implementation="mi_sample.family:Sums",
        families=("mi_sample:families/sample_sums",),
    )


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    return [
        Analyzer(
            id="sample.answers",
            version=1,
            title="Answers",
            function="mi_sample.analysis:answers",
            sites=(Site("unembed.hook_out", -1),),
            outputs={"right": Output(("x", "y")), "answer": Output(("x", "y", "number"))},
            options={"scale": Option(type="float", default=1.0, minimum=0)},
        ),
        Analyzer(
            id="sample.curve",
            version=1,
            title="Curve",
            scope="trajectory",
            function="mi_sample.analysis:curve",
            artifacts=(ArtifactNeed("sample.answers", at="all"),),
            outputs={"share": Output(("epoch",))},
        ),
    ]


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    return [
        Visualization(
            id="sample.right",
            title="Logit of the right answer",
            reads=("sample.answers",),
            fields={"right": Field("image", ("y", "x"), scale="symmetric", units="logit")},
            frame="mi_sample.analysis:frame",
            figure="mi_sample.analysis:figure",
            options={"sign": Option(type="int", default=1, choices=(1, -1))},
        )
    ]
