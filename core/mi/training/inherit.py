"""A child's beginning: all that it shares with its parent, up to the first epoch that differs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve

from mi.domain.jsonfile import write_atomic
from mi.errors import CheckpointError, MiError, StoreError
from mi.store.checkpoints import check_content, list_checkpoints, list_states
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory, read_losses
from mi.training.compare import unlike
from mi.training.record import TrainingRecord, now, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from mi.domain.code import Training
    from mi.domain.workspace import Variant


class Passes:
    """The training whose passes count at each epoch of a variant with interventions."""

    def __init__(self, variant: Variant, training: Training, device: str) -> None:
        self._variant, self._device = variant, device
        self._known = {id(variant.code): training}

    def __call__(self, epoch: int) -> Training:
        """Whose passes count at ``epoch``."""
        code = self._variant.code_at(epoch)
        if id(code) not in self._known:
            self._known[id(code)] = code.training(self._device)
        return self._known[id(code)]


class Parent:
    """A child's parent, of which everything before :attr:`first` is the child's too.

    Attributes:
        record: of its training.
        first: the first epoch that differs.
    """

    def __init__(self, child: Variant) -> None:
        """Find the parent.

        Raises:
            StoreError: it is not there, or not trained.
        """
        self.id = f"{child.family.name}/{child.parent}"
        self.paths = VariantPaths(child.folder.with_name(child.parent))
        record = read_record(self.paths)
        if record is None:
            raise StoreError(f"{child.id}: its parent {child.parent} is not trained; train it first")
        self.record = record
        own = child.workspace.variant(self.id).interventions
        self.first = min(one.start for one in child.interventions[len(own) :])

    def defaults(self) -> TrainingRecord:
        """What the child's training is like, but for what is asked."""
        return evolve(self.record, status="training", reached=-1, started=now(), seconds=0.0, densified=[])

    def bequeath(self, paths: VariantPaths, training: Training, record: TrainingRecord) -> int:
        """Copy checkpoints, losses and the state from which the child goes on; its epoch, or −1 for none.

        Nothing that is in place already is harmed by doing it again.

        Raises:
            CheckpointError: a file is damaged.
            StoreError: a file cannot be read or written.
        """
        state = self._state()
        if state < 0:
            return -1
        copied = [c.epoch for c in list_checkpoints(self.paths) if c.epoch <= state]
        for epoch in copied:
            _copy(self.paths.checkpoint(epoch), paths.checkpoint(epoch))
        known = read_losses(self.paths)
        history = LossHistory(paths, training.metrics, record.epochs)
        for name, values in history.values.items():
            told = known.get(name, values)[:state]
            values[: len(told)] = told
        history.save()
        _copy(self.paths.state(state), paths.state(state))
        return state

    def _state(self) -> int:
        """The nearest sound state at or before :attr:`first`."""
        for epoch, path in reversed(list_states(self.paths).items()):
            if epoch <= self.first:
                try:
                    check_content(path)
                except CheckpointError:
                    continue
                return epoch
        return -1

    def proved(self, epoch: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Compare the weights with the parent's, as far as they are to be the same.

        Raises:
            InheritanceError: they are not.
        """
        path = self.paths.checkpoint(epoch)
        if epoch > self.first or not path.exists():
            return
        if said := unlike(path, weights):
            raise InheritanceError(
                f"epoch {epoch} did not come out as in {self.id}, though nothing differs before epoch "
                f"{self.first}: the parent's checkpoint {said}; train with its device and threads "
                f"({self.record.device}, {self.record.threads})"
            )


class InheritanceError(MiError):
    """A child that does not come out as its parent before they differ."""


Proof = Callable[[int, "Mapping[str, torch.Tensor]"], None]


def _copy(source: os.PathLike[str], target: os.PathLike[str]) -> None:
    from pathlib import Path

    check_content(Path(source))
    try:
        data = Path(source).read_bytes()
    except OSError as error:
        raise StoreError(f"{source}: cannot be read ({error.strerror})") from None
    write_atomic(Path(target), data)
