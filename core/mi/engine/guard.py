"""Keeping what analyzers share unchanged.

Activations and weights are tensors made in inference mode, so an in-place edit outside it raises; but torch
raises only *after* it has made the edit, and edits through ``.numpy()`` or of plain arrays (context, probe)
raise nothing. Checksums find them all. Arrays are mended from a copy; a tensor is marked as spoiled, with the
name of who did it, and nobody reads it any more at this checkpoint. Derived quantities are ordinary tensors,
watched through torch's version counters.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mi.errors import PlanError, PluginError

_SMALL = 2**20


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
    """Checksums of shared arrays and CPU tensors, taken once and compared after each analyzer.

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
        array = as_bytes(thing)
        if array is not None and name not in self.sums:
            self.sums[name], self.things[name] = checksum(array), thing
            if isinstance(thing, np.ndarray):
                self.copies[name] = thing.copy()

    def forget(self, names: set[str]) -> None:
        """Watch these no longer, and let them be freed."""
        for name in names & self.sums.keys():
            del self.sums[name], self.things[name]
            self.copies.pop(name, None)

    def changed(self, names: set[str], author: str) -> list[str]:
        """Which of ``names`` were edited, by ``author``; each is mended, or spoiled from now on."""
        found = []
        for name in sorted(names & self.sums.keys() - self.spoiled.keys()):
            array = as_bytes(self.things[name])
            assert array is not None
            if checksum(array) != self.sums[name]:
                found.append(name)
                if name in self.copies:
                    self.things[name][...] = self.copies[name]
                else:
                    self.spoiled[name] = author
        return found

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
    """CRC of small arrays; XOR of the 8-byte words of large ones: far faster, blind to their order."""
    if data.size <= _SMALL:
        return zlib.crc32(data.data)
    words = data[: data.size // 8 * 8].view(np.uint64)
    return int(np.bitwise_xor.reduce(words)) ^ zlib.crc32(data[words.size * 8 :].data)
