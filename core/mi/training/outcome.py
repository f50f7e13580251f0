"""How a training ends."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from mi.errors import MiError


@frozen(kw_only=True)
class TrainingSummary:
    """What a training that came to its end did.

    Attributes:
        variant: ``family/name``.
        start, reached: epochs at which this call began and ended; equal when there was nothing left to do.
        checkpoints: number of checkpoints that the variant now has.
        seconds: wall time of this call's training.
        metrics: metric -> value at ``reached``, as far as measured.
        notes: sentences that the user should read (a damaged state, another device).
    """

    variant: str
    start: int
    reached: int
    checkpoints: int
    seconds: float
    metrics: Mapping[str, float] = field(factory=dict)
    notes: tuple[str, ...] = ()


class TrainingInterrupted(KeyboardInterrupt):
    """Stopped by Ctrl-C (or SIGTERM) after its state was saved; ``resume`` continues from ``epoch``."""

    def __init__(self, variant: str, epoch: int) -> None:
        self.variant, self.epoch = variant, epoch
        super().__init__(f"{variant}: interrupted at epoch {epoch}; continue with --resume")


class DivergedError(MiError):
    """The training loss is no finite number any more."""
