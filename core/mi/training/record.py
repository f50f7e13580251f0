"""``metadata.json``: what a training is to reach, has reached, and with what; and its state in words."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from attrs import asdict, define, field

from mi.domain.jsonfile import Fields, read_json, write_json
from mi.domain.schedule import parse_epochs
from mi.errors import FormatError, StoreError
from mi.store.layout import VariantPaths
from mi.store.lock import is_locked

SCHEMA = 1
STATUSES = ("training", "interrupted", "stopped", "trained")


@define(kw_only=True)
class Densified:
    """A window of a finished training that was trained again for more checkpoints.

    Attributes:
        window: the epochs asked for.
        added: those whose checkpoints were added so far, sorted.
        start: epoch of the first training state that it went on from.
        device, threads, versions: what computed.
        started, ended: UTC, ISO 8601; ``ended`` is empty while epochs are left to add.
    """

    window: str
    added: list[int] = field(factory=list)
    start: int
    device: str
    threads: int
    versions: Mapping[str, str] = field(factory=dict)
    started: str = field(factory=lambda: now())
    ended: str = ""

    def json(self) -> dict[str, Any]:
        """As metadata.json has it: the epochs in one line of text."""
        return asdict(self) | {"added": ",".join(map(str, self.added))}

    @classmethod
    def read(cls, top: Fields) -> Densified:
        """What :meth:`json` made.

        Raises:
            FormatError: a field does not hold what it must.
        """
        added = top.take("added", str, "epochs separated by commas")
        return cls(
            window=top.take("window", str, "epochs"),
            added=top.guard("added", lambda: list(parse_epochs(added, 2**63)) if added else []),
            start=top.take("start", int, "an epoch"),
            device=top.take("device", str, "a device"),
            threads=top.take("threads", int, "a whole number"),
            versions=top.take("versions", dict, "an object", {}),
            started=top.take("started", str, "a time", ""),
            ended=top.take("ended", str, "a time", ""),
        )


@define(kw_only=True)
class TrainingRecord:
    """A variant's training.

    Attributes:
        status: ``training`` (or killed while it was), ``interrupted`` (by the user, state saved), ``stopped``
            (the loss was no number) or ``trained``.
        epochs: the planned length.
        schedule: the checkpoints asked for; 0 and the last epoch are always kept.
        states: which training states are kept.
        evaluate_every: epochs between two evaluations; checkpoints are always evaluated.
        reached: the last epoch whose checkpoint or state is on disk; −1 before the first.
        device, dtype, threads: what computed; the same three give the same bits.
        versions: distribution -> version, and Python's.
        started, ended: UTC, ISO 8601; of the first and the last call.
        seconds: training time of all calls.
        reason: why it stopped.
        densified: windows that were trained again for more checkpoints, in order.
    """

    status: str = "training"
    epochs: int
    schedule: str
    states: str
    evaluate_every: int
    reached: int = -1
    device: str
    dtype: str
    threads: int
    versions: Mapping[str, str] = field(factory=dict)
    started: str = field(factory=lambda: now())
    ended: str = ""
    seconds: float = 0.0
    reason: str = ""
    densified: list[Densified] = field(factory=list)

    @property
    def added(self) -> frozenset[int]:
        """Epochs of checkpoints that came by densifying, not by the schedule."""
        return frozenset(epoch for one in self.densified for epoch in one.added)

    def write(self, paths: VariantPaths) -> None:
        """Write ``metadata.json``, atomically."""
        told = asdict(self) | {"densified": [one.json() for one in self.densified]}
        write_json(paths.metadata, {"schema": SCHEMA, **told})


def read_record(paths: VariantPaths) -> TrainingRecord | None:
    """The variant's training, or None when none was begun.

    Raises:
        FormatError: metadata.json does not hold what it must.
    """
    path = paths.metadata
    if not path.exists():
        return None
    top = Fields(read_json(path), path)
    if top.take("schema", int, f"{SCHEMA}") != SCHEMA:
        raise FormatError(path, "schema", top.data["schema"], f"{SCHEMA}")
    status = top.take("status", str, f"one of {', '.join(STATUSES)}")
    if status not in STATUSES:
        raise FormatError(path, "status", status, f"one of {', '.join(STATUSES)}")
    words = {k: top.take(k, str, "a string") for k in ("schedule", "states", "device", "dtype")}
    numbers = {
        k: top.take(k, int, "a whole number") for k in ("epochs", "evaluate_every", "reached", "threads")
    }
    return TrainingRecord(
        status=status,
        **words,
        **numbers,
        versions=top.take("versions", dict, "an object", {}),
        started=top.take("started", str, "a time", ""),
        ended=top.take("ended", str, "a time", ""),
        seconds=float(top.take("seconds", (int, float), "seconds", 0.0)),
        reason=top.take("reason", str, "a string", ""),
        densified=[Densified.read(one) for one in top.items("densified", default=[])],
    )


def variant_state(paths: VariantPaths) -> str:
    """The variant's training in words, for listings: cheap, no array is read.

    One of ``declared``, ``training 43 %``, ``interrupted at 1300``, ``stopped at 37`` and ``trained``.

    Raises:
        FormatError: metadata.json does not hold what it must.
    """
    record = read_record(paths)
    if record is None:
        return "declared"
    if record.status == "trained":
        return "trained"
    if record.status == "training" and is_locked(paths):
        return f"training {100 * max(record.reached, 0) // max(record.epochs, 1)} %"
    word = "stopped" if record.status == "stopped" else "interrupted"
    return f"{word} at {max(record.reached, 0)}"


def versions(distribution: str) -> dict[str, str]:
    """Versions of Python, torch, the core and a plugin's distribution."""
    found = {"python": platform.python_version()}
    for name in filter(None, ("mi-core", "torch", distribution)):  # a local plugin has no distribution
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def append_log(paths: VariantPaths, event: str, **what: Any) -> None:
    """One line in ``log.jsonl``.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        with paths.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": now(), "command": "train", "event": event, **what}) + "\n")
    except OSError as error:
        raise StoreError(f"{paths.log}: cannot be written ({error.strerror})") from None
