"""A task as it is sent to whoever runs it, and what it did."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field, frozen

from mi.domain.checkpoint import Checkpoint
from mi.domain.keep import Keep
from mi.engine.failure import Failure
from mi.engine.trial import Trial

STAGES = ("plan", "load", "forward", "analyze", "write")


@frozen(kw_only=True)
class Task:
    """A block of epochs: paths and ids, so that it can be sent to another process.

    Attributes:
        root: the workspace.
        variant: ``family/name``.
        probe: a saved probe's name.
        asked: ids of the analyzers of the plan, with those they need.
        device, dtype: of the passes.
        checkpoints: all of the variant's, as planned; those included whose file is gone.
        epochs: in the order in which they are worked on; the reference first.
        contents: epoch -> hash of the checkpoint's bytes that the fingerprints are made of.
        work: epoch -> ids of the analyzers that are stale there, in order.
        fingerprints: analyzer -> epoch -> what the commit says.
        identities: analyzer -> identity of its group, as planned.
        reference: the reference epoch.
        trial: what a pass over a few rows told.
        memory: bytes that activations and probe may take.
        batch: rows of the pass's largest batch.
        keep: sites whose activations are kept.
        kept: epochs at which activations are read from the store instead of being captured.
    """

    root: Path
    variant: str
    probe: str
    asked: tuple[str, ...]
    device: str
    dtype: str
    checkpoints: tuple[Checkpoint, ...]
    epochs: tuple[int, ...]
    contents: Mapping[int, str]
    work: Mapping[int, tuple[str, ...]]
    fingerprints: Mapping[str, Mapping[int, str]]
    identities: Mapping[str, str]
    reference: int
    trial: Trial | None
    memory: int
    batch: int
    keep: tuple[Keep, ...] = ()
    kept: tuple[int, ...] = ()


@define
class Outcome:
    """What a task did.

    Attributes:
        passes: checkpoints passed forward.
        own_passes: passes that analyzers made themselves.
        computed: results committed, one for each analyzer and checkpoint.
        failures: what went wrong.
        seconds: stage -> seconds.
        analyzers: analyzer -> seconds.
        interrupted: stopped by Ctrl-C, with everything done so far committed.
    """

    passes: int = 0
    own_passes: int = 0
    computed: int = 0
    failures: list[Failure] = field(factory=list)
    seconds: dict[str, float] = field(factory=lambda: dict.fromkeys(STAGES, 0.0))
    analyzers: dict[str, float] = field(factory=dict)
    interrupted: bool = False

    def add(self, other: Outcome) -> None:
        """Fold another outcome in."""
        self.passes += other.passes
        self.own_passes += other.own_passes
        self.computed += other.computed
        self.failures += other.failures
        self.interrupted = self.interrupted or other.interrupted
        for stage, seconds in other.seconds.items():
            self.seconds[stage] += seconds
        for id, seconds in other.analyzers.items():
            self.analyzers[id] = self.analyzers.get(id, 0.0) + seconds

    def spent(self, stage: str, start: float) -> None:
        """Count the time since ``start`` (of :func:`time.perf_counter`) to a stage."""
        self.seconds[stage] += time.perf_counter() - start

    def took(self, id: str, seconds: float) -> None:
        """Count seconds to an analyzer."""
        self.analyzers[id] = self.analyzers.get(id, 0.0) + seconds
