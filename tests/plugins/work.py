"""A plugin whose declarations are sound and whose functions misbehave, and the same in a local file."""

from __future__ import annotations

from pathlib import Path

PLUGIN = """
from mi import Analyzer, ArtifactNeed, Field, Output, Visualization, hookimpl

AT = "mi_work_functions:"


def analyzer(name, **more):
    outputs = {"value": Output(())}
    return Analyzer(id=f"work.{name}", version=1, title=name, function=AT + name, outputs=outputs, **more)


@hookimpl
def analyze(family):
    return [
        analyzer("fine"),
        analyzer("fails_at_20"),
        analyzer("undeclared"),
        analyzer("shape"),
        analyzer("base"),
        analyzer("exits"),
        Analyzer(id="work.absent", version=1, title="absent", function="mi_work_absent:f",
                 outputs={"value": Output(())}),
        analyzer("after_absent", artifacts=(ArtifactNeed("work.absent"),)),
        analyzer("lines"),
    ]


def panel(name, **more):
    given = {"fields": {"note": Field("text")}, "frame": AT + "note"} | more
    return Visualization(id=f"work.{name}", title=f"Panel {name}", **given)


STATIC = {"fields": {"note": Field("text", static=True)}, "frame": None}


@hookimpl
def visualize(family):
    return [
        panel("good"),
        panel("base_frame", frame=AT + "base"),
        panel("ctrl_c_frame", frame=AT + "ctrl_c"),
        panel("mute_frame", frame=AT + "mute"),
        panel("huge_frame", frame=AT + "huge"),
        panel("lines_frame", frame=AT + "lines"),
        panel("deep_frame", frame=AT + "deep"),
        panel("late_frame", frame=AT + "fails_at_20"),
        panel("static", **STATIC, static=AT + "static"),
        panel("figure", figure=AT + "figure"),
        panel("absent", frame="mi_work_absent:frame"),
        panel("closing", frame=AT + "closing"),
    ]
"""
FUNCTIONS = """
import sys


class Evil(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


def fine(data):
    return {"value": data.epoch}


def after_absent(data):
    return {"value": 0}


def fails_at_20(data, epoch=None, options=None):
    if (data.epoch if epoch is None else epoch) == 20:
        raise ZeroDivisionError("at 20")
    return {"value": 1.0} if epoch is None else note(data, epoch, options)


def undeclared(data):
    return {"value": 1.0, "more": 2.0}


def shape(data):
    return {"value": [1.0, 2.0]}


def exits(data):
    sys.exit(7)


def note(data, epoch, options):
    return {"note": f"at {epoch}"}


def base(*_):
    raise Evil("no Exception at all")


def ctrl_c(*_):
    raise KeyboardInterrupt("not by hand")


def mute(*_):
    raise Mute


def huge(*_):
    raise ValueError("x" * 1_000_000)


def lines(*_):
    raise ValueError("one\\ntwo\\x1b[31m<b>three</b>")


def deep(*arguments):
    return deep(*arguments)


def static(data, options):
    raise LookupError("in static")


def figure(sources, context, options):
    raise LookupError("in figure")


def closing(data, epoch, options):
    print("NOISE of a frame")
    return note(data, epoch, options)
"""


def write_work(site: Path) -> Path:
    """Install it as `mi-work` 2.0."""
    info = site / "mi_work-2.0.dist-info"
    info.mkdir(parents=True)
    (site / "mi_work_plugin.py").write_text(PLUGIN)
    (site / "mi_work_functions.py").write_text(FUNCTIONS)
    (site / "mi_work_absent.py").write_text("import nowhere_to_be_found\n")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mi-work\nVersion: 2.0\nRequires-Dist: mi-core>=0.1,<1\n"
    )
    (info / "entry_points.txt").write_text("[mi.plugins]\nwork = mi_work_plugin\n")
    return site
