"""Loading plugins where they can do no harm: one child process each.

A plugin that ends its process, crashes it, hangs or floods its output costs only its own child, and the
record says what it was doing then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from mi.child import Child
from mi.plugins.records import Failure, Record

_INSPECT = "mi.plugins.inspection:inspect_plugin"
LIMIT = 120.0  # seconds a plugin; torch and TransformerLens together take up to ten


@frozen
class Checked:
    """A plugin after its check.

    Attributes:
        record: what is known now; ``failures`` is empty when nothing is wrong with it.
        printed: the end of what it printed meanwhile.
    """

    record: Record
    printed: str = ""


def check_plugins(
    records: Iterable[Record], root: Path | None = None, *, limit: float = LIMIT
) -> list[Checked]:
    """Load plugins, ask every hook for every family, resolve all that they declare; one child a plugin.

    A record that is not ``ready`` (refused, disabled, untrusted) is given back as it is. The environment is
    this process's own; ``MI_STRICT_PLUGINS`` does not count, since all failures are wanted.

    Args:
        records: as a survey found them.
        root: the workspace's folder, for its families and local plugins.
        limit: seconds that a plugin may take to load and as many again for the rest.

    Raises:
        MiError: no process can be started.
    """
    records = list(records)
    ready = [record for record in records if record.status == "ready"]
    # Left first, the stack kills the children; the pools' threads see that and end, also after Ctrl-C.
    workers = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=max(len(ready), 1)) as waiters, workers, ExitStack() as stack:
        where = None if root is None else str(root)
        children = [
            stack.enter_context(
                Child(_INSPECT, {"name": record.name, "value": record.value, "root": where}, limit)
            )
            for record in ready
        ]
        # First all load, which is light; then each hears which families the others ship, and does the rest.
        ships = list(waiters.map(lambda child: child.wait_for("ships"), children))
        checked = list(workers.map(partial(_finish, ships), ready, children))
    done = dict(zip(map(id, ready), checked, strict=True))
    return [done.get(id(record), Checked(record)) for record in records]


def _finish(ships: list[Any], record: Record, child: Child) -> Checked:
    child.send([family for one in ships for family in one or ()])
    ended = child.finish()
    if "record" in ended.said:
        record = Record.from_json(ended.said["record"])
    if ended.problem:
        record.status = "failed"
        # What it printed is the traceback of a crash, or where it hung.
        record.failures.append(Failure(hook="process", error=ended.problem, details=ended.printed))
    return Checked(record, "" if ended.problem else ended.printed)
