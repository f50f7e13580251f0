"""Seconds and peak memory of `mi analyze` as the work grows: checkpoints, probe rows, width, layers.

    python benchmarks/growth.py [--rounds 1] [--threads N] [--axes checkpoints,rows,…] [--full]

Each point is a process of its own that only analyzes: its peak resident memory is its own. Every curve is
fitted by a power law, y = a·x^b, least squares over the logarithms: seconds of the processors, which others
disturb less than the clock, and of memory the peak above that of the same process when it had analyzed one
tiny variant (at least 1 MB, since less is noise).
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from common import FAMILY, begin, make_variant, place, publish, size, span, table, tell, verdict

FULL = {"rounds": 3, "scale": "full"}
LAYERED = "layered"  # a local plugin, so that the children load it too
WARM = {"prime": 5, "d_model": 8, "d_head": 4, "n_heads": 2, "d_mlp": 8}
CHILD = """
import json, re, sys, time
import torch
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
root, warm, name, threads, device = sys.argv[1:]
torch.set_num_threads(int(threads))
def peak():  # not ru_maxrss, which a child inherits from who started it
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
workspace = Workspace.open(root)
analyze([workspace.variant(warm)], device=device)  # imports and first touches are not what grows
before, start, busy = peak(), time.perf_counter(), time.process_time()
summary = analyze([workspace.variant(name)], device=device)
assert not summary.failures, summary.failures
print(json.dumps({"clock": time.perf_counter() - start, "processors": time.process_time() - busy,
                  "before": before, "peak": peak(), "passes": summary.total.forward_passes}))
