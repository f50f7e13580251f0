"""`mi analyze` against a bare loop that stores nothing, and where the engine's own time goes.

    python benchmarks/engine.py [--prime 17] [--checkpoints 6] [--rounds 2] [--threads N] [--device cpu]
[--full]

Both run the same analyzer functions, those over whole trajectories too, on the same checkpoints of one
short
seeded training. The bare loop loads weights, makes one forward pass with the same sites, and calls the
functions: no plan, no fingerprints, no guards, no store. Then two commands, each in a process of its own:
`mi analyze` where everything is fresh, and a Python that only imports what a forward pass needs.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common import FAMILY, alternate, begin, make_variant, place, publish, span, table, verdict

from mi.engine.profile import profile
from mi.timing import recording

FULL = {"prime": 113, "checkpoints": 95, "rounds": 5}
TARGET, OVERHEAD = 1.25, 0.10
BARE, OURS, FRESH = "bare loop, nothing stored", "`mi analyze`", "`mi analyze` again, everything fresh"
COMMAND = "the command `mi analyze`, everything fresh"
IMPORTS = "a Python that imports torch and TransformerLens"
WHAT = {
    "plan": "checkpoints hashed, fingerprints compared, model built, two rows tried out",
    "load": "waiting for weights read ahead, swapping them into the model",
    "forward": "the forward passes",
    "functions": "the analyzers' own functions",
    "derived": "derived quantities, each once",
    "hand-over": "around each analyzer: checksums of what is shared, needs as tensors, outputs checked",
    "write": "arrays laid, hand-over to the writer, waiting for it",
    "trajectories": "analyzers over all epochs, read, computed and written",
    "tidy": "groups tidied",
    "families": "analyzers over a family's variants",
    "rest": "everything else: locks, progress, the log",
}
WORK = (
    "load",
    "forward",
    "functions",
    "derived",
)  # what the bare loop does too; so are trajectories' functions


class Engine:
    """`mi analyze` in this process.

    Attributes:
        stages: one dict a run: stage -> seconds.
        own: one a run: the part of the wall time that the bare loop has nothing of.
        passes: of the last run.
    """

    def __init__(self, variant: Any, device: str) -> None:
        self.variant, self.device = variant, device
        self.stages: list[dict[str, float]] = []
        self.own: list[float] = []
        self.passes = 0

    def again(self) -> None:
        from mi.engine.analyze import analyze

        summary = analyze([self.variant], device=self.device)
        assert not summary.failures, summary.failures
        self.summary = summary.total

    def whole(self) -> None:
        forget(self.variant)
        with recording() as found:
            self.again()
        self.passes = self.summary.forward_passes
        told = profile(found)
        self.stages.append({stage: told.stage(stage) for stage in WHAT})
        ours = (
            told.seconds - sum(told.stage(stage) for stage in WORK) - told.stage("trajectories", "function")
        )
        self.own.append(ours / told.seconds)


def forget(variant: Any) -> None:
    """Delete everything that was computed."""
    from mi.store.layout import VariantPaths

    paths = VariantPaths(variant.folder)
    for path in (paths.artifacts, paths.commits):
        shutil.rmtree(path, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(__doc__, FULL, argv, prime=17, checkpoints=6)
    with place() as folder:
        import plain

        root = folder / "workspace"
        variant = make_variant(root, given.checkpoints, prime=given.prime)
        ours = Engine(variant, given.device)
        bench = plain.bench_of(variant, device=given.device)
        mi = ["-m", "mi", "--workspace", str(root), "analyze", variant.name, "--threads", str(given.threads)]
        ways: Mapping[str, Callable[[], Any]] = {
            BARE: lambda: plain.bare(bench, given.device),
            OURS: ours.whole,
            FRESH: ours.again,
            COMMAND: lambda: run("-c", "from mi.cli import main; main()", *mi[2:], "--device", given.device),
            IMPORTS: lambda: run("-c", "import torch, transformer_lens"),
        }
        plain.bare(plain.bench_of(variant, device=given.device), given.device)  # imports are nobody's
        took = alternate(ways, given.rounds)
        publish(given, "engine", report(given, len(bench.items), ours, took))


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def report(given: Any, analyzers: int, ours: Engine, took: Mapping[str, Any]) -> str:
    base = took[BARE]
    passes = {BARE: given.checkpoints, OURS: ours.passes}
    rows = [
        [
            name,
            passes.get(name, 0),
            span(t.clock),
            f"{t.clock / base.clock:.2f}",
            span(t.processors),
            f"{t.processors / base.processors:.2f}",
        ]
        for name, t in took.items()
    ]
    ratio = took[OURS].clock / base.clock
    ratio_busy = took[OURS].processors / base.processors
    middle = {stage: statistics.median(s[stage] for s in ours.stages) for stage in ours.stages[0]}
    whole = sum(middle.values())
    own = statistics.median(ours.own)
    stages = [[stage, span(s), f"{100 * s / whole:.1f} %", WHAT[stage]] for stage, s in middle.items()]
    return f"""## `mi analyze` against a bare loop

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints, {analyzers} analyzers, {given.device}; \
medians of \
{given.rounds} alternating rounds. {given.machine}

{table(["way", "forward passes", "seconds", "× bare loop", "processor seconds", "× bare loop"], rows)}

Target: at most {TARGET} × the bare loop. Found: {ratio:.2f} × on the clock, {ratio_busy:.2f} × on the \
processors: \
{verdict(ratio <= TARGET)}.

| where `mi analyze` spends its time | seconds | of the whole | what |
| --- | ---: | ---: | --- |
{chr(10).join("| " + " | ".join(row) + " |" for row in stages)}

The engine's own, which is all but {", ".join(WORK)} and the functions of trajectories: \
{100 * own:.1f} % of the wall time; target below {100 * OVERHEAD:.0f} %: {verdict(own < OVERHEAD)}. \
`mi analyze --profile` prints the like."""


if __name__ == "__main__":
    main()
