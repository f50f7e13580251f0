"""The loop itself, which all families share.

Epoch e means the weights after e optimizer steps, and metrics at epoch e belong to those same weights, so an
epoch is: pass (and evaluation) at the present weights, record, keep, step. Metrics stay on the device and are
moved in bulk, so that no epoch waits for the one before.

At a checkpoint the losses are written first, then the state, then the checkpoint, each atomically: whatever
the instant of a kill, a checkpoint that is visible is complete and has its losses, and the latest state
continues it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from mi.domain.schedule import checkpoint_epochs
from mi.numerics import exactly
from mi.store.checkpoints import list_checkpoints, save_tensors
from mi.store.files import drop_partials
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory
from mi.training.inherit import Parent, Proof
from mi.training.interrupt import Interrupt
from mi.training.meter import Meter
from mi.training.moments import moments
from mi.training.outcome import DivergedError, TrainingInterrupted, TrainingSummary
from mi.training.record import TrainingRecord, append_log, now
from mi.training.state import StatePolicy, restore_latest, save_state

if TYPE_CHECKING:
    import torch

    from mi.domain.code import Training

Progress = Callable[[int, int, Mapping[str, float]], None]
CHECKPOINT_FORMAT = "mi.checkpoint/1"
MOVE_SECONDS = 0.25  # metrics leave the device at least this often: the cadence of progress and of NaN checks


class Run:
    """One call's work on one variant, whose lock the caller holds."""

    def __init__(
        self,
        id: str,
        paths: VariantPaths,
        record: TrainingRecord,
        training: Training,
        progress: Progress | None,
        say: Callable[[str], None] | None,
    ) -> None:
        import torch

        self.id, self.paths, self.record, self.training = id, paths, record, training
        self.progress, self.say = progress, say
        self.notes: list[str] = []
        self.policy = StatePolicy.parse(record.states)
        self.kept = frozenset(checkpoint_epochs(record.schedule, record.epochs))
        self.optimizer = training.optimizer(list(training.weights.values()))
        self.generator = torch.Generator().manual_seed(training.generator_seed)
        self.losses = LossHistory(paths, training.metrics, record.epochs)
        self.meter = Meter(self.losses)
        self.start, self._clock, self._before = record.epochs, time.perf_counter(), record.seconds
        self.at: Callable[[int], Training] | None = None  # whose passes count, under interventions
        self.proof: Proof | None = None  # compares a checkpoint with a parent's

    def note(self, sentence: str) -> None:
        """Say a sentence and keep it for the summary."""
        self.notes.append(sentence)
        if self.say is not None:
            self.say(sentence)

    def inherit(self, parent: Parent) -> TrainingRecord:
        """Take over what a child shares with its parent; the record to go on from."""
        drop_partials(self.paths)
        self._write("training")  # so that after a kill --resume does this again
        epoch = parent.bequeath(self.paths, self.training, self.record)
        if epoch < 0 < parent.first:
            self.note(f"{parent.id} has no state at or before epoch {parent.first}: trained from epoch 0")
        self.losses = LossHistory(self.paths, self.training.metrics, self.record.epochs)
        self.meter = Meter(self.losses)
        return evolve(parent.record, reached=epoch)

    def begin(self, before: TrainingRecord | None) -> int:
        """Restore what there is and record the start; the epoch to begin at."""
        drop_partials(self.paths)
        epoch = -1
        if before is not None:
            epoch, refused = restore_latest(self.paths, self.training, self.optimizer, self.generator)
            for sentence in refused:
                self.note(sentence)
            if epoch < before.reached:
                self.note(f"{self.id}: epochs after {max(epoch, 0)} are trained again")
            for name in ("device", "dtype", "threads"):
                old, new = getattr(before, name), getattr(self.record, name)
                if old != new:
                    self.note(
                        f"{self.id}: {name} was {old} and is {new}, so the bits may differ from here on"
                    )
        self.start = self.record.reached = max(epoch, 0)
        if epoch < 0:
            self.record.reached = -1
        self._write("training")
        append_log(self.paths, "begun" if before is None else "resumed", epoch=self.start)
        return self.start

    @exactly()
    def go(self, start: int, interrupt: Interrupt) -> TrainingSummary:
        """Train from ``start`` to the end.

        Raises:
            DivergedError, TrainingInterrupted: see :func:`mi.training.loop.train`.
        """
        last, moved = self.record.epochs, time.monotonic()
        ways = (self.training, self.optimizer, self.generator)
        for moment in moments(*ways, start, last, self._evaluated, self.at):
            epoch = moment.epoch
            self.meter.add(epoch, moment.loss, moment.metrics)
            if epoch in self.kept:
                self._move(epoch)
                self._keep(epoch, moment.drawn)
            elif time.monotonic() - moved > MOVE_SECONDS:
                self._move(epoch)
                moved = time.monotonic()
            if interrupt.requested and epoch != last:
                self._stop(epoch, moment.drawn)
        self._write("trained")
        self.policy.thin(self.paths, last, self.record.added)
        append_log(self.paths, "trained", epoch=last, seconds=round(self.seconds, 3))
        return self.summary(last)

    def _evaluated(self, epoch: int) -> bool:
        return epoch in self.kept or epoch % self.record.evaluate_every == 0

    def summary(self, reached: int) -> TrainingSummary:
        """What this call did."""
        values = {name: float(array[reached]) for name, array in self.losses.values.items()}
        return TrainingSummary(
            variant=self.id,
            start=self.start,
            reached=reached,
            checkpoints=len(list_checkpoints(self.paths)),
            seconds=self.seconds,
            metrics={name: value for name, value in values.items() if value == value},  # measured ones
            notes=tuple(self.notes),
        )

    @property
    def seconds(self) -> float:
        """Wall time of this call so far."""
        return time.perf_counter() - self._clock

    def _move(self, epoch: int) -> None:
        """Take metrics off the device, show them, and stop where the loss is no number."""
        bad = self.meter.move()
        if bad is not None:
            self.losses.save()
            kept = list_checkpoints(self.paths)
            held = f"checkpoints up to epoch {kept[-1].epoch} stand" if kept else "there is no checkpoint yet"
            sentence = f"{self.id}: the training loss is {bad.loss} at epoch {bad.epoch}; {held}"
            self.record.reason = sentence
            self._write("stopped")
            append_log(self.paths, "stopped", epoch=bad.epoch, reason=sentence)
            raise DivergedError(sentence)
        if self.progress is not None:
            self.progress(epoch, self.record.epochs, self.meter.latest)

    def _keep(self, epoch: int, drawn: torch.Tensor) -> None:
        if self.proof is not None:
            self.proof(epoch, self.training.weights)
        self.losses.save()
        self._save_state(epoch, drawn)
        metadata = {"format": CHECKPOINT_FORMAT, "epoch": str(epoch)}
        save_tensors(self.paths.checkpoint(epoch), self.training.weights, metadata)
        self._write("training")
        self.policy.thin(self.paths, epoch, self.record.added)

    def _stop(self, epoch: int, drawn: torch.Tensor) -> None:
        """Leave a variant that resumes at this very epoch."""
        if epoch not in self.kept:
            self._move(epoch)
            self.losses.save()
            self._save_state(epoch, drawn)
        self._write("interrupted")
        append_log(self.paths, "interrupted", epoch=epoch, seconds=round(self.seconds, 3))
        raise TrainingInterrupted(self.id, epoch)

    def _save_state(self, epoch: int, drawn: torch.Tensor) -> None:
        save_state(self.paths, epoch, self.training.weights, self.optimizer, drawn)
        self.record.reached = epoch

    def _write(self, status: str) -> None:
        self.record.status = status
        self.record.seconds = round(self._before + self.seconds, 3)
        self.record.ended = "" if status == "training" else now()
        self.record.write(self.paths)


def describe(record: TrainingRecord) -> str:
    """A record in words: ``interrupted at epoch 1300 of 3000``."""
    if record.status == "trained":
        return f"trained to epoch {record.epochs}"
    return f"{record.status} at epoch {max(record.reached, 0)} of {record.epochs}"
