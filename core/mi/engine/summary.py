"""What an analysis did: a summary a variant, the closing line, and the log."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence

from attrs import define, field

from mi.engine.failure import Failure
from mi.engine.task import STAGES
from mi.errors import StoreError
from mi.plural import counted
from mi.store.layout import VariantPaths


@define
class VariantSummary:
    """What was done to one variant.

    Attributes:
        variant: its name.
        checkpoints: checkpoints that were asked for (with the reference, where it was needed).
        forward_passes: checkpoints passed forward; the plan's look at two rows is not one.
        own_passes: passes that analyzers made themselves, each over all the rows that it was given.
        analyzers: how many analyzers were asked for, with those they need.
        computed: results computed and committed: one for each analyzer and checkpoint, one a trajectory.
        fresh: results that were there already.
        failures: what went wrong; the command fails at its end when there is any.
        skipped: analyzer -> why it does not apply to the probe.
        seconds: stage -> seconds; `write` is what the passes waited for.
        analyzer_seconds: analyzer -> seconds.
        nonfinite: analyzer -> epochs whose results (or weights) are not finite; None for what has no epochs.
        lost: analyzer -> epochs at which it cannot be had any more: see :class:`mi.engine.shares.Work`.
        left_out: of a family: analyzer -> variant that takes no part -> why.
    """

    variant: str
    checkpoints: int = 0
    forward_passes: int = 0
    own_passes: int = 0
    analyzers: int = 0
    computed: int = 0
    fresh: int = 0
    failures: list[Failure] = field(factory=list)
    skipped: dict[str, str] = field(factory=dict)
    seconds: dict[str, float] = field(factory=lambda: dict.fromkeys(STAGES, 0.0))
    analyzer_seconds: dict[str, float] = field(factory=dict)
    nonfinite: dict[str, list[int | None]] = field(factory=dict)
    lost: dict[str, tuple[int, ...]] = field(factory=dict)
    left_out: dict[str, dict[str, str]] = field(factory=dict)

    def line(self) -> str:
        """``61 checkpoints, 61 forward passes, …``: the closing line."""
        said = [counted(self.checkpoints, "checkpoint"), counted(self.forward_passes, "forward pass")]
        if self.own_passes:
            said.append(f"{counted(self.own_passes, 'pass')} made by analyzers")
        if self.computed == 0 and not self.failures:
            said.append(f"everything fresh ({counted(self.fresh, 'result')})")
        else:
            said.append(f"{counted(self.computed, 'result')} computed, {self.fresh} fresh")
        if self.failures:
            said.append(counted(len(self.failures), "failure"))
        times = [f"{stage} {self.seconds[stage]:.1f} s" for stage in STAGES if self.seconds[stage] >= 0.05]
        return ", ".join(said) + (f"; {', '.join(times)}" if times else "")

    def add(self, other: VariantSummary) -> None:
        """Fold another variant's summary in."""
        self.checkpoints += other.checkpoints
        self.forward_passes += other.forward_passes
        self.own_passes += other.own_passes
        self.computed += other.computed
        self.fresh += other.fresh
        self.failures += other.failures
        for stage in STAGES:
            self.seconds[stage] += other.seconds[stage]
        for id, seconds in other.analyzer_seconds.items():
            self.analyzer_seconds[id] = self.analyzer_seconds.get(id, 0.0) + seconds


@define
class AnalysisSummary:
    """What a whole call did.

    Attributes:
        variants: one summary each.
        families: one summary for each family with analyzers of scope ``family``; its ``variant`` is the
            family's name.
        interrupted: stopped by Ctrl-C; what was done is committed.
    """

    variants: list[VariantSummary] = field(factory=list)
    families: list[VariantSummary] = field(factory=list)
    interrupted: bool = False

    @property
    def total(self) -> VariantSummary:
        """All variants and families together."""
        total = VariantSummary("")
        for one in (*self.variants, *self.families):
            total.add(one)
        return total

    @property
    def failures(self) -> list[Failure]:
        """Everything that went wrong."""
        return self.total.failures

    def line(self) -> str:
        """The closing line."""
        return self.total.line()


def log_call(
    paths: VariantPaths, probe: str, analyzers: Sequence[str], summary: VariantSummary, interrupted: bool
) -> None:
    """One line a call in ``log.jsonl``.

    Raises:
        StoreError: it cannot be written.
    """
    entry = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": "analyze",
        "probe": probe,
        "analyzers": list(analyzers),
        "summary": summary.line(),
        "interrupted": interrupted,
        "failures": [f.message for f in summary.failures],
    }
    try:
        with paths.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StoreError(f"{paths.log}: cannot be written ({error.strerror})") from None
