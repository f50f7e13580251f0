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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from common import (
    FAMILY,
    Machine,
    alternate,
    make_variant,
    options,
    place,
    publish,
    settle,
    span,
    table,
    verdict,
)

FULL = {"prime": 113, "checkpoints": 95, "rounds": 5}
TARGET, OVERHEAD = 1.25, 0.10
BARE, OURS, FRESH = "bare loop, nothing stored", "`mi analyze`", "`mi analyze` again, everything fresh"
COMMAND = "the command `mi analyze`, everything fresh"
IMPORTS = "a Python that imports torch and TransformerLens"
WHAT = {
    "plan": "checkpoints hashed, fingerprints compared, model built, two rows tried out",
    "load": "waiting for weights read ahead, swapping them into the model",
    "forward": "the forward passes",
    "functions": "the analyzers' own functions and derived quantities",
    "hand-over": "around each analyzer: checksums of what is shared, needs as tensors, outputs checked",
    "write": "arrays laid, hand-over to the writer, waiting for it, groups tidied",
    "rest": "everything else: locks, progress, the log",
}


@contextmanager
def functions_timed() -> Iterator[list[float]]:
    """Seconds that analyzers' own functions take while this lasts, one entry a call."""
    from importlib import import_module

    engine: Any = import_module("mi.engine.item")
    plain, found = engine.resolve, []

    def timing(ref: Any) -> Any:
        function = plain(ref)

        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                found.append(time.perf_counter() - start)

        return call

    engine.resolve = timing
    try:
        yield found
    finally:
        engine.resolve = plain


class Engine:
    """`mi analyze` in this process.

    Attributes:
        stages: one dict a run: stage -> seconds.
        passes: of the last run.
    """

    def __init__(self, variant: Any, device: str) -> None:
        self.variant, self.device = variant, device
        self.stages: list[dict[str, float]] = []
        self.passes = 0

    def again(self) -> None:
        from mi.engine.analyze import analyze

        summary = analyze([self.variant], device=self.device)
        assert not summary.failures, summary.failures
        self.summary = summary.total

    def whole(self) -> None:
        forget(self.variant)
        start = time.perf_counter()
        with functions_timed() as functions:
            self.again()
        wall = time.perf_counter() - start
        self.passes = self.summary.forward_passes
        told = self.summary.seconds
        own = sum(functions)
        stages = {"plan": told["plan"], "load": told["load"], "forward": told["forward"], "functions": own}
        stages |= {"hand-over": told["analyze"] - own, "write": told["write"]}
        self.stages.append(stages | {"rest": wall - sum(stages.values())})


def forget(variant: Any) -> None:
    """Delete everything that was computed."""
    from mi.store.layout import VariantPaths

    paths = VariantPaths(variant.folder)
    for path in (paths.artifacts, paths.commits):
        shutil.rmtree(path, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> None:
    given = settle(options(__doc__, FULL, prime=17, checkpoints=6), argv)
    machine = Machine()
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
        publish(given, "engine", report(given, machine, len(bench.items), ours, took))


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def report(given: Any, machine: Machine, analyzers: int, ours: Engine, took: Mapping[str, Any]) -> str:
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
    own = whole - sum(middle[stage] for stage in ("load", "forward", "functions"))
    stages = [[stage, span(s), f"{100 * s / whole:.1f} %", WHAT[stage]] for stage, s in middle.items()]
    return f"""## `mi analyze` against a bare loop

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints, {analyzers} analyzers, {given.device}; \
medians of \
{given.rounds} alternating rounds. {machine.words(given.threads, given.device)}

{table(["way", "forward passes", "seconds", "× bare loop", "processor seconds", "× bare loop"], rows)}

Target: at most {TARGET} × the bare loop. Found: {ratio:.2f} × on the clock, {ratio_busy:.2f} × on the \
processors: \
{verdict(ratio <= TARGET)}.

| where `mi analyze` spends its time | seconds | of the whole | what |
| --- | ---: | ---: | --- |
{chr(10).join("| " + " | ".join(row) + " |" for row in stages)}

The engine's own (plan, hand-over, write, rest): {span(own)}, {100 * own / whole:.1f} % of the wall time; \
target \
below {100 * OVERHEAD:.0f} %: {verdict(own / whole < OVERHEAD)}."""


if __name__ == "__main__":
    main()
