"""A family as unlike the shipped one as can be: an MLP over one axis, hooked by hand; the core is generic.

Tests change ``ANALYZERS`` and load the host anew.
"""

from __future__ import annotations

from mi import Analyzer, ArtifactNeed, Derived, FamilyCode, Option, Output, ProbeNeed, Site, hookimpl

HIDDEN, LOGITS = Site("hook_hidden", -1), Site("hook_logits", -1)

SQUARE = Derived(
    id="tiny.square", version=1, function="mi_tiny.analyzers:square", sites=(HIDDEN,), context=("scale",)
)

_ALL = (
    Analyzer(
        id="tiny.means",
        version=1,
        title="Mean activation",
        function="mi_tiny.analyzers:means",
        sites=(HIDDEN,),
        outputs={"mean": Output(("unit",), units="1"), "dead": Output((), "int16", fill=-1)},
        options={"power": Option(type="int", default=1, minimum=1)},
    ),
    Analyzer(
        id="tiny.energy",
        version=1,
        title="Energy",
        function="mi_tiny.analyzers:energy",
        derived=(SQUARE,),
        outputs={"energy": Output(())},
    ),
    Analyzer(
        id="tiny.share",
        version=1,
        title="Energy by unit",
        function="mi_tiny.analyzers:share",
        derived=(SQUARE,),
        outputs={"share": Output(("unit",))},
    ),
    Analyzer(
        id="tiny.norms",
        version=1,
        title="Norms of the matrices",
        function="mi_tiny.analyzers:norms",
        weights=True,
        outputs={"norm": Output(("matrix",))},
        coordinates="mi_tiny.analyzers:matrices",
    ),
    Analyzer(
        id="tiny.grid",
        version=1,
        title="Logits over the grid",
        function="mi_tiny.analyzers:grid",
        sites=(LOGITS,),
        probe=ProbeNeed(axes=("x",), complete=True, masks=("train",), labels=True),
        outputs={"logit": Output(("x", "klass")), "accuracy": Output((), "float64")},
    ),
    Analyzer(
        id="tiny.gap",
        version=1,
        title="Distance from the end",
        function="mi_tiny.analyzers:gap",
        artifacts=(ArtifactNeed("tiny.means"), ArtifactNeed("tiny.means", at="reference")),
        outputs={"gap": Output(())},
    ),
    Analyzer(
        id="tiny.path",
        version=1,
        title="Path of the means",
        scope="trajectory",
        function="mi_tiny.analyzers:path",
        artifacts=(ArtifactNeed("tiny.means", at="all"),),
        outputs={"step": Output(("epoch",)), "total": Output((), "float64")},
    ),
    Analyzer(
        id="tiny.drift",
        version=1,
        title="Drift of the weights",
        scope="trajectory",
        function="mi_tiny.analyzers:drift",
        weights=True,
        artifacts=(ArtifactNeed("tiny.path", at="all"),),
        outputs={"drift": Output(("epoch",))},
    ),
)
# Over all variants; not offered unless a test says so.
ENDS = Analyzer(
    id="tiny.ends",
    version=1,
    title="Where variants end",
    function="mi_tiny.analyzers:ends",
    scope="family",
    artifacts=(ArtifactNeed("tiny.means", at="all"),),
    options={"power": Option(type="int", default=1, minimum=1)},
    outputs={
        "mean": Output(("variant",), "float64"),
        "epochs": Output(("variant",), "int32", fill=-1),
        "size": Output(("variant",), "int32", fill=-1),
    },
)
ANALYZERS = {analyzer.id: analyzer for analyzer in _ALL}

# Offered, and used where a family.json names them: the same mean, batch by batch and over all rows at once.
EXTRA = (
    Analyzer(
        id="tiny.spread",
        version=1,
        title="Mean, streaming",
        function="mi_tiny.streams:Spread",
        streaming=True,
        sites=(HIDDEN,),
        outputs={"mean": Output(("unit",), "float64")},
    ),
    Analyzer(
        id="tiny.held",
        version=1,
        title="Mean, held",
        function="mi_tiny.streams:held",
        sites=(HIDDEN,),
        outputs={"mean": Output(("unit",), "float64")},
    ),
)


@hookimpl
def register_family() -> FamilyCode:
    return FamilyCode(id="tiny.mlp", implementation="mi_tiny.code:TinyMlp", title="Tiny MLP")


@hookimpl
def analyze(family: object) -> list[Analyzer]:
    return [*ANALYZERS.values(), *EXTRA]
