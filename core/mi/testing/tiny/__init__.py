"""The kit's own plugin, ``testing``: a tiny family with two analyses and a figure, for tests of anything.

It is no installed plugin: :func:`mi.testing.workspace.make_workspace` puts it into a workspace as a local
one, and ``load_host(given={"testing": mi.testing.tiny})`` takes it as it is. Light, like any plugin module.
"""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode
from mi.domain.family import Family
from mi.domain.needs import ArtifactNeed, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi.hookspecs import hookimpl

PLUGIN, FAMILY = "testing", "tiny"

ACTIVITY = Analyzer(
    id="testing.activity",
    version=1,
    title="Activity of units",
    description="Mean activation of every hidden unit, and how many are never active.",
    function="mi.testing.tiny.analyses:activity",
    sites=(Site("hook_hidden", -1),),
    options={
        "power": Option(type="int", default=1, minimum=1, maximum=4, description="activations to this power")
    },
    outputs={
        "mean": Output(("unit",), description="mean over rows"),
        "dead": Output((), "int32", fill=-1, description="how many units are 0 on every row"),
    },
)

ANSWERS = Analyzer(
    id="testing.answers",
    version=1,
    title="Answers over the grid",
    description="Logit of the right answer for every pair (x, y).",
    function="mi.testing.tiny.analyses:answers",
    sites=(Site("hook_logits", -1),),
    probe=ProbeNeed(axes=("x", "y"), complete=True, labels=True),
    outputs={"right": Output(("x", "y"), description="logit of the right answer")},
)

PATH = Analyzer(
    id="testing.path",
    version=1,
    title="Path of the mean activity",
    description="How far the mean activations have moved since the checkpoint before.",
    function="mi.testing.tiny.analyses:path",
    scope="trajectory",
    artifacts=(ArtifactNeed("testing.activity", at="all"),),
    outputs={"step": Output(("epoch",), description="distance from the checkpoint before; 0 at the first")},
)

BARS = Visualization(
    id="testing.activity",
    title="Activity of units",
    description="Mean activation of every hidden unit at the cursor.",
    reads=(ACTIVITY.id,),
    fields={"activity": Field("bars", ("unit",))},
    frame="mi.testing.tiny.figures:activity_frame",
    figure="mi.testing.tiny.figures:activity_figure",
    options={
        "color": Option(
            type="str",
            default="blue",
            choices=("blue", "grey"),
            role="cosmetic",
            description="colour of the bars",
        )
    },
)

MAP = Visualization(
    id="testing.answers",
    title="Answers over the grid",
    description="Logit of the right answer for every pair (x, y) at the cursor.",
    reads=(ANSWERS.id,),
    fields={"right": Field("image", ("y", "x"), scale="symmetric", units="logit")},
    frame="mi.testing.tiny.figures:answers_frame",
    figure="mi.testing.tiny.figures:answers_figure",
)


@hookimpl
def register_family() -> FamilyCode:
    """The tiny family."""
    return FamilyCode(
        id="testing.mlp",
        implementation="mi.testing.tiny.code:TinyMlp",
        title="The larger of two numbers",
        families=("mi.testing.tiny:families/tiny",),
    )


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Offered to the tiny family."""
    return [ACTIVITY, ANSWERS, PATH] if family.code == "testing.mlp" else []


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Offered to the tiny family."""
    return [BARS, MAP] if family.code == "testing.mlp" else []
