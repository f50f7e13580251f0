"""Which checkpoints a request is about, and the hashes of their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mi.domain.checkpoint import Checkpoint, at_epoch
from mi.domain.schedule import parse_epochs
from mi.errors import CheckpointError, UnknownNameError
from mi.store.checkpoints import digest, read_metadata


def choose_epochs(checkpoints: tuple[Checkpoint, ...], epochs: str | Iterable[int] | None) -> tuple[int, ...]:
    """Epochs of the checkpoints asked for, sorted.

    A schedule with ranges chooses the checkpoints that it names; an epoch named by itself must exist.

    Raises:
        UnknownNameError: no checkpoint at an epoch named by itself, or at none of a range's.
        ParameterError: no schedule.
    """
    every = [c.epoch for c in checkpoints]
    if epochs is None:
        return tuple(every)
    if not isinstance(epochs, str):
        return tuple(sorted({at_epoch(checkpoints, int(e)).epoch for e in epochs}))
    chosen: set[int] = set()
    for part in filter(None, (piece.strip() for piece in epochs.split(","))):
        if ":" not in part:
            named = parse_epochs(part, int(part) if part.isdecimal() else every[-1])
            chosen.update(at_epoch(checkpoints, e).epoch for e in named)
            continue
        found = set(parse_epochs(part, every[-1])) & set(every)
        if not found:
            raise UnknownNameError(
                f"no checkpoint at any epoch of {part!r}; there are {len(every)}, "
                f"from epoch {every[0]} to {every[-1]}"
            )
        chosen |= found
    if not chosen:
        parse_epochs(epochs, every[-1])
    return tuple(sorted(chosen))


def spread(epochs: Sequence[int], most: int | None) -> tuple[int, ...]:
    """At most so many of these epochs: the first, the last, and others evenly between them.

    Evenly in their order, not in epochs: a schedule is dense where much happens, and so is the choice.

    Args:
        epochs: of all checkpoints, sorted.
        most: at least 2; None for all.
    """
    if most is None or len(epochs) <= most:
        return tuple(epochs)
    last = len(epochs) - 1
    return tuple(epochs[(2 * i * last + most - 1) // (2 * (most - 1))] for i in range(most))


def hash_checkpoints(checkpoints: tuple[Checkpoint, ...]) -> tuple[dict[int, str], dict[int, str]]:
    """Epoch -> hash of the checkpoint's bytes; and epoch -> why it cannot be read, of those that cannot."""
    digests, damaged = {}, {}
    for checkpoint in checkpoints:
        try:
            read_metadata(checkpoint.path)  # finds a file that was cut off, without reading it
            digests[checkpoint.epoch] = digest(checkpoint.path)
        except CheckpointError as error:
            damaged[checkpoint.epoch] = str(error)
    return digests, damaged
