"""torch and the devices that it computes on, in a child process that a broken torch may end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mi.child import Child, Ended, Report
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding
from mi.doctor.machine import cores

REINSTALL = "pip install --force-reinstall torch"


def start(context: Context) -> Child:
    """The child that looks; see :func:`findings`.

    Raises:
        MiError: no process can be started.
    """
    return Child("mi.doctor.device:look", None, context.limit)


def look(argument: Any, report: Report) -> None:
    """In the child: import torch, compute something on every device that it reports."""
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as `mi` sets it
    report.phase("importing torch")
    import torch

    report.say(version=str(torch.__version__), threads=torch.get_num_threads(), devices={})
    devices = {"cpu": ""}
    if torch.cuda.is_available():
        devices |= {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple"
    worked: dict[str, list[str]] = {}
    for device, name in devices.items():
        report.phase(f"computing on {device}")
        try:
            ones = torch.ones(8, 8, device=device)
            right = float((ones @ ones).sum()) == 512.0
            worked[device] = [name, "" if right else "gives a wrong sum"]
        except Exception as error:
            worked[device] = [name, f"{type(error).__name__}: {error}"]
        report.say(devices=worked)


def findings(ended: Ended) -> Iterator[Finding]:
    """What the child saw."""
    said = ended.said
    if "version" not in said:
        last = ended.printed.splitlines()[-1:] or [ended.problem]
        sentence = f"torch cannot be imported: {last[0] if 'Error' in last[0] else ended.problem}"
        yield Finding("device", "torch", PROBLEM, sentence, REINSTALL)
        return
    available = cores()
    sentence = f"torch {said['version']} computes on {said['threads']} threads, {available} cores may be used"
    if said["threads"] > available:
        mend = f"export OMP_NUM_THREADS={available}, or pass --threads {available}"
        yield Finding("device", "torch", WARNING, f"{sentence}: they wait for one another", mend)
    else:
        yield Finding("device", "torch", OK, sentence)
    for device, (name, wrong) in said["devices"].items():
        shown = f"{device} ({name})" if name else device
        if wrong:
            mend = "see the driver and the build of torch; `--device cpu` works without"
            mend = REINSTALL if device == "cpu" else mend
            yield Finding("device", device, PROBLEM, f"{shown}: {wrong}", mend)
        else:
            yield Finding("device", device, OK, f"{shown} computes")
    if ended.problem:
        sentence = f"torch {ended.problem}"
        yield Finding("device", "computing", PROBLEM, sentence, REINSTALL)
