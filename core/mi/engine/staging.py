"""What moves between host and device, with nobody waiting but threads that have nothing else to do.

On CUDA a checkpoint's results are copied into one pinned buffer on a stream of its own, beside the next
pass, and an event tells the writer when they have arrived; two buffers take turns. The next checkpoint's
weights come the other way, sent by the thread that reads ahead. On the CPU there is nothing to move; with
other devices the two threads copy and wait.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from mi.engine.results import Result

if TYPE_CHECKING:
    import torch

BUFFERS = 2
_ALIGNED = 16  # bytes: arrays start at multiples, as every dtype allows


@define(eq=False)
class Parcel:
    """One checkpoint's results, under way.

    Attributes:
        epoch: the checkpoint's.
        results: analyzer -> result, in the order in which they were made; read them after :meth:`wait` and
            before :meth:`done`.
    """

    epoch: int
    results: Mapping[str, Result]
    _arrived: Any = None
    _release: Callable[[], None] | None = None

    def wait(self) -> None:
        """Wait until everything has arrived on the host."""
        if self._arrived is not None:
            self._arrived.synchronize()

    def done(self) -> None:
        """Give the buffer back."""
        self.results = {}
        if self._release is not None:
            self._release()


@define(eq=False)
class Staging:
    """Sends results to the host without waiting for them.

    Attributes:
        device: where results are made.
    """

    device: str
    _stream: Any = None
    _free: queue.SimpleQueue[torch.Tensor | None] = field(factory=queue.SimpleQueue)

    def __attrs_post_init__(self) -> None:
        import torch

        if torch.device(self.device).type == "cuda":
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            for _ in range(BUFFERS):
                self._free.put(None)  # allocated when it is known how large

    def send(self, epoch: int, results: Mapping[str, Result]) -> Parcel:
        """Queue the copies; while every buffer waits for the writer, so does this."""
        if self._stream is None:
            return Parcel(epoch, results)
        import torch

        buffer, size = self._free.get(), packed_size(results)
        if buffer is None or len(buffer) < size:
            buffer = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            packed = pack(results, buffer)
            for tensor in _tensors(results):
                if tensor.is_cuda:
                    tensor.record_stream(self._stream)  # not to be reused before it is copied
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(self._stream)
        return Parcel(epoch, packed, arrived, lambda: self._free.put(buffer))


@define(eq=False)
class Upload:
    """Sends weights to the device through one pinned buffer, from the thread that reads ahead.

    Attributes:
        device: where weights are to be.
    """

    device: str
    _stream: Any = None
    _buffer: torch.Tensor | None = None
    _arrived: Any = None

    def __attrs_post_init__(self) -> None:
        import torch

        if torch.device(self.device).type == "cuda":
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def send(self, weights: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], Any]:
        """The weights on the device, and the event that their reader's stream has to wait for (or None)."""
        import torch

        if torch.device(self.device).type == "cpu":
            return dict(weights), None
        if self._stream is None:
            return {name: tensor.to(self.device) for name, tensor in weights.items()}, None
        if self._arrived is not None:
            self._arrived.synchronize()  # the buffer is free again
        packed = {"": Result(weights)}
        size = packed_size(packed)
        if self._buffer is None or len(self._buffer) < size:
            self._buffer = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        pinned = pack(packed, self._buffer)[""].arrays
        with torch.cuda.stream(self._stream):
            sent = {name: torch.as_tensor(t).to(self.device, non_blocking=True) for name, t in pinned.items()}
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(self._stream)
        return sent, self._arrived

    def receive(self, weights: Mapping[str, torch.Tensor], arrived: Any) -> None:
        """Let the current stream wait for the weights: the device does, not this thread."""
        import torch

        if arrived is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(arrived)
            for tensor in weights.values():
                tensor.record_stream(stream)


def packed_size(results: Mapping[str, Result]) -> int:
    """Bytes that :func:`pack` needs."""
    return sum(_place(tensor) for tensor in _tensors(results))


def pack(results: Mapping[str, Result], buffer: torch.Tensor) -> dict[str, Result]:
    """The same results with their tensors in ``buffer``, (bytes,); copies are queued, not awaited."""
    at = 0

    def into(array: Any) -> Any:
        nonlocal at
        import torch

        if not isinstance(array, torch.Tensor):
            return array
        place = buffer[at : at + array.nbytes].view(array.dtype).view(array.shape)
        at += _place(array)
        return place.copy_(array, non_blocking=True)

    return {
        id: evolve(
            result,
            arrays={name: into(array) for name, array in result.arrays.items()},
            doubts=tuple((why, into(doubt)) for why, doubt in result.doubts),
        )
        for id, result in results.items()
    }


def _tensors(results: Mapping[str, Result]) -> list[torch.Tensor]:
    import torch

    every = [a for r in results.values() for a in (*r.arrays.values(), *(d for _, d in r.doubts))]
    return [array for array in every if isinstance(array, torch.Tensor)]


def _place(tensor: torch.Tensor) -> int:
    return -(-tensor.nbytes // _ALIGNED) * _ALIGNED
