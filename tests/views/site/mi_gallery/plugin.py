"""One visualization of each kind over the sample plugin's artifacts, and some that fail; light."""

from __future__ import annotations

from mi import Analyzer, Family, Field, Option, Output, Visualization, hookimpl

AT = "mi_gallery.figures:"
READS = ("sample.answers",)


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    return [
        Analyzer(
            id="gallery.few",
            version=1,
            title="Answers at few checkpoints",
            function=AT + "few",
            outputs={"right": Output(("x", "y"))},
            checkpoints=5,
        )
    ]


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    return [
        Visualization(
            id="gallery.map",
            title="Logit of the right answer",
            description="A map over the operands at the cursor.",
            reads=READS,
            fields={"map": Field("image", ("y", "x"), scale="symmetric", units="logit")},
            frame=AT + "map_frame",
            figure=AT + "map_figure",
            options={"sign": Option(type="int", default=1, choices=(1, -1))},
        ),
        Visualization(
            id="gallery.history",
            title="First row by epoch",
            reads=READS,
            fields={"history": Field("image", ("x", "epoch"), static=True)},
            static=AT + "history_static",
            figure=AT + "history_figure",
            x="epoch",
        ),
        Visualization(
            id="gallery.few_history",
            title="First row by epoch, at few of them",
            reads=("gallery.few",),
            fields={"history": Field("image", ("x", "epoch"), static=True)},
            static=AT + "few_static",
            figure=AT + "few_figure",
            x="epoch",
        ),
        Visualization(
            id="gallery.curves",
            title="Losses at checkpoints",
            losses=True,
            fields={"curves": Field("line", ("epoch",), scale="log", units="nats", static=True)},
            static=AT + "curves_static",
            figure=AT + "curves_figure",
            x="epoch",
        ),
        Visualization(
            id="gallery.bars",
            title="Mean by x",
            reads=READS,
            fields={"bars": Field("bars", ("x",), value="height"), "note": Field("text")},
            frame=AT + "bars_frame",
            figure=AT + "bars_figure",
        ),
        Visualization(
            id="gallery.points",
            title="Mean against spread",
            reads=READS,
            fields={"points": Field("points", ("x",), scale="cyclic", value="angle")},
            frame=AT + "points_frame",
            figure=AT + "points_figure",
        ),
        Visualization(
            id="gallery.groups",
            title="Sign groups",
            reads=READS,
            fields={"groups": Field("image", ("y", "x"), scale="categorical")},
            frame=AT + "groups_frame",
            figure=AT + "groups_figure",
        ),
        Visualization(
            id="gallery.curve",
            title="Trajectory",
            reads=("sample.curve",),
            fields={"curve": Field("line", ("epoch",), static=True)},
            static=AT + "curves_static",
            figure=AT + "curves_figure",
        ),
        Visualization(
            id="gallery.plain",
            title="Every kind without a figure of its own",
            reads=READS,
            losses=True,
            fields={
                "history": Field("image", ("x", "epoch"), static=True),
                "curves": Field("line", ("epoch",), scale="log", static=True),
                "map": Field("image", ("y", "x")),
                "row": Field("line", ("x",)),
                "bars": Field("bars", ("x",), value="height"),
                "points": Field("points", ("x",)),
                "note": Field("text"),
            },
            static=AT + "plain_static",
            frame=AT + "plain_frame",
        ),
        *(
            Visualization(
                id=f"gallery.{name}",
                title=name.capitalize(),
                reads=READS,
                fields={"map": Field("image", ("y", "x"))},
                frame=AT + f"{name}_frame",
                figure=AT + "map_figure",
            )
            for name in ("raises", "exits", "ragged", "grows", "wrong", "strange")
        ),
        Visualization(
            id="gallery.unsendable",
            title="Unsendable",
            reads=READS,
            fields={"map": Field("image", ("y", "x"))},
            frame=AT + "map_frame",
            figure=AT + "unsendable_figure",
        ),
    ]