"""


@frozen
class Axis:
    """One way of growing.

    Attributes:
        title, x_label: for people.
        points: what x is -> what makes the variant (`checkpoints`, and domain parameters).
        x: from a point to the number that is fitted.
        what: what stays the same.
    """

    title: str
    x_label: str
    points: Sequence[Mapping[str, int]]
    x: Callable[[Mapping[str, int]], int]
    what: str


def axes(scale: str) -> dict[str, Axis]:
    full = scale == "full"
    return {
        "checkpoints": Axis(
            "Checkpoints",
            "checkpoints",
            [{"prime": 31, "checkpoints": n} for n in ((10, 46, 215, 1000) if full else (4, 12))],
            lambda point: point["checkpoints"],
            "p = 31",
        ),
        "rows": Axis(
            "Probe rows",
            "rows",
            [{"prime": p, "checkpoints": 4} for p in ((59, 83, 113, 167, 251) if full else (13, 23))],
            lambda point: point["prime"] ** 2,
            "4 checkpoints; rows are p² pairs, and with them answers, frequencies and numbers grow as p",
        ),
        "width": Axis(
            "Model width",
            "d_model",
            [
                {
                    "prime": 59 if full else 13,
                    "checkpoints": 4,
                    "d_model": d,
                    "d_head": d // 4,
                    "d_mlp": 4 * d,
                }
                for d in ((64, 128, 256, 512) if full else (16, 32))
            ],
            lambda point: point["d_model"],
            "4 checkpoints, p = 59; heads and neurons grow with the residual stream"
            if full
            else "4 checkpoints",
        ),
        **{
            f"rows_{analyzer}": Axis(
                f"Probe rows, {words}",
                "rows",
                [
                    {"layers": 1, "rows": n, "checkpoints": 2, analyzer: 1}
                    for n in ((1000, 4000, 16000) if full else (100, 400))
                ],
                lambda point: point["rows"],
                "2 checkpoints of a transformer of one layer and width 128; one analyzer reads the residual "
                "stream at all of a row's 16 positions, 8 kB a row",
            )
            for analyzer, words in (("streamed", "streaming"), ("held", "held all at once"))
        },
        "layers": Axis(
            "Layers",
            "layers",
            [{"layers": n, "checkpoints": 4} for n in ((1, 4, 16) if full else (1, 2))],
            lambda point: point["layers"],
            "4 checkpoints of transformers of width 128 over 512 sequences of 16 tokens; one analyzer reads "
            "the residual stream and the neurons of every layer",
        ),
    }


def run(root: Path, warm: str, name: str, given: Any) -> dict[str, float]:
    """One analysis in a process of its own."""
    words = [str(root), warm, name, str(given.threads), given.device]
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", CHILD, *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": here}
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """B of y = a·x^b."""
    pairs = [(math.log(a), math.log(max(b, 1e-9))) for a, b in zip(x, y, strict=True)]
    mean_x, mean_y = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    spread = sum((a - mean_x) ** 2 for a, _ in pairs)
    return float(sum((a - mean_x) * (b - mean_y) for a, b in pairs) / spread)


def declare(small: Any, point: Mapping[str, int]) -> Any:
    """The variant of a point, in the workspace of the tiny one."""
    import layered

    if "layers" in point:
        analyzer = next((name for name in ("streamed", "held") if name in point), "residual")
        return layered.declare(small.workspace, point["layers"], point.get("rows", layered.ROWS), analyzer)
    parameters = {name: value for name, value in point.items() if name != "checkpoints"}
    return small.workspace.declare(small.family, {"train_fraction": 0.5, **parameters})


def grow(folder: Path, axis: Axis, given: Any) -> list[dict[str, float]]:
    """Medians of each point, the rounds alternating between points."""
    import statistics

    from engine import forget

    from mi.training import train

    variants, tiny = [], ""
    for i, point in enumerate(axis.points):
        root = folder / f"{axis.title}{i}"
        small = make_variant(root, 1, local=(LAYERED,), **WARM)  # type: ignore[arg-type]
        last = point["checkpoints"] - 1
        variants.append(declare(small, point))
        train(variants[-1], epochs=last, schedule=f"0:{last}:1")
        tiny = small.id
        tell(f"{axis.title}: trained {dict(point)}")
    found: list[list[dict[str, float]]] = [[] for _ in variants]
    for _ in range(given.rounds):
        for measured, variant in zip(found, variants, strict=True):
            forget(variant)
            forget(variant.workspace.variant(tiny))
            measured.append(run(variant.workspace.root, tiny, variant.id, given))
            tell(f"{axis.title}: {measured[-1]}")
    return [{key: statistics.median(one[key] for one in of) for key in of[0]} for of in found]


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(
        __doc__,
        FULL,
        argv,
        rounds=1,
        scale="small",
        axes="checkpoints,rows,rows_streamed,rows_held,width,layers",
    )
    chosen = {name: axis for name, axis in axes(given.scale).items() if name in given.axes.split(",")}
    with place(LAYERED) as folder:
        found = {name: grow(folder, axis, given) for name, axis in chosen.items()}
    publish(given, "growth", report(given, chosen, found))


def report(given: Any, chosen: Mapping[str, Axis], found: Mapping[str, list[dict[str, float]]]) -> str:
    parts = [
        f"""## Growth

{FAMILY}, all its analyzers, {given.device}; each point is the median of {given.rounds} processes that \
only analyze. \
{given.machine}"""
    ]
    for name, axis in chosen.items():
        x, points = [axis.x(point) for point in axis.points], found[name]
        above = [max(point["peak"] - point["before"], 1e6) for point in points]
        rows = [
            [at, span(one["clock"]), span(one["processors"]), size(one["peak"]), size(more)]
            for at, one, more in zip(x, points, above, strict=True)
        ]
        head = [axis.x_label, "seconds", "processor seconds", "peak memory", "above a tiny variant's"]
        time_b = exponent(x, [one["processors"] for one in points])
        late_b = exponent(x[-2:], [one["processors"] for one in points[-2:]])
        memory_b = exponent(x, above)
        said = (
            f"Processor seconds grow as {axis.x_label}^{time_b:.2f} (^{late_b:.2f} at its end), memory "
            f"above a tiny variant's as ^{memory_b:.2f}."
        )
        if name in ("checkpoints", "rows_streamed"):
            flat = points[-1]["peak"] / points[0]["peak"]
            said += (
                f" From {x[0]} to {x[-1]} {axis.x_label} the peak grows {flat:.2f} ×; it must stay flat: "
                f"{verdict(flat <= 1.10)}."
            )
        parts.append(f"### {axis.title}\n\n{axis.what}.\n\n{table(head, rows)}\n\n{said}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
