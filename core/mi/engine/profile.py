"""What a recording tells: seconds by stage, by thread and by analyzer; and a trace for Chrome's viewer.

The main thread's stages, with the rest that no code claims, add up to the wall time exactly: each counts what
it does itself, without what is timed inside it. Work on an accelerator runs on after it was asked for, so its
seconds stand where somebody waits for it.

The trace is JSON of the Trace Event Format (Google, "Trace Event Format", 2016: complete events ``X`` and
metadata events ``M``), which chrome://tracing and Perfetto open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, frozen

from mi.domain.jsonfile import write_atomic
from mi.timing import Recording, Timed

STAGES = (
    "plan",
    "load",
    "forward",
    "functions",
    "derived",
    "hand-over",
    "write",
    "trajectories",
    "families",
    "tidy",
)
REST = "rest"
_ROLES = {"mi-read": "reader", "mi-write": "writer"}  # what a thread's name starts with -> what it is


@define
class Row:
    """What one stage, or one part of it, took of one thread.

    Attributes:
        stage, part: the part is empty for all of the stage.
        seconds: without what is timed inside.
        calls: how many times.
    """

    stage: str
    part: str
    seconds: float = 0.0
    calls: int = 0

    def add(self, nanoseconds: int) -> None:
        """One more call."""
        self.seconds += nanoseconds / 1e9
        self.calls += 1


@define
class Share:
    """What one analyzer took.

    Attributes:
        analyzer: its id.
        function: seconds of its own function.
        derived: seconds of derived quantities that it was the first to ask for.
        handover: seconds around it: checksums of what is shared, needs as tensors, outputs checked.
        writing: seconds of the writer for its results, beside the passes; of a trajectory's, after them.
        calls: of its function.
        bytes: of its results, before compression.
    """

    analyzer: str
    function: float = 0.0
    derived: float = 0.0
    handover: float = 0.0
    writing: float = 0.0
    calls: int = 0
    bytes: int = 0


@frozen
class Profile:
    """Where the time of a recording went.

    Attributes:
        seconds: wall time.
        main: rows of the main thread, a stage before its parts where it has any. The stages' seconds add up
            to ``seconds``.
        others: role of each other thread -> its rows.
        analyzers: those that did anything, the most expensive first.
    """

    seconds: float
    main: tuple[Row, ...]
    others: dict[str, tuple[Row, ...]]
    analyzers: tuple[Share, ...]

    def stage(self, name: str, part: str = "") -> float:
        """Seconds of one stage of the main thread, or of a part of it; 0 where it did not happen."""
        return sum(row.seconds for row in self.main if (row.stage, row.part) == (name, part))


def profile(recording: Recording) -> Profile:
    """What a finished recording tells."""
    own = {name: own_time(timed) for name, timed in _by_thread(recording.timed).items()}
    main = own.pop(recording.main, [])
    whole = recording.end - recording.start
    rest = Row(REST, "", (whole - sum(spent for _, spent in main)) / 1e9, 1)
    others: dict[str, list[tuple[Timed, int]]] = {}
    for name, timed in own.items():
        others.setdefault(role(name), []).extend(timed)
    return Profile(
        whole / 1e9,
        (*_rows(main, STAGES), rest),
        {name: tuple(_rows(timed)) for name, timed in sorted(others.items())},
        tuple(_shares(main, [one for timed in others.values() for one in timed])),
    )


def own_time(timed: Iterable[Timed]) -> list[tuple[Timed, int]]:
    """Each of one thread's with the nanoseconds that it took itself, in the order in which they began."""
    ordered = sorted(timed, key=lambda one: (one.start, -one.end))
    own = [one.end - one.start for one in ordered]
    around: list[int] = []  # places of those that have not ended yet
    for place, one in enumerate(ordered):
        while around and ordered[around[-1]].end <= one.start:
            around.pop()
        if around:
            own[around[-1]] -= one.end - one.start
        around.append(place)
    return list(zip(ordered, own, strict=True))


def role(thread: str) -> str:
    """``reader``, ``writer``, or else the thread's name."""
    return next((said for start, said in _ROLES.items() if thread.startswith(start)), thread)


def _by_thread(timed: Iterable[Timed]) -> dict[str, list[Timed]]:
    found: dict[str, list[Timed]] = {}
    for one in timed:
        found.setdefault(one.thread, []).append(one)
    return found


def _rows(own: Iterable[tuple[Timed, int]], order: Sequence[str] = ()) -> list[Row]:
    stages: dict[str, Row] = {}
    parts: dict[str, dict[str, Row]] = {}
    for one, spent in own:
        stages.setdefault(one.stage, Row(one.stage, "")).add(spent)
        parts.setdefault(one.stage, {}).setdefault(one.what, Row(one.stage, one.what or "else")).add(spent)
    rows = []
    for stage in [*(s for s in order if s in stages), *(s for s in stages if s not in order)]:
        rows.append(stages[stage])
        if parts[stage].keys() != {""}:
            rows += parts[stage].values()
    return rows


def _shares(main: Iterable[tuple[Timed, int]], others: Iterable[tuple[Timed, int]]) -> list[Share]:
    found: dict[str, Share] = {}
    for one, spent in [*main, *others]:
        if not one.analyzer:
            continue
        share = found.setdefault(one.analyzer, Share(one.analyzer))
        seconds = spent / 1e9
        share.bytes += one.bytes
        kind = one.what if one.stage in ("trajectories", "families") else one.stage
        if kind in ("functions", "function"):
            share.function += seconds
            share.calls += 1
        elif kind == "derived":
            share.derived += seconds
        elif kind == "hand-over":
            share.handover += seconds
        else:
            share.writing += seconds
    return sorted(found.values(), key=lambda s: -(s.function + s.derived + s.handover))


def trace(recording: Recording) -> dict[str, Any]:
    """The recording in the Trace Event Format: times in microseconds since its start."""
    pid = os.getpid()
    tids = {recording.main: 1}
    for one in recording.timed:
        tids.setdefault(one.thread, len(tids) + 1)
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "pid": pid, "tid": 1, "args": {"name": "mi analyze"}}
    ]
    for thread, tid in tids.items():
        name = "main" if thread == recording.main else role(thread)
        about = {"ph": "M", "pid": pid, "tid": tid}
        events.append({"name": "thread_name", **about, "args": {"name": name}})
        events.append({"name": "thread_sort_index", **about, "args": {"sort_index": tid}})
    whole = Timed("mi analyze", "", None, "", 0, recording.main, recording.start, recording.end)
    for one in [whole, *sorted(recording.timed, key=lambda one: (one.start, -one.end))]:
        args: dict[str, Any] = {} if one.epoch is None else {"epoch": one.epoch}
        args |= {"analyzer": one.analyzer} if one.analyzer else {}
        args |= {"bytes": one.bytes} if one.bytes else {}
        events.append(
            {
                "name": ": ".join(filter(None, (one.stage, one.analyzer, one.what))),
                "cat": one.stage,
                "ph": "X",
                "ts": (one.start - recording.start) / 1e3,
                "dur": (one.end - one.start) / 1e3,
                "pid": pid,
                "tid": tids[one.thread],
                "args": args,
            }
        )
    return {"displayTimeUnit": "ms", "traceEvents": events}


def write_trace(path: Path, recording: Recording) -> None:
    """Write the trace, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    write_atomic(path, json.dumps(trace(recording), separators=(",", ":")).encode())
