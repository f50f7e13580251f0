"""The records of the last load, kept for the user: `mi plugins` shows them without loading anything."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import define, field

from mi.domain.jsonfile import read_json, write_atomic
from mi.errors import MiError
from mi.plugins.records import Record
from mi.userfolder import cache_folder

SCHEMA = 1


@define
class LastLoad:
    """Records as they were when each plugin was last loaded.

    Attributes:
        path: the file that keeps them, one an environment (``sys.prefix``).
        records: key of a plugin -> its record.
        times: key of a plugin -> seconds since 1970 at which it was loaded.
    """

    path: Path
    records: dict[str, Record] = field(factory=dict)
    times: dict[str, float] = field(factory=dict)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> LastLoad:
        """What was kept; nothing when there is nothing, or nothing that can be read: it is a cache."""
        prefix = hashlib.sha256(sys.prefix.encode()).hexdigest()[:16]
        last = cls(cache_folder(environ) / f"plugins-{prefix}.json")
        try:
            for key, kept in read_json(last.path)["plugins"].items():
                last.records[key] = Record.from_json(kept["record"])
                last.times[key] = float(kept["time"])
        except (MiError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return cls(last.path)
        return last

    def of(self, record: Record) -> tuple[Record, float] | None:
        """The kept record of the same version of the same plugin, and its age in seconds; or None."""
        kept = self.records.get(_key(record))
        if kept is None or _identity(kept) != _identity(record):
            return None
        return kept, max(0.0, time.time() - self.times[_key(record)])

    def remember(self, records: Iterable[Record]) -> None:
        """Keep the records of plugins that were loaded, or failed to; a folder that refuses is no error.

        A load asks only some hooks: what another load of the same version was offered is kept.
        """
        for record in records:
            if record.kind == "given" or record.status not in ("loaded", "failed"):
                continue
            kept = self.of(record)
            if kept is not None and record.status == "loaded":
                record.offers = kept[0].offers | record.offers
            self.records[_key(record)] = record
            self.times[_key(record)] = time.time()
        plugins = {
            key: {"time": self.times[key], "record": record.to_json()} for key, record in self.records.items()
        }
        try:
            data = json.dumps({"schema": SCHEMA, "plugins": plugins}).encode()
            write_atomic(self.path, data, fsync=False)
        except MiError:
            return


def _key(record: Record) -> str:
    return record.value if record.kind == "local" else record.name


def _identity(record: Record) -> tuple[str, ...]:
    return (record.distribution, record.version, record.value, record.digest)
