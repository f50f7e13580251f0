"""Commit records: what makes an epoch of an analyzer's artifacts visible.

``commits/<probe>/<analyzer>/<block>.json`` maps epochs (by value, so that a rewritten group keeps them valid)
to fingerprints. A record is written after the arrays, flushed to the disk and renamed into place; readers
trust records alone. Artifacts without an epoch axis have one record, ``whole.json``. Beside the fingerprints
stand the epochs with cells that are not finite (``nonfinite``: epoch -> output -> cells), and with what the
results were made; what is not the same for all of a record's epochs is null there. The last field is a
checksum of the bytes before it: who edits a record by hand takes it out.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from attrs import frozen

from mi.domain.jsonfile import write_atomic
from mi.errors import StoreError
from mi.store.layout import VariantPaths

SCHEMA = 1
RESTED = 1.0  # seconds since a record's last change after which it is kept in memory
MOST_KEPT = 512  # records kept
_KEPT: OrderedDict[Path, tuple[tuple[int, ...], dict[str, Any]]] = OrderedDict()
_LOCK = Lock()


@frozen
class Commits:
    """The commit records of one analyzer over one probe."""

    folder: Path

    @classmethod
    def of(cls, paths: VariantPaths, probe: str, analyzer: str) -> Commits:
        """Those of ``<probe>/<analyzer>``."""
        return cls(paths.commits / probe / analyzer)

    def files(self) -> list[Path]:
        """The records' files, sorted."""
        return [self.folder / name for name in self._names()]

    def _names(self) -> list[str]:
        try:
            found = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(n for n in found if n.endswith(".json") and (n[0] == "w" or n[0].isdecimal()))

    def _records(self) -> list[tuple[Path, dict[str, Any]]]:
        """Every record and its content.

        Where one goes while they are read, all are read again: it was merged into one that was read before.
        """
        for _ in range(20):
            found = [(path, _load(path)) for path in self.files()]
            there = [(path, data) for path, data in found if data is not None]
            if len(there) == len(found):
                break
        return there

    def read(self) -> dict[int, str]:
        """Epoch -> fingerprint of everything committed, sorted by epoch.

        Raises:
            StoreError: a record is damaged.
        """
        found: dict[int, str] = {}
        for path, data in self._records():
            if path.name != "whole.json":
                found.update(_epochs(path, data))
        return dict(sorted(found.items()))

    def whole(self) -> str | None:
        """Fingerprint of artifacts without an epoch axis; None when they are not committed.

        Raises:
            StoreError: the record is damaged.
        """
        path = self.folder / "whole.json"
        data = _load(path)
        if data is None:
            return None
        fingerprint = data.get("fingerprint")
        if not isinstance(fingerprint, str):
            raise _damaged(path, "no fingerprint")
        return fingerprint

    def nonfinite(self) -> dict[int | None, dict[str, int]]:
        """Epoch (None for what has no axis of epochs) -> output -> cells that are not finite, where any is.

        Raises:
            StoreError: a record is damaged.
        """
        found: dict[int | None, dict[str, int]] = {}
        for path, data in self._records():
            bad = _nonfinite(path, data)
            if path.name != "whole.json":
                found.update(bad)
            elif bad:
                found[None] = bad
        return found

    def provenance(self) -> list[tuple[set[int | None], dict[str, Any]]]:
        """With what results were made, record by record: its epochs (None: no axis), and versions and device.

        Raises:
            StoreError: a record is damaged.
        """
        found: list[tuple[set[int | None], dict[str, Any]]] = []
        for path, data in self._records():
            epochs: set[int | None] = {None} if path.name == "whole.json" else set(_epochs(path, data))
            found.append((epochs, _provenance(data)))
        return found

    def add(
        self,
        block: int,
        fingerprints: Mapping[int, str],
        provenance: Mapping[str, Any],
        nonfinite: Mapping[int, Mapping[str, int]] | None = None,
    ) -> None:
        """Commit epochs of one block, beside those that its record holds already."""
        path = self.folder / f"{block:04d}.json"
        bad = dict(nonfinite or {})
        data = _load(path)
        if data is not None:
            before = {e: f for e, f in _epochs(path, data).items() if e not in fingerprints}
            if before:
                provenance = _agreed(_provenance(data), provenance)
            bad |= {e: cells for e, cells in _nonfinite(path, data).items() if e in before}
            fingerprints = before | dict(fingerprints)
        self._write(path, fingerprints, provenance, bad)

    def add_whole(
        self, fingerprint: str, provenance: Mapping[str, Any], nonfinite: Mapping[str, int] | None = None
    ) -> None:
        """Commit artifacts without an epoch axis."""
        data: dict[str, Any] = {"schema": SCHEMA, "fingerprint": fingerprint, **provenance}
        _save(self.folder / "whole.json", data | ({"nonfinite": dict(nonfinite)} if nonfinite else {}))

    def retract(self, epochs: Collection[int]) -> None:
        """Take epochs out of every record: they become invisible before their arrays are touched."""
        gone = set(epochs)
        for path, data in self._records():
            if path.name == "whole.json":
                continue
            held = _epochs(path, data)
            left = {e: f for e, f in held.items() if e not in gone}
            if not left:
                path.unlink(missing_ok=True)
            elif len(left) < len(held):
                bad = {e: cells for e, cells in _nonfinite(path, data).items() if e in left}
                self._write(path, left, _provenance(data), bad)

    def merge(self) -> None:
        """Fold all blocks' records into the first: fewer files, the same meaning at every instant."""
        records = [(path, data) for path, data in self._records() if path.name != "whole.json"]
        files = [path for path, _ in records]
        if len(files) > 1:
            made, *others = (_provenance(data) for _, data in records)
            for other in others:
                made = _agreed(made, other)
            bad = {e: cells for e, cells in self.nonfinite().items() if e is not None}
            self._write(files[0], self.read(), made, bad)
            for path in files[1:]:
                path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove every record, damaged ones too."""
        for path in self.files():
            path.unlink(missing_ok=True)

    def seen(self) -> tuple[tuple[Any, ...], Mapping[int, str]]:
        """The records' :meth:`signature`, and what :meth:`read` gives, from memory where nothing has changed.

        Raises:
            StoreError: a record is damaged.
        """
        # In this order: what is written in between is then looked at again, for its other signature.
        signature = self.signature()
        known = _SEEN.get(self.folder)
        if known is None or known[0] != signature:
            if len(_SEEN) > 1000:
                _SEEN.clear()
            known = _SEEN[self.folder] = signature, MappingProxyType(self.read())
        return known

    def signature(self) -> tuple[Any, ...]:
        """Changes whenever a record is written; costs a few calls of ``stat``."""
        out = []
        folder = str(self.folder)
        for name in self._names():
            try:
                stat = os.stat(f"{folder}/{name}")
            except FileNotFoundError:
                continue
            out.append((name, *_state(stat)))
        return tuple(out)

    def _write(
        self,
        path: Path,
        epochs: Mapping[int, str],
        provenance: Mapping[str, Any],
        nonfinite: Mapping[int, Mapping[str, int]],
    ) -> None:
        data: dict[str, Any] = {"schema": SCHEMA, "epochs": {str(e): epochs[e] for e in sorted(epochs)}}
        if nonfinite:
            data["nonfinite"] = {str(e): dict(nonfinite[e]) for e in sorted(nonfinite)}
        _save(path, data | dict(provenance))


_SEEN: dict[Path, tuple[tuple[Any, ...], Mapping[int, str]]] = {}


def inexact(fingerprints: Mapping[int, str]) -> dict[str, list[int]]:
    """Data type -> epochs whose results were made of activations kept in it, where that is not exact.

    A fingerprint says so after a ``~``: see :func:`mi.engine.shares.marked`.
    """
    found: dict[str, list[int]] = {}
    for epoch, said in fingerprints.items():
        for name in filter(None, said.partition("~")[2].split(",")):
            found.setdefault(name, []).append(epoch)
    return found


_SUM = b',\n  "sum": "'  # the last field: a checksum of the bytes before it


def _save(path: Path, data: Mapping[str, Any]) -> None:
    body = json.dumps(data, indent=2, ensure_ascii=False).encode().removesuffix(b"\n}")
    write_atomic(path, b'%b%b%08x"\n}\n' % (body, _SUM, zlib.crc32(body)))


def _state(stat: os.stat_result) -> tuple[int, ...]:
    """Differs whenever a file was written in between, unless within one tick of the clock."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _load(path: Path) -> dict[str, Any] | None:
    """A record's content, not to be changed; None where there is none: a writer just merged or dropped it.

    Every block of a long analysis asks for all records of what it needs, so those that have rested are kept.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    state = _state(stat)
    with _LOCK:
        kept = _KEPT.get(path)
        if kept is not None and kept[0] == state:
            _KEPT.move_to_end(path)
            return kept[1]
    data = _parse(path)
    # What was changed within the clock's last tick could be changed once more and look the same.
    if data is not None and 0 <= stat.st_ctime <= time.time() - RESTED:
        with _LOCK:
            _KEPT[path] = (state, data)
            while len(_KEPT) > MOST_KEPT:
                _KEPT.popitem(last=False)
    return data


def _parse(path: Path) -> dict[str, Any] | None:
    try:
        raw = path.read_bytes()
        body, mark, end = raw.rpartition(_SUM)
        if mark and end[:8] != b"%08x" % zlib.crc32(body):
            raise _damaged(path, "its checksum differs")
        data = json.loads(raw)
        if not mark and isinstance(data, dict) and "sum" in data:
            raise _damaged(path, "it was written anew with the checksum of another")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise _damaged(path, "no JSON") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise _damaged(path, f"schema is not {SCHEMA}")
    return data


def _epochs(path: Path, data: Mapping[str, Any]) -> dict[int, str]:
    epochs = data.get("epochs")
    try:
        if not isinstance(epochs, dict) or not all(isinstance(f, str) for f in epochs.values()):
            raise ValueError
        return {int(e): f for e, f in epochs.items()}
    except ValueError:
        raise _damaged(path, "epochs is not a mapping of epochs to fingerprints") from None


def _nonfinite(path: Path, data: Mapping[str, Any]) -> dict[Any, Any]:
    """Epoch -> output -> cells; of ``whole.json`` output -> cells."""
    bad = data.get("nonfinite", {})
    try:
        return dict(bad) if path.name == "whole.json" else {int(e): cells for e, cells in bad.items()}
    except (AttributeError, ValueError):
        raise _damaged(path, "nonfinite is not a mapping of epochs to counts") from None


_OWN = ("schema", "epochs", "fingerprint", "nonfinite", "sum")


def _provenance(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in data.items() if k not in _OWN}


def _agreed(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same in both; null where they differ."""
    out: dict[str, Any] = {}
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        out[key] = _agreed(a, b) if isinstance(a, dict) and isinstance(b, dict) else a if a == b else None
    return out


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path}: damaged commit record ({why}); `mi analyze` computes its epochs again")
