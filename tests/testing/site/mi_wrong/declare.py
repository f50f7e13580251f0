"""The declarations; light."""

from __future__ import annotations

from mi import Analyzer, ArtifactNeed, Field, GradientNeed, Option, Output, ProbeKind, Site, Visualization

FAMILIES = (
    *("right", "validates", "described", "accepts", "crashes", "rows", "row_order", "dims", "context"),
    *("unseeded", "one_seed", "training_mode", "misspelt", "lenient", "leftover", "batchy", "forward"),
    *("losses",),
    *("global_build", "detached", "metrics", "global_pass", "resume"),
)
HIDDEN = Site("hook_hidden", -1)


def _kind(name, title="Kind", **options):
    return ProbeKind(
        id=f"wrong.{name}", title=title, description="Rows.", build=f"mi_wrong.probes:{name}", options=options
    )


KINDS = [
    _kind("right"),
    _kind("untitled", title=" "),
    _kind("raises"),
    _kind("floats"),
    _kind("inconsistent"),
    _kind("drawn"),
    _kind("outside"),
    _kind("option", n=Option(type="int", default=1, minimum=1, maximum=9, description="rows")),
    _kind("folder"),
    _kind("global_draw"),
]


def _analyzer(name, output=None, sites=(HIDDEN,), **more):
    declared = {"mean": output or Output(("unit",), description="mean")}
    return Analyzer(
        id=f"wrong.{name}",
        version=1,
        title="Mean",
        description="Mean activation.",
        function=f"mi_wrong.analyses:{name}",
        sites=sites,
        outputs=declared,
        **more,
    )


ANALYZERS = [
    _analyzer("right"),
    Analyzer(
        id="wrong.path",
        version=1,
        title="Path",
        description="How far the means move.",
        function="mi_wrong.analyses:path",
        scope="trajectory",
        artifacts=(ArtifactNeed("testing.activity", at="all"),),
        outputs={"step": Output(("epoch",), description="distance")},
    ),
    _analyzer("undescribed", Output(("unit",))),
    _analyzer("nowhere", Output(("nowhere",), description="mean")),
    _analyzer("misspelt", sites=(Site("hook_hiden", -1),)),
    _analyzer("raises"),
    _analyzer("undeclared"),
    _analyzer("unread", sites=(HIDDEN, Site("hook_embed"))),
    _analyzer("unread_gradient", gradients=(GradientNeed(weights=True),)),
    _analyzer("edits"),
    _analyzer("extra"),
    _analyzer("away"),
    _analyzer("drawn"),
    _analyzer("global_seed"),
    _analyzer("option", options={"n": Option(type="int", default=1, minimum=0, description="divisor")}),
    _analyzer("zero", Output(("unit",), fill=0.0, description="mean")),
    _analyzer("sentinel", Output((), "int32", fill=6, description="units")),
    _analyzer("endless"),
    _analyzer("unpriced", cost="mi_wrong.analyses:neurons"),
    _analyzer("half", Output((), "int32", fill=0.5, description="units")),
    _analyzer("mean_of_means", streaming=True),
    _analyzer("holds", streaming=True),
    _analyzer("twice", Output(("draw",), description="mean"), coordinates="mi_wrong.analyses:same_names"),
    _analyzer("stale", Output(("draw",), description="mean"), coordinates="mi_wrong.analyses:draws"),
    _analyzer("stateful"),
    _analyzer("rows", Output(("row",), description="share of all rows")),
    _analyzer("grid", Output(("x", "y"), description="sum of activations")),
]

BARS = {"bars": Field("bars", ("unit",))}


def _view(name, figure="figure", title="Means", frame=None, **more):
    declared = {
        "description": "Means.",
        "reads": ("testing.activity",),
        "fields": BARS,
        "frame": f"mi_wrong.figures:{frame or name}",
        "figure": f"mi_wrong.figures:{figure}",
    }
    return Visualization(id=f"wrong.{name}", title=title, **{**declared, **more})


VISUALIZATIONS = [
    _view("right"),
    _view("untitled", title="", frame="right"),
    _view("unknown", frame="right", reads=("testing.nothing",)),
    _view(
        "selector",
        frame="right",
        options={"unit": Option(type="int", default=0, role="selector", dim="units", description="the unit")},
    ),
    _view("other_field"),
    _view("raises"),
    _view("grows"),
    _view("edits"),
    _view("drawn"),
    _view("no_figure", "no_figure", frame="right"),
    _view("empty", "empty", frame="right"),
    _view("shared", "shared", frame="right"),
    _view("hidden_read", reads=()),
    Visualization(
        id="wrong.gaps",
        title="Means",
        description="Means over training.",
        reads=("testing.activity",),
        fields={"history": Field("image", ("unit", "epoch"), static=True)},
        static="mi_wrong.figures:gaps",
        figure="mi_wrong.figures:history",
        x="epoch",
    ),
    _view(
        "choice",
        "choice",
        frame="right",
        options={
            "kind": Option(type="str", default="bars", choices=("bars", "lines"), description="of drawing")
        },
    ),
    _view(
        "cosmetic",
        options={
            "sign": Option(type="int", default=1, choices=(1, -1), role="cosmetic", description="of the bars")
        },
    ),
    _view("first_panel", "first_panel", frame="right"),
]
