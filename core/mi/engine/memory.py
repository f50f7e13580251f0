"""What memory there is, and which analyzers fit it.

Activations of one batch come and go. What stays is what analyzers of the whole probe read: their sites over
all rows, each site once, the probe itself, and results until they are written. That must fit what is given
(``--memory``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import frozen

from mi.domain.analyzer import Analyzer
from mi.domain.probe import Probe
from mi.domain.sizes import said_bytes
from mi.engine.item import Item
from mi.engine.shares import Work
from mi.engine.trial import Trial
from mi.errors import MiError, PlanError
from mi.plural import counted

SHARE = 2  # without `--memory`, one part in so many of what is free is taken
_MEMORY, _CGROUPS, _OWN = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def default_memory(device: str) -> int:
    """Bytes that activations and probe may take where nothing is said: half of what is free.

    Free is, on an accelerator, its free memory; else what the system calls available, and no more than the
    control groups of this process leave.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0]) // SHARE
    return min([_available(), *_left_in_groups()]) // SHARE


def _available() -> int:
    for line in _lines(_MEMORY):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # no Linux: half of what is built in


def _left_in_groups() -> Iterator[int]:
    """What each control group that limits memory leaves; files that are cached can make way."""
    for line in _lines(_OWN):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        limit, used = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else ("memory.max", "memory.current")
        )
        place = root / path.strip("/")
        for group in (place, *place.parents):
            if not group.is_relative_to(root):
                break
            numbers = [next(iter(_lines(group / name)), "") for name in (limit, used)]
            if all(number.isdecimal() for number in numbers):
                stats = dict(line.split()[:2] for line in _lines(group / "memory.stat"))
                cached = int(stats.get("total_inactive_file", stats.get("inactive_file", 0)))
                yield max(int(numbers[0]) - int(numbers[1]) + cached, 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


class NoRoomError(PlanError):
    """What does not fit the memory given: nobody's fault."""


def check_rows_stored(analyzer: Analyzer, probe: Probe, memory: int) -> None:
    """Refuse outputs with a value for each row where those of one checkpoint do not fit.

    Raises:
        NoRoomError: names the output, what it takes and what is given.
    """
    for name, output in analyzer.outputs.items():
        size = _row_values(probe, output.dims, output.dtype)
        if size > memory:
            raise NoRoomError(
                f"analyzer {analyzer.id}: output {name!r} has a value for each of the probe's {len(probe):,} "
                f"rows, {said_bytes(size)} a checkpoint, more than the {said_bytes(memory)} of memory given; "
                "choose a probe of fewer rows, or give more (--memory)"
            )


def _row_values(probe: Probe, dims: Sequence[str], dtype: str) -> int:
    over_grid = probe.complete and set(probe.axes) <= set(dims)
    if "row" not in dims and not over_grid:
        return 0
    return len(probe) * (np.dtype(dtype).itemsize + (8 if "row" in dims else 0))  # with the coordinate


@frozen(eq=False)
class Room:
    """How a pass fits memory.

    Attributes:
        given: bytes that activations and probe may take.
        held: of them, what is held over all rows.
        left: what is left for one batch.
        refused: analyzer and why it does not fit, of each that does not.
    """

    given: int
    held: int
    left: int
    refused: tuple[tuple[str, MiError], ...] = ()


def room(works: Sequence[Work], probe: Probe, trial: Trial, memory: int) -> Room:
    """What analyzers hold, in their order, and those that do not fit.

    One that does not fit by itself is refused, and one that does not fit beside those before it.

    Args:
        works: those that run in the pass.
        probe: what is fed.
        trial: tells what sites weigh.
        memory: bytes that activations and probe may take.
    """
    rows = len(probe)
    refused: list[tuple[str, MiError]] = []
    every = rows * probe.row_bytes
    held: dict[str, int] = {"the probe": every} if probe.held else {}
    for work in works:
        item = work.item
        needed = _needed(item, rows, trial.site_bytes)
        if needed and not item.analyzer.streaming:
            needed["the probe"] = every
        needed[f"results of {item.id}"] = work.spec.epoch_bytes()
        alone, beside = sum(needed.values()), sum({**held, **needed}.values())
        if item.analyzer.streaming or beside + trial.row_bytes <= memory:
            held |= needed
            continue
        much = f"it holds {said_bytes(alone)} over the probe's {counted(rows, 'row')}"
        given = f"more than the {said_bytes(memory)} of memory given"
        why = f"{much}, {given}; choose a probe of fewer rows, give more (--memory), or use a streaming one"
        if alone + trial.row_bytes <= memory:
            why = (
                f"{much}, with what others hold {said_bytes(beside)}, {given}; ask for it by itself "
                "(--analyzers), or give more (--memory)"
            )
        refused.append((item.id, PlanError(why)))
    total = sum(held.values())
    return Room(memory, total, max(memory - total, 0), tuple(refused))


def _needed(item: Item, rows: int, site_bytes: Mapping[str, int]) -> dict[str, int]:
    """Activations, and gradients, that are held over all rows for an analyzer: what -> bytes."""
    if item.analyzer.streaming:
        return {}
    needed = {f"site {site.key}": rows * site_bytes.get(site.key, 0) for site in item.sites}
    return needed | {f"gradient {s.key}": rows * site_bytes.get(s.key, 0) for s in item.gradient_sites}
