"""One pass for all analyzers against a pass and an npz file for each: seconds by the number of analyzers.

    python benchmarks/analyzers.py [--prime 17] [--checkpoints 4] [--rounds 2] [--threads N] [--full]

The naive way gives each analyzer a loop of its own over the checkpoints and writes its results as a
compressed
npz an epoch, as one script an analysis does. The bare loop makes one pass for all and stores nothing: F
+ ΣA,
which nothing that computes all of it can undercut. The ideal ratio is the naive time over the bare loop's,
(n·F + ΣA + saving) / (F + ΣA). The same functions run on all sides, and the results are compared.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import FAMILY, Took, alternate, begin, make_variant, place, publish, span, table, verdict

FULL = {"prime": 113, "checkpoints": 20, "rounds": 5}
COUNTS = (1, 2, 4, 8, 12)
LEAST_LIGHT, LEAST_SHARE, LIGHT_SECONDS = 5, 0.80, 0.010
NAIVE, OURS, BARE = "a pass and an npz each", "`mi analyze`", "bare loop"
DRAWING = "analyzers.svg"


class Case:
    """One set of analyzers, computed in three ways.

    Attributes:
        seconds: way -> what the plain loops counted in their last run.
        passes: way -> forward passes of the last run.
    """

    def __init__(self, variant: Any, ids: list[str] | None, folder: Path, device: str) -> None:
        import plain

        self.variant, self.folder, self.device = variant, folder, device
        listed = ids if ids is not None else [use.id for use in variant.family.analyzers]
        self.bench = plain.bench_of(variant, listed, device)
        self.seconds: dict[str, dict[str, float]] = {}
        self.passes: dict[str, int] = {}

    @property
    def count(self) -> int:
        return len(self.bench.items)

    def ways(self) -> dict[str, Any]:
        return {NAIVE: self.naive, OURS: self.ours, BARE: self.bare}

    def naive(self) -> None:
        import plain

        shutil.rmtree(self.folder, ignore_errors=True)
        self._note(NAIVE, plain.naive(self.bench, self.folder, self.device))

    def bare(self) -> None:
        import plain

        self._note(BARE, plain.bare(self.bench, self.device))

    def ours(self) -> None:
        from engine import forget

        from mi.engine.analyze import analyze

        forget(self.variant)
        summary = analyze([self.variant], analyzers=list(self.bench.items), device=self.device)
        assert not summary.failures, summary.failures
        self.passes[OURS] = summary.total.forward_passes

    def _note(self, way: str, loop: Any) -> None:
        self.seconds[way], self.passes[way] = loop.seconds, loop.passes

    def compare(self) -> int:
        """How many arrays of the npz layout equal ours, to the last bit or a rounding; all must."""
        import numpy as np
        import plain

        from mi.store.artifacts import ArtifactReader

        reader, compared = ArtifactReader(self.bench.paths), 0
        for item in self.bench.items.values():
            data = reader.dataset(self.bench.probe_name, item.id)
            epochal = item.analyzer.scope == "checkpoint"
            for epoch in data["epoch"].values.tolist() if epochal else [None]:
                found = plain.read(plain.npz(self.folder, item.id, epoch))
                ours = data.sel(epoch=epoch) if epochal else data
                for name, values in found.items():
                    assert values.dtype == ours[name].dtype, (item.id, name)
                    np.testing.assert_allclose(ours[name].values, values, rtol=1e-4, atol=1e-5, err_msg=name)
                    compared += 1
        return compared


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(__doc__, FULL, argv, prime=17, checkpoints=4)
    with place() as folder:
        import light

        variant = make_variant(
            folder / "workspace", given.checkpoints, given={"light": light}, prime=given.prime
        )
        ids = [analyzer.id for analyzer in light.ANALYZERS]
        cases = {str(n): Case(variant, ids[:n], folder / "npz", given.device) for n in COUNTS}
        cases["all of the family's"] = Case(variant, None, folder / "npz", given.device)
        took: dict[str, dict[str, Took]] = {}
        cases["1"].bare()  # imports are nobody's
        for name, case in cases.items():
            took[name] = alternate(case.ways(), given.rounds)
            case.ours()
            compared = case.compare()
        drawn = draw(given, took)
        target = given.readme.with_name(DRAWING) if given.readme else folder / DRAWING
        target.write_text(drawn, encoding="utf-8")
        publish(given, "analyzers", report(given, cases, took, compared))


def draw(given: Any, took: Any) -> str:
    from drawing import lines

    title = f"{given.checkpoints} checkpoints, p = {given.prime}: seconds by light analyzers"
    curves = {
        way.strip("`").replace("`", ""): [took[str(n)][way].clock for n in COUNTS]
        for way in (NAIVE, OURS, BARE)
    }
    return lines(title, "analyzers", "seconds", COUNTS, curves)


def report(given: Any, cases: Any, took: Any, compared: int) -> str:
    rows = []
    for name, ways in took.items():
        naive, ours, bare = ways[NAIVE], ways[OURS], ways[BARE]
        ideal = naive.clock / bare.clock
        passes = cases[name].passes
        rows.append(
            [
                f"{name}, light" if name.isdecimal() else f"{name} ({cases[name].count})",
                f"{span(naive.clock)} ({passes[NAIVE]} passes)",
                f"{span(ours.clock)} ({passes[OURS]})",
                f"{span(bare.clock)} ({passes[BARE]})",
                f"{naive.clock / ours.clock:.2f}",
                f"{naive.processors / ours.processors:.2f}",
                f"{ideal:.2f}",
                f"{100 * bare.clock / ours.clock:.0f} %",
            ]
        )
    head = ["analyzers", NAIVE, OURS, BARE, "ratio", "on the processors", "ideal ratio", "of the ideal"]
    light, full = took["12"], took["all of the family's"]
    ratio = light[NAIVE].clock / light[OURS].clock
    share = full[BARE].clock / full[OURS].clock
    full_case = cases["all of the family's"]
    parts = full_case.seconds[NAIVE]
    heaviest = (
        max(v for k, v in cases["12"].seconds[BARE].items() if k.startswith("light")) / given.checkpoints
    )
    own = sum(v for k, v in parts.items() if "." in k)
    shared = sum(v for k, v in full_case.seconds[BARE].items() if "." in k)
    return f"""## By the number of analyzers

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints, {given.device}; medians of {given.rounds} \
alternating \
rounds. {given.machine}

{table(head, rows)}

![Seconds against the number of analyzers]({DRAWING})

- 12 light analyzers (the slowest takes {span(heaviest)} a checkpoint, \
{"under" if heaviest < LIGHT_SECONDS else "**not under**"} 10 ms): target at least {LEAST_LIGHT} ×, found \
{ratio:.2f} ×: \
{verdict(ratio >= LEAST_LIGHT)}.
- The full set: target at least {100 * LEAST_SHARE:.0f} % of the ideal, found {100 * share:.0f} %: \
{verdict(share >= LEAST_SHARE)}. Of the naive way's time in its last round {span(parts["forward"])} were \
passes, \
{span(parts["load"])} loading, {span(own)} the analyzers' functions and {span(parts["save"])} saving; the \
functions \
take {span(shared)} where derived quantities are shared.
- Above 100 % of the ideal: `mi analyze` stops before the first layer that nobody reads; the plain loops run
on to the logits, as `run_with_cache` does unless told otherwise.
- {compared} arrays of the full set's npz files were compared with ours and are the same (to a rounding)."""


if __name__ == "__main__":
    main()
