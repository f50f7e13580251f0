"""Checkpoint schedules: which epochs of a training are kept."""

from __future__ import annotations

from mi.errors import ParameterError


def parse_epochs(text: str, last: int) -> tuple[int, ...]:
    """Epochs that a schedule names, sorted, each once.

    Args:
        text: parts separated by commas, each ``START:STOP:STEP`` (STOP included where a step lands on it;
            empty STOP means ``last``; empty START means 0) or one epoch. Epochs past ``last`` are dropped.
        last: the last epoch there is.

    Raises:
        ParameterError: a part is none of these.
    """
    epochs: set[int] = set()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        pieces = part.split(":")
        try:
            if len(pieces) == 1:
                epochs.add(_whole(pieces[0]))
                continue
            start = _whole(pieces[0]) if pieces[0] else 0
            stop = _whole(pieces[1]) if pieces[1] else last
            step = _whole(pieces[2]) if len(pieces) == 3 and pieces[2] else 1
            if len(pieces) > 3 or step < 1:
                raise ValueError
        except ValueError:
            raise ParameterError(
                f"epochs {part!r}: expected an epoch or START:STOP:STEP in whole numbers, such as 0:1500:100"
            ) from None
        epochs.update(range(start, min(stop, last) + 1, step))
    if not epochs:
        raise ParameterError(f"epochs {text!r} name no epoch from 0 to {last}")
    return tuple(sorted(e for e in epochs if e <= last))


def checkpoint_epochs(schedule: str, last: int) -> tuple[int, ...]:
    """Epochs to keep of a training of ``last`` epochs: the schedule, the initialization and the last."""
    return tuple(sorted({0, last, *parse_epochs(schedule, last)}))


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value
