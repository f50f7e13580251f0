"""What analyzers return: checked, cast to what is stored, and kept where it is until somebody waits for it.

The loop over checkpoints only queues work for the device. So what can be told without waiting (names, shapes,
dtypes) is checked at once; whether whole numbers fit their dtype is worked out on the device, goes along as a
*doubt*, and is looked at by the writer's thread, which waits anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from mi.errors import PluginError
from mi.store.schema import GroupSpec

if TYPE_CHECKING:
    import torch

    Array = torch.Tensor | np.ndarray

Fault = Callable[[str], PluginError]
Doubts = list[tuple[str, Any]]  # sentences, each with a bool tensor, (): see `CheckpointData.refuse_if`
Used = tuple[tuple[str, int], ...]  # (analyzer, epoch) of results that another is made from

_NAMES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64 complex128"


@frozen(eq=False)
class Result:
    """One analyzer's outputs at one checkpoint, as they are stored, without the epoch axis.

    Attributes:
        arrays: output -> its values, of the stored dtype, shared with nobody; a tensor that the device may
            still be working on, or an array.
        doubts: sentences, each with a bool tensor, (), that says whether it is true; then there is no result.
        fault: makes the error that a doubt turns into.
        used: (analyzer, epoch) of the results that it was made from.
    """

    arrays: Mapping[str, Array]
    doubts: tuple[tuple[str, torch.Tensor], ...] = ()
    fault: Fault = PluginError
    used: Used = ()

    def settled(self) -> dict[str, np.ndarray]:
        """The arrays, once the device is done with them.

        Raises:
            PluginError: a doubt came true.
        """
        arrays = {name: _numpy(array) for name, array in self.arrays.items()}
        for why, doubt in self.doubts:
            if bool(doubt):
                raise self.fault(why)
        return arrays


class Copies(Mapping[str, "torch.Tensor"]):
    """A result's outputs as tensors on a device, each copied when it is first read: one reader's own."""

    def __init__(self, result: Result, device: str) -> None:
        self._arrays, self._device = result.arrays, device
        self._made: dict[str, torch.Tensor] = {}

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._made:
            self._made[name] = copied(self._arrays[name], self._device)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def copied(array: Array, device: str) -> torch.Tensor:
    """A copy on a device, which nobody waits for: from pageable memory too it is queued."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.clone() if array.device == torch.device(device) else array.to(device, non_blocking=True)
    return torch.tensor(array).to(device, non_blocking=True)


def conform(
    result: Any, spec: GroupSpec, fault: Fault, doubts: Iterable[tuple[str, torch.Tensor]] = ()
) -> Result:
    """What an analyzer returned as the outputs that it declared: names, shapes and dtypes checked, copied.

    Args:
        result: what it returned.
        spec: its group in the store.
        fault: makes an error of a sentence.
        doubts: its own, see :meth:`mi.engine.data.CheckpointData.refuse_if`.

    Raises:
        PluginError: as ``fault`` says it.
    """
    import torch

    if not isinstance(result, Mapping):
        raise fault(f"returned {type(result).__name__}, expected a mapping of outputs to arrays")
    declared = {array.name: array for array in spec.arrays}
    extra, lacking = sorted(result.keys() - declared.keys()), sorted(declared.keys() - result.keys())
    if extra:
        raise fault(f"returned undeclared output {', '.join(map(repr, extra))}")
    if lacking:
        raise fault(f"did not return output {', '.join(map(repr, lacking))}")
    arrays: dict[str, Array] = {}
    every = list(doubts)
    for name, array in declared.items():
        try:
            value, dtype = _plain(result[name])
        except Exception as error:
            raise fault(f"output {name!r} is no array ({type(error).__name__}: {error})") from None
        shape = spec.shape(array, 1)[1:] if spec.epochal else spec.shape(array, 1)
        if tuple(value.shape) != shape:
            dims = array.dims[1:] if spec.epochal else array.dims
            told = ", ".join(f"{d} {n}" for d, n in zip(dims, shape, strict=True))
            raise fault(f"output {name!r} has shape {tuple(value.shape)}, expected {shape} ({told})")
        stored = np.dtype(array.dtype)
        if not np.can_cast(dtype, stored, casting="same_kind"):
            raise fault(f"output {name!r} has dtype {dtype}, expected {array.dtype}")
        arrays[name], doubt = _cast(value, dtype, stored)
        limits = ": their range ends at ±65504" if stored == np.float16 else ""
        why = f"output {name!r} holds numbers that {stored} cannot{limits}"
        if isinstance(doubt, torch.Tensor):
            every.append((why, doubt))
        elif doubt:
            raise fault(why)
    return Result(arrays, tuple(every), fault)


def _plain(value: Any) -> tuple[Array, np.dtype[Any]]:
    """The value as a tensor where it is, or as an array, and numpy's name for its dtype."""
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach()
        if value.dtype == torch.bfloat16:
            value = value.float()
        if value.is_meta:
            raise TypeError("a tensor on meta holds no numbers")
        if value.layout != torch.strided or value.dtype not in _dtypes():
            raise TypeError(f"{value.layout} tensor of dtype {value.dtype}")
        return value, _dtypes()[value.dtype]
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"dtype {array.dtype}")
    return array, array.dtype


def _cast(value: Array, dtype: np.dtype[Any], stored: np.dtype[Any]) -> tuple[Array, torch.Tensor | bool]:
    """A copy of the stored dtype; and, where numbers may not fit it, whether some did not."""
    import torch

    doubtful = stored.kind in "iu" and not np.can_cast(dtype, stored, casting="safe")
    half = stored == np.float16 and dtype != stored  # its range is small enough to be left by what is sound
    if not isinstance(value, torch.Tensor):
        with np.errstate(over="ignore"):  # an infinity is flagged when it is stored, a tensor's too
            array = np.array(value, dtype=stored, copy=True)
        if half:
            return array, bool((np.isinf(array) & np.isfinite(value)).any())
        return array, doubtful and not np.array_equal(array, value)
    kinds = {one: kind for kind, one in _dtypes().items()}
    with torch.no_grad():
        # A dtype that torch lacks is cast by the writer.
        tensor = torch.empty(value.shape, dtype=kinds.get(stored, value.dtype), device=value.device)
        tensor.copy_(value)  # contiguous, conjugated where it has to be
        if half:
            return tensor, (tensor.isinf() & value.isfinite()).any()
        if not doubtful:
            return tensor, False
        lost = _signed(tensor.to(value.dtype)) != _signed(value)
        if dtype.kind == "u" and stored.kind == "i":  # there and back is no loss then
            lost = lost | (tensor < 0)
        return tensor, lost.any()


def _signed(tensor: torch.Tensor) -> torch.Tensor:
    """The same bits or numbers in a dtype that every device compares."""
    import torch

    if tensor.dtype == torch.uint64:
        return tensor.view(torch.int64)
    return tensor.to(torch.int64) if tensor.dtype in (torch.uint16, torch.uint32) else tensor


@cache
def _dtypes() -> dict[torch.dtype, np.dtype[Any]]:
    import torch

    return {getattr(torch, name): np.dtype(name) for name in _NAMES.split()}


def _numpy(array: Array) -> np.ndarray:
    import torch

    return array.cpu().numpy() if isinstance(array, torch.Tensor) else array
