"""Forks a child for each ``mi …`` that it is asked for: a real process, without a start-up each.

Lines in: a JSON object (see :class:`warm.Order`), answered by the child's process id; or ``{"wait": id}``,
answered by its wait status and how many changes it made; or ``{"shell": command}``, answered by its errors.
Everything is imported before, and no thread is alive when it forks: neither torch's (one is asked for) nor
zarr's (begun by its first use, in the child). Only pyarrow's allocator has one, and minds forks itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mi.store.schema

# Before anybody imports them: several blocks, regrouping and shards with few checkpoints of a tiny model.
mi.store.schema.BLOCK = 4
mi.store.schema.ROW_BYTES = 16

import torch  # noqa: E402
import torch._dynamo  # noqa: E402  (what the first optimizer imports, for seconds)
import transformer_lens  # noqa: E402, F401
from tripwire import Tripwire, die, full  # noqa: E402

import mi.cli.analyze  # noqa: E402
import mi.cli.clean  # noqa: E402
import mi.cli.pack  # noqa: E402
import mi.cli.train  # noqa: E402
import mi.engine.analyze  # noqa: E402
import mi.engine.clean  # noqa: E402
import mi.engine.trajectory  # noqa: E402
import mi.engine.writer  # noqa: E402
import mi.store.losses  # noqa: E402
import mi.store.switch  # noqa: E402
import mi.training  # noqa: E402
from mi.cli import cli  # noqa: E402


def child(order: dict, told: int) -> int:
    """What the child does; its exit code."""
    os.environ.update(order["environment"])
    for handle in (1, 2):
        os.dup2(os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), handle)
    if order["user"] is not None:
        os.setuid(order["user"])
    mi.engine.writer.FLUSH_SECONDS = order["flush_seconds"]
    # With a delay, the parent is told, and kills that much later.
    act = (lambda: os.write(told, b"!")) if order["delay"] is not None else die
    wire = Tripwire(order["root"], order["at"], full if order["full"] else act, order["trace"], order["full"])
    mi.store.switch.exchange = wire.exchanging(mi.store.switch.exchange)
    code = cli.run(order["arguments"])
    sys.stdout.flush()
    os.write(told, json.dumps(wire.count).encode())
    return code


def threads() -> list[str]:
    """Names of the threads that a fork would lose."""
    every = [(one / "comm").read_text().strip() for one in Path("/proc/self/task").iterdir()]
    return [name for name in every[1:] if name != "jemalloc_bg_thd"]


def main() -> None:
    """Until standard input ends."""
    torch.set_num_threads(1)
    alive: dict[int, tuple[int, float | None]] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "shell" in order:
            ran = subprocess.run(order["shell"], shell=True, capture_output=True, text=True, check=False)
            print(json.dumps(ran.stderr if ran.returncode else ""), flush=True)
            continue
        if "wait" in order:
            print(json.dumps(ended(order["wait"], *alive.pop(order["wait"]))), flush=True)
            continue
        assert not threads(), f"alive, and missing in the child: {threads()}"
        reading, telling = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = child(order, telling)
            finally:
                os._exit(code)
        os.close(telling)
        alive[pid] = (reading, order["delay"])
        print(pid, flush=True)


def ended(pid: int, reading: int, delay: float | None) -> tuple[int, int]:
    """Wait status of a child, and how many changes it made; killed here where it has a delay."""
    said = os.read(reading, 100)
    if said.startswith(b"!") and delay is not None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        said = os.read(reading, 100)
    os.close(reading)
    return os.waitpid(pid, 0)[1], int(said or 0)


main()
