"""Threads, free space and the user's own folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding
from mi.userfolder import cache_folder, config_folder

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
LITTLE, HARDLY = 5 * 10**9, 2 * 10**8  # bytes free: soon too little, already too little
LONG_SPIN = 100_000  # turns of a waiting thread; `mi` sets 1000


def check(context: Context) -> Iterator[Finding]:
    """Settings of threads, folders, space."""
    yield from threads(context)
    for what, folder in (
        ("choices (which local files are trusted)", config_folder(context.environ)),
        ("records (of the last load of plugins)", cache_folder(context.environ)),
    ):
        yield folder_for(what, folder)
    if context.root is not None:
        yield space(context.root / "results" if (context.root / "results").is_dir() else context.root)


def cores() -> int:
    """Cores that this process may use: of the machine, by affinity, by the quota of a container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return count if quota == "max" else max(1, min(count, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return count


def threads(context: Context) -> Iterator[Finding]:
    """Variables that make torch slow."""
    available, found = cores(), False
    for name in THREADS:
        text = context.environ.get(name, "")
        if not text:
            continue
        first = text.split(",")[0].strip()
        if not first.isdecimal() or int(first) == 0:
            found = True
            sentence = f"{name} is {text!r}, expected a number of threads, so it is ignored"
            yield Finding("machine", name, WARNING, sentence, f"export {name}={available}")
        elif int(first) > available:
            found = True
            sentence = f"{name} is {first}, on {available} cores: threads wait for one another"
            yield Finding("machine", name, WARNING, sentence, f"export {name}={available}")
    spin = context.environ.get("GOMP_SPINCOUNT", "")
    if context.environ.get("OMP_WAIT_POLICY", "").lower() == "active":
        found = True
        sentence = (
            "OMP_WAIT_POLICY is active: waiting threads keep their cores busy, which starves the others"
        )
        yield Finding("machine", "OMP_WAIT_POLICY", WARNING, sentence, "unset OMP_WAIT_POLICY")
    elif spin.lower() in ("infinite", "infinity") or (spin.isdecimal() and int(spin) > LONG_SPIN):
        found = True
        sentence = (
            f"GOMP_SPINCOUNT is {spin}: waiting threads keep their cores busy, which starves the others"
        )
        yield Finding("machine", "GOMP_SPINCOUNT", WARNING, sentence, "unset GOMP_SPINCOUNT; `mi` sets 1000")
    if not found:
        yield Finding("machine", "threads", OK, f"{available} cores may be used, no setting gets in the way")


def folder_for(what: str, folder: Path) -> Finding:
    """Whether something can be written to a folder, or it could be made."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        sentence = f"{folder}: {what} cannot be kept ({error.strerror or error})"
        mend = "make it writable, or name another folder in MI_HOME"
        return Finding("machine", str(folder), WARNING, sentence, mend)
    return Finding("machine", str(folder), OK, f"{folder}: {what} can be kept")


def space(folder: Path) -> Finding:
    """Free space where results go."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("machine", "space", WARNING, f"{folder}: free space is unknown ({error.strerror})")
    sentence = f"{folder}: {free / 1e9:.3g} GB are free"
    state = OK if free >= LITTLE else WARNING if free >= HARDLY else PROBLEM
    mend = "" if state == OK else "make space, or use a workspace on another disk"
    return Finding("machine", "space", state, sentence, mend)
