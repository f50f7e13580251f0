"""``train``: a new training, or one continued."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from mi.domain.schedule import checkpoint_epochs
from mi.errors import ParameterError, StoreError
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.training.inherit import Parent, Passes
from mi.training.interrupt import Interrupt
from mi.training.outcome import TrainingSummary
from mi.training.record import TrainingRecord, read_record, versions
from mi.training.run import Progress, Run, describe
from mi.training.state import StatePolicy

if TYPE_CHECKING:
    from mi.domain.code import Training
    from mi.domain.workspace import Variant


@frozen(kw_only=True)
class Settings:
    """What a call of :func:`train` asks for; None is "as it was, or as the family says"."""

    epochs: int | None
    schedule: str | None
    device: str
    states: str | None
    evaluate_every: int | None

    def check(self) -> None:
        """Refuse what means nothing, before anything is written.

        Raises:
            ParameterError: names the setting and its value.
        """
        import torch

        for name, value, least in (("epochs", self.epochs, 0), ("evaluate_every", self.evaluate_every, 1)):
            if value is not None and value < least:
                raise ParameterError(f"{name} is {value}, expected a whole number of at least {least}")
        if self.states is not None:
            StatePolicy.parse(self.states)
        if self.schedule is not None:
            checkpoint_epochs(self.schedule, 0 if self.epochs is None else self.epochs)
        try:
            torch.zeros((), device=self.device).item()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]
            raise ParameterError(f"device is {self.device!r}, which cannot be used here ({reason})") from None

    def record(self, variant: Variant, training: Training, before: TrainingRecord | None) -> TrainingRecord:
        """The training as it will be recorded."""
        import torch

        old = before
        family = variant.family
        plugin = variant.workspace.host.record_of(family.code)
        weight = next(iter(training.weights.values()))

        def pick(asked: object, stored: str, otherwise: object) -> object:
            return asked if asked is not None else otherwise if old is None else getattr(old, stored)

        made = TrainingRecord(
            epochs=pick(self.epochs, "epochs", family.epochs),  # type: ignore[arg-type]
            schedule=pick(self.schedule, "schedule", family.schedule),  # type: ignore[arg-type]
            states=pick(self.states, "states", "all"),  # type: ignore[arg-type]
            evaluate_every=pick(self.evaluate_every, "evaluate_every", 1),  # type: ignore[arg-type]
            device=self.device,
            dtype=str(weight.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            versions=versions(plugin.distribution if plugin else ""),
        )
        if old is not None:
            made.started, made.seconds, made.densified = old.started, old.seconds, old.densified
        return made


def train(
    variant: Variant,
    *,
    epochs: int | None = None,
    schedule: str | None = None,
    device: str = "cpu",
    states: str | None = None,
    resume: bool = False,
    evaluate_every: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    wait: Callable[[str], None] | None = None,
) -> TrainingSummary:
    """Train a variant, keeping checkpoints, or continue to the bit where it was left.

    What is not given is as it was when the variant was begun, or else the family's. The same device, dtype
    and number of threads give the same bits.

    Args:
        variant: as :meth:`mi.domain.workspace.Workspace.declare` gives it.
        epochs: length of the training in optimizer steps.
        schedule: epochs to keep, as in :func:`mi.domain.schedule.parse_epochs`; 0 and the last always are.
        device: a torch device.
        states: training states to keep: ``all``, ``every N`` (checkpoints) or ``last``.
        resume: continue a variant that exists; one that does not is begun.
        evaluate_every: epochs between two evaluations; every checkpoint is evaluated.
        progress: called now and then with epoch, epochs and the latest metrics.
        say: called at once with each sentence that the user should read; the summary has them too.
        wait: wait for another process that writes the variant, once this is told which; None: do not.

    Raises:
        ParameterError: an argument that means nothing here, or a family without training.
        StoreError: the variant exists and ``resume`` is not given; another process writes it; the folder
            cannot be written; a child whose parent is not trained.
        InheritanceError: a child does not come out as its parent before they differ.
        DivergedError: the loss is no finite number; the variant stays as it was at its last checkpoint.
        TrainingInterrupted: Ctrl-C; the state is saved.
    """
    settings = Settings(
        epochs=epochs, schedule=schedule, device=device, states=states, evaluate_every=evaluate_every
    )
    settings.check()
    training = variant.code.training(device)
    paths = VariantPaths(variant.folder)
    with variant_lock(paths, "training", wait), Interrupt() as interrupt:
        before = read_record(paths)
        if not resume:
            _refuse_existing(variant.id, paths, before)
        parent = Parent(variant) if variant.parent else None
        new = parent is not None and (before is None or before.reached < 0)
        record = settings.record(variant, training, parent.defaults() if new and parent else before)
        if before is not None and before.reached > record.epochs:
            raise ParameterError(
                f"epochs is {record.epochs}, but {variant.id} is trained to epoch {before.reached} already"
            )
        run = Run(variant.id, paths, record, training, progress, say)
        if before is not None and before.status == "trained" and before.epochs == record.epochs:
            run.note(f"{variant.id} is trained already; --epochs trains it longer")
            return run.summary(record.epochs)
        variant.save_config()
        if variant.interventions:
            run.at = Passes(variant, training, device)
        if parent is not None:
            run.proof = parent.proved
            if new:
                before = run.inherit(parent)
        start = run.begin(before)
        return run.go(start, interrupt)


def _refuse_existing(id: str, paths: VariantPaths, before: TrainingRecord | None) -> None:
    """Without ``resume`` nothing that exists is overwritten.

    Raises:
        StoreError: the variant has been trained, or begun.
    """
    if before is not None:
        raise StoreError(
            f"{id} exists ({describe(before)}); continue it with --resume, nothing is overwritten"
        )
    if list_checkpoints(paths):
        raise StoreError(f"{id} has checkpoints that were not trained here ({paths.checkpoints})")
