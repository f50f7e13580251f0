"""Raises where the thread that queues work for a device would have to wait for it.

Operators are seen by a dispatch mode, which is a thread's own: the writer may wait. What leaves torch without
an operator (``.numpy()`` and its kin, which on the CPU cost nothing) is replaced for as long as this lasts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# What reads a value on the host, or makes a tensor whose shape depends on values.
_VALUES = {
    "_local_scalar_dense", "is_nonzero", "equal", "allclose", "nonzero", "nonzero_numpy", "masked_select",
    "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount", "_assert_async",
}  # fmt: skip
# What torch itself says to synchronize on CUDA, to look at a status or to work on the host.
_LINEAR = {
    "linalg_eig", "linalg_eigvals", "_linalg_eigvals", "_linalg_eigh", "_linalg_svd", "linalg_inv_ex",
    "linalg_lstsq", "linalg_pinv",
}  # fmt: skip
_LEAVING = ("numpy", "cpu", "tolist", "__array__", "pin_memory")
# The guard's checksums read memory in place, of tensors on the host alone.
_EXEMPT = {"mi.engine.guard"}


class WaitError(Exception):
    """The device would be waited for."""


class Device(str):
    """The engine's device, told apart from the host where both are the CPU."""


class Unwaited(TorchDispatchMode):
    """Raises :class:`WaitError` at operators that wait, on this thread.

    Attributes:
        allowed: names of operators that may.
    """

    def __init__(self) -> None:
        super().__init__()
        self.allowed: Collection[str] = ()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket._qualified_op_name.removeprefix("aten::")
        if name in self.allowed:
            return func(*args, **kwargs)
        if name in _VALUES or name in _LINEAR:
            raise WaitError(f"{name} waits for the device")
        if name in ("index", "index_put", "index_put_", "_index_put_impl_") and _by_mask(name, args):
            raise WaitError(f"{name} by a mask waits for the device: how many there are is a value")
        if name == "repeat_interleave" and kwargs.get("output_size") is None:
            raise WaitError("repeat_interleave by a tensor waits for the device")
        if name == "_to_copy":
            there = kwargs.get("device")
            if there is not None and torch.device(there).type != args[0].device.type:
                raise WaitError(f"a tensor goes from {args[0].device} to {there}")
        if name == "copy_" and args[0].device.type != args[1].device.type:
            raise WaitError(f"a tensor goes from {args[1].device} to {args[0].device}")
        return func(*args, **kwargs)


def _by_mask(name: str, args: tuple[Any, ...]) -> bool:
    masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
    filled = name != "index" and args[2].numel() == 1 and len(args[1]) == 1  # a masked fill
    return bool(masks) and not filled


@contextmanager
def unwaited() -> Iterator[Unwaited]:
    """Raise on this thread wherever it would wait for the device."""
    thread = threading.get_ident()
    before = {name: getattr(torch.Tensor, name) for name in (*_LEAVING, "to")}

    def leaving(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__")
            if threading.get_ident() == thread and caller not in _EXEMPT:
                raise WaitError(f"Tensor.{name} waits for the device")
            return plain(self, *args, **kwargs)

        return method

    def to(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        there = [a for a in (*args, kwargs.get("device")) if isinstance(a, str)]
        if threading.get_ident() == thread and any(type(one) is str and one == "cpu" for one in there):
            raise WaitError("Tensor.to('cpu') waits for the device")
        return before["to"](self, *args, **kwargs)

    for name in _LEAVING:
        setattr(torch.Tensor, name, leaving(name, before[name]))
    torch.Tensor.to = to  # type: ignore[method-assign]
    try:
        with Unwaited() as mode:
            yield mode
    finally:
        for name, plain in before.items():
            setattr(torch.Tensor, name, plain)
