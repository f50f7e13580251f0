"""Keeping what analyzers share unchanged.

On the CPU activations and weights are tensors made in inference mode, so an in-place edit outside it
raises; but torch raises only *after* it has made the edit, and edits through ``.numpy()`` or of plain
arrays (context values, the probe) raise nothing. Checksums find them all. On an accelerator a checksum
would wait for it, and there is no ``.numpy()``: there they are ordinary tensors, whose edits torch counts
(all but those through ``.data``), as derived quantities are everywhere. Arrays are mended from a copy; a
tensor is marked as spoiled, with the name of who did it, and nobody reads it any more at this checkpoint.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from mi.errors import PlanError, PluginError

_SMALL = 2**16  # bytes
_COLUMNS = 1021  # 8-byte words; no usual length shares a divisor with it, so rows never fall into step


def unrecorded(device: str) -> AbstractContextManager[Any]:
    """Where tensors that analyzers share are made: without a graph, and so that edits in place are found.

    On the CPU that is inference mode; elsewhere tensors keep the counters that :class:`Watch` reads.
    """
    import torch

    return torch.inference_mode() if torch.device(device).type == "cpu" else torch.no_grad()


class Declared(Mapping[str, Any]):
    """A mapping that answers only for what was declared, and says so otherwise."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self.kind, self.values_ = kind, values

    def __getitem__(self, name: str) -> Any:
        if name not in self.values_:
            known = ", ".join(sorted(self.values_)) or "none"
            raise PlanError(f"{self.kind} {name!r} is read but not declared; declared: {known}")
        return self.values_[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


class Watch:
    """Marks of shared arrays and tensors, made once and compared after each analyzer.

    Attributes:
        spoiled: name -> who changed it.
    """

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self.things: dict[str, Any] = {}
        self.copies: dict[str, np.ndarray] = {}
        self.spoiled: dict[str, str] = {}

    def add(self, name: str, thing: Any) -> None:
        """Watch an array or a tensor; others (a number, a string) cannot be edited."""
        if name in self.sums:
            return
        mark = _mark(thing)
        if mark is not None:
            self.sums[name], self.things[name] = mark, thing
            if isinstance(thing, np.ndarray):
                self.copies[name] = thing.copy()

    def forget(self, names: set[str]) -> None:
        """Watch these no longer, and let them be freed."""
        for name in names & self.sums.keys():
            del self.sums[name], self.things[name]
            self.copies.pop(name, None)

    def changed(self, names: set[str], author: str) -> list[str]:
        """Which of ``names`` were edited, by ``author``; each is mended, or spoiled from now on."""
        found = self._unlike(names)
        if found:  # several names may show one memory
            found = self._unlike(self.sums.keys())
        for name in found:
            if name in self.copies:
                self.things[name][...] = self.copies[name]
            else:
                self.spoiled[name] = author
        return found

    def _unlike(self, names: Set[str]) -> list[str]:
        there = sorted(names & self.sums.keys() - self.spoiled.keys())
        return [name for name in there if _mark(self.things[name]) != self.sums[name]]

    def refuse(self, names: set[str]) -> None:
        """Refuse to hand out what somebody spoiled.

        Raises:
            PluginError: names it and who did it.
        """
        for name in sorted(names & self.spoiled.keys()):
            raise PluginError(f"cannot run, because {self.spoiled[name]} changed {name} in place")


def versions(value: Any) -> list[tuple[int, int]]:
    """Version counters of the tensors inside ``value`` (tensors, mappings, lists, tuples, attrs objects)."""
    import torch

    if isinstance(value, torch.Tensor):
        return [] if value.is_inference() else [(id(value), value._version)]
    if isinstance(value, Mapping):
        return [v for one in value.values() for v in versions(one)]
    if isinstance(value, list | tuple):
        return [v for one in value for v in versions(one)]
    fields = getattr(type(value), "__attrs_attrs__", ())
    return [v for f in fields for v in versions(getattr(value, f.name))]


def as_bytes(thing: Any) -> np.ndarray | None:
    """The thing's memory as a flat byte array; None where there is none on the CPU."""
    import torch

    if isinstance(thing, torch.Tensor):
        if thing.device.type != "cpu" or not thing.is_contiguous() or thing.numel() == 0:
            return None
        if thing.dtype == torch.bfloat16:
            thing = thing.view(torch.int16)
        thing = thing.numpy()
    if not isinstance(thing, np.ndarray) or thing.dtype.kind not in "biufc" or thing.size == 0:
        return None
    return np.ascontiguousarray(thing).reshape(-1).view(np.uint8)


def checksum(data: np.ndarray) -> int:
    """CRC of small arrays; of large ones that of the XOR of rows of 1,021 words: as fast as memory is read.

    It is blind to an even number of equal changes in one column, so to whole rows of 8,168 bytes that change
    places.
    """
    if data.size <= _SMALL:
        return zlib.crc32(data.data)
    rows = data.size // (8 * _COLUMNS)
    words = data[: rows * 8 * _COLUMNS].view(np.uint64).reshape(rows, _COLUMNS)
    return zlib.crc32(data[words.size * 8 :].data, zlib.crc32(np.bitwise_xor.reduce(words, axis=0).data))


def _mark(thing: Any) -> int | None:
    """What changes when the thing is edited: its checksum on the CPU, else torch's count of edits."""
    import torch

    memory = as_bytes(thing)
    if memory is not None:
        return checksum(memory)
    if isinstance(thing, torch.Tensor) and not thing.is_inference():
        return int(thing._version)
    return None
