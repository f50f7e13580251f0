"""Where time goes: code says what it does and how long is kept, while somebody records.

One recording at a time in a process, as with any profiler: it sees the threads that read ahead and write
behind too, which a value handed along would reach only through every signature on the way. While nobody
records, saying it costs a look at one global.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import ClassVar, Self

from attrs import define, field, frozen


@frozen
class Timed:
    """Something that was done, from start to end, on one thread.

    Attributes:
        stage: what it counts as, such as ``forward``.
        what: the part of the stage, where it has parts; else empty.
        epoch: the checkpoint that it was done for, if for one.
        analyzer: the analyzer that it was done for, if for one.
        bytes: what was handed over, where something was.
        thread: name of the thread.
        start, end: of ``time.perf_counter_ns``.
    """

    stage: str
    what: str
    epoch: int | None
    analyzer: str
    bytes: int
    thread: str
    start: int
    end: int


@define(eq=False)
class Recording:
    """What was done in a stretch of time.

    Attributes:
        timed: in the order in which they ended; those of one thread lie inside one another or apart.
        main: name of the thread that records.
        start, end: of ``time.perf_counter_ns``; ``end`` is 0 while it lasts.
    """

    timed: list[Timed] = field(factory=list)
    main: str = field(factory=lambda: threading.current_thread().name)
    start: int = field(factory=time.perf_counter_ns)
    end: int = 0
    current: ClassVar[Recording | None] = None


class _Nothing:
    """Something that nobody records."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Open:
    """Something that is going on."""

    __slots__ = ("recording", "said", "start")

    def __init__(self, recording: Recording, said: tuple[str, str, int | None, str, int]) -> None:
        self.recording, self.said, self.start = recording, said, 0

    def __enter__(self) -> Self:
        self.start = time.perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = time.perf_counter_ns()
        self.recording.timed.append(Timed(*self.said, threading.current_thread().name, self.start, end))


_NOTHING = _Nothing()


def timed(
    stage: str, what: str = "", epoch: int | None = None, analyzer: str = "", bytes: int = 0
) -> _Nothing | _Open:
    """A context manager whose body counts as this stage, but for what is timed inside it.

    Args:
        stage, what, epoch, analyzer, bytes: as in :class:`Timed`.
    """
    recording = Recording.current
    return _NOTHING if recording is None else _Open(recording, (stage, what, epoch, analyzer, bytes))


@contextmanager
def recording() -> Iterator[Recording]:
    """Record what this process does while this lasts.

    Raises:
        RuntimeError: somebody records already.
    """
    if Recording.current is not None:
        raise RuntimeError("a recording is under way in this process")
    Recording.current = found = Recording()
    try:
        yield found
    finally:
        found.end = time.perf_counter_ns()
        Recording.current = None
