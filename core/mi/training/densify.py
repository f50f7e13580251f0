"""``densify``: more checkpoints inside a window of a finished training, by training the window again.

The retraining goes on from the nearest training state (weights, optimizer, generator) and must come out as
the training did: every epoch's metrics are compared with the loss history, every checkpoint on the way with
its file, all to the bit. New checkpoints wait beside the others until the next one that was there already, or
the window's end, has proved them; then each takes its place by a rename. So a kill at any instant leaves
checkpoints that are proved, and the same call goes on after them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import frozen

from mi.domain.schedule import parse_epochs
from mi.errors import MiError, ParameterError, StoreError
from mi.numerics import exactly
from mi.store.checkpoints import list_checkpoints, list_states, save_tensors
from mi.store.files import drop_partials
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.store.losses import read_losses
from mi.store.switch import recover
from mi.training.compare import KnownLosses, unlike
from mi.training.inherit import Passes
from mi.training.interrupt import Interrupt
from mi.training.meter import Meter
from mi.training.moments import moments
from mi.training.outcome import TrainingInterrupted
from mi.training.record import Densified, TrainingRecord, append_log, now, read_record, versions
from mi.training.run import CHECKPOINT_FORMAT, MOVE_SECONDS, Progress, describe
from mi.training.state import restore_latest

if TYPE_CHECKING:
    from mi.domain.workspace import Variant


class MismatchError(MiError):
    """A window trained again did not come out as it was."""


@frozen(kw_only=True)
class DensifySummary:
    """What :func:`densify` did.

    Attributes:
        variant: ``family/name``.
        window: as asked for.
        added: epochs whose checkpoints are new, sorted.
        verified: number of checkpoints that were there and came out equal.
        trained: epochs trained.
        checkpoints: number that the variant now has.
        seconds: wall time.
        notes: sentences that the user should read.
    """

    variant: str
    window: str
    added: tuple[int, ...]
    verified: int
    trained: int
    checkpoints: int
    seconds: float
    notes: tuple[str, ...] = ()


def densify(
    variant: Variant,
    window: str,
    *,
    device: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    wait: Callable[[str], None] | None = None,
) -> DensifySummary:
    """Add checkpoints at the epochs of ``window`` to a finished training, equal to the bit to what it had.

    Args:
        variant: trained to its end.
        window: epochs, as in :func:`mi.domain.schedule.parse_epochs`; those with a checkpoint
            on the way are proved.
        device: a torch device, of the kind that it was trained on (by default that very one).
        threads: threads of torch, by default as many as it was trained with; others may give other bits.
        progress: called now and then with epoch, last epoch of the window and the latest metrics.
        say: called at once with each sentence that the user should read; the summary has them too.
        wait: as of :func:`mi.training.loop.train`.

    Raises:
        ParameterError: a window of no epochs, or a device of another kind.
        StoreError: the variant is not trained, is taken, or has no training state at or before the window.
        CheckpointError: a checkpoint on the way is damaged.
        MismatchError: a metric or a checkpoint did not come out as it was; nothing was replaced.
        TrainingInterrupted: Ctrl-C; the same call goes on.
    """
    import torch

    paths = VariantPaths(variant.folder)
    with variant_lock(paths, "densifying", wait), Interrupt() as interrupt:
        record = read_record(paths)
        if record is None:
            raise StoreError(f"{variant.id} is not trained; `mi train` does")
        if record.status != "trained":
            raise StoreError(f"{variant.id} is {describe(record)}; --resume finishes it, then densify it")
        wanted = parse_epochs(window, record.epochs)
        if not wanted:
            raise ParameterError(
                f"window {window!r} lies past the last epoch of {variant.id}, which is {record.epochs}"
            )
        device = record.device if device is None else device
        if torch.device(device).type != torch.device(record.device).type:
            raise ParameterError(
                f"device is {device!r}, but {variant.id} was trained on {record.device!r}: another kind of "
                "device rounds differently, so the window would not come out as it was"
            )
        drop_partials(paths)
        recover(paths.staging)  # which a killed call left
        with _threads(record.threads if threads is None else threads):
            work = _Retraining(variant, paths, record, window, wanted, device, progress, say)
            try:
                return work.go(interrupt)
            finally:
                recover(paths.staging)


class _Retraining:
    """One call's work, under the variant's lock."""

    def __init__(
        self,
        variant: Variant,
        paths: VariantPaths,
        record: TrainingRecord,
        window: str,
        wanted: tuple[int, ...],
        device: str,
        progress: Progress | None,
        say: Callable[[str], None] | None,
    ) -> None:
        import torch

        self.id, self.paths, self.record, self.window = variant.id, paths, record, window
        self.wanted, self.progress, self.say = wanted, progress, say
        self.kept = {one.epoch for one in list_checkpoints(paths)}
        self.missing = [epoch for epoch in wanted if epoch not in self.kept]
        self.device, self.variant = device, variant
        plugin = variant.workspace.host.record_of(variant.family.code)
        self.versions = versions(plugin.distribution if plugin else "")
        self.threads = torch.get_num_threads()
        self.notes: list[str] = []
        self.waiting: list[int] = []
        self.added: list[int] = []
        self.verified: set[int] = set()
        self.trained, self._clock = 0, time.perf_counter()

    @exactly()
    def go(self, interrupt: Interrupt) -> DensifySummary:
        if not self.missing:
            self.note(f"{self.id} has every checkpoint of {self.window} already")
            return self.summary()
        self.training = self.variant.code.training(self.device)
        self.optimizer = self.training.optimizer(list(self.training.weights.values()))
        self.losses = KnownLosses(read_losses(self.paths))
        self.meter = Meter(self.losses)
        self.at = Passes(self.variant, self.training, self.device)
        self._warn()
        left = list(self.missing)
        while left:
            start = self._restore(left[0])
            targets, end = self._span(start, left)
            self._begin(start)
            self._train(start, set(targets), end, interrupt)
            left = left[len(targets) :]
        self.entry.ended = now()
        self.record.write(self.paths)
        append_log(self.paths, "densified", window=self.window, added=len(self.added))
        return self.summary()

    def note(self, sentence: str) -> None:
        """Say a sentence and keep it for the summary."""
        self.notes.append(sentence)
        if self.say is not None:
            self.say(sentence)

    def summary(self) -> DensifySummary:
        """What this call did."""
        return DensifySummary(
            variant=self.id,
            window=self.window,
            added=tuple(self.added),
            verified=len(self.verified),
            trained=self.trained,
            checkpoints=len(list_checkpoints(self.paths)),
            seconds=time.perf_counter() - self._clock,
            notes=tuple(self.notes),
        )

    def _warn(self) -> None:
        """Say what is not as it was, so that a mismatch is understood."""
        old = {"threads": self.record.threads, **self.record.versions}
        new = {"threads": self.threads, **self.versions}
        for name, was in old.items():
            if name in new and new[name] != was:
                self.note(
                    f"{self.id}: {name} was {was} and is {new[name]}, so the window may come out otherwise; "
                    "every epoch is compared"
                )

    def _restore(self, epoch: int) -> int:
        """Put the nearest usable state at or before ``epoch`` in place; its epoch."""
        import torch

        self.generator = torch.Generator().manual_seed(self.training.generator_seed)
        start, refused = restore_latest(self.paths, self.training, self.optimizer, self.generator, epoch)
        for sentence in refused:
            self.note(sentence)
        if start >= 0:
            return start
        states = [one for one in list_states(self.paths) if one > epoch]
        has = f"the first is of epoch {states[0]}, the last of {states[-1]}" if states else "there is none"
        then = f"densify from {states[0]} on, or t" if states else "T"
        raise StoreError(
            f"{self.id} has no usable training state at or before epoch {epoch} ({has}); "
            f"{then}rain a variant with --states all"
        )

    def _span(self, start: int, left: list[int]) -> tuple[list[int], int]:
        """Those of ``left`` to train to in one go, and where that ends: where a later state leads on sooner.

        It does not end before a checkpoint that was there has proved what is new.
        """
        states = [one for one in list_states(self.paths) if one > start]
        for i, (one, other) in enumerate(pairwise(left), 1):
            proof = min((kept for kept in self.kept if kept > one), default=other)
            if any(proof < state <= other for state in states):
                return left[:i], proof
        return left, min((one for one in self.wanted if one > left[-1]), default=left[-1])

    def _begin(self, start: int) -> None:
        """Tell metadata.json what is being done, before the first checkpoint is added."""
        unfinished = [e for e in self.record.densified if e.window == self.window and not e.ended]
        if unfinished:
            self.entry = unfinished[-1]
        else:
            self.entry = Densified(
                window=self.window,
                start=start,
                device=self.device,
                threads=self.threads,
                versions=self.versions,
            )
            self.record.densified.append(self.entry)
        self.record.write(self.paths)
        append_log(self.paths, "densifying", window=self.window, epoch=start)

    def _train(self, start: int, wanted: set[int], end: int, interrupt: Interrupt) -> None:
        moved, measured = time.monotonic(), self.losses.measured
        ways = (self.training, self.optimizer, self.generator)
        for moment in moments(*ways, start, end, measured, self.at):
            epoch = moment.epoch
            self.meter.add(epoch, moment.loss, moment.metrics)
            if epoch in self.kept:
                self._move(epoch, start)
                self._verify(epoch, start)
                self._publish()
            elif epoch in wanted:
                self._move(epoch, start)
                self._stage(epoch)
            elif time.monotonic() - moved > MOVE_SECONDS:
                self._move(epoch, start)
                moved = time.monotonic()
            self.trained += epoch > start
            if interrupt.requested and epoch != end:
                append_log(self.paths, "interrupted", window=self.window, epoch=epoch)
                raise TrainingInterrupted(self.id, epoch)
        self._publish()

    def _move(self, epoch: int, start: int) -> None:
        bad, differs = self.meter.move(), self.losses.differs
        if differs is not None:
            metric = differs.metric.replace("_", " ")
            self._stop(differs.epoch, start, f"{metric} is {differs.now!r} and was {differs.was!r}")
        if bad is not None:
            self._stop(bad.epoch, start, f"the training loss is {bad.loss} and was a number")
        if self.progress is not None:
            self.progress(epoch, self.wanted[-1], self.meter.latest)

    def _verify(self, epoch: int, start: int) -> None:
        said = unlike(self.paths.checkpoint(epoch), self.training.weights)
        if said:
            self._stop(epoch, start, f"the checkpoint {said}")
        self.verified.add(epoch)

    def _stop(self, epoch: int, start: int, what: str) -> None:
        record = self.record
        sentence = (
            f"{self.id}: trained again from the state of epoch {start}, epoch {epoch} did not come out as it "
            f"was: {what}; nothing was replaced. It was trained on {record.device} with {record.threads} "
            f"threads and torch {record.versions.get('torch', '?')}, now {self.device} with {self.threads} "
            f"threads and torch {self.versions.get('torch', '?')}"
        )
        append_log(self.paths, "mismatch", window=self.window, epoch=epoch, reason=sentence)
        raise MismatchError(sentence)

    def _stage(self, epoch: int) -> None:
        name = self.paths.checkpoint(epoch).name
        metadata = {"format": CHECKPOINT_FORMAT, "epoch": str(epoch)}
        save_tensors(self.paths.retrained / name, self.training.weights, metadata)
        self.waiting.append(epoch)

    def _publish(self) -> None:
        """What waited is proved: it takes its place."""
        if not self.waiting:
            return
        # Told first: a checkpoint that nobody told of would count as one of the schedule's.
        self.entry.added = sorted({*self.entry.added, *self.waiting})
        self.record.write(self.paths)
        for epoch in self.waiting:
            place = self.paths.checkpoint(epoch)
            try:
                os.replace(self.paths.retrained / place.name, place)
            except OSError as error:
                raise StoreError(f"{place}: cannot be written ({error.strerror})") from None
        self.added += self.waiting
        self.waiting = []


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads of torch, and as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
