"""Keeping what analyzers share unchanged.

Activations and weights are tensors made in inference mode, so an in-place edit outside it raises by itself.
Three ways round remain: ``.numpy()`` edits, plain numpy arrays (context, probe), and results that other
analyzers read. The first two are found by checksums, the last by torch's version counters.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mi.errors import PlanError

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
    """Checksums of shared arrays and CPU tensors, taken once and compared after each analyzer."""

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self.things: dict[str, Any] = {}

    def add(self, name: str, thing: Any) -> None:
        """Watch an array or a tensor; others (a number, a string) cannot be edited."""
        array = _bytes(thing)
        if array is not None and name not in self.sums:
            self.sums[name], self.things[name] = _checksum(array), thing

    def changed(self, names: set[str]) -> list[str]:
        """Which of ``names`` were edited since they were added; each is forgiven after it is told."""
        found = []
        for name in sorted(names & self.sums.keys()):
            array = _bytes(self.things[name])
            assert array is not None
            now = _checksum(array)
            if now != self.sums[name]:
                found.append(name)
                self.sums[name] = now
        return found


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


def _bytes(thing: Any) -> np.ndarray | None:
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


def _checksum(data: np.ndarray) -> int:
    """CRC of small arrays; XOR of the 8-byte words of large ones: far faster, blind to their order."""
    if data.size <= _SMALL:
        return zlib.crc32(data.data)
    words = data[: data.size // 8 * 8].view(np.uint64)
    return int(np.bitwise_xor.reduce(words)) ^ zlib.crc32(data[words.size * 8 :].data)
