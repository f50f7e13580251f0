"""Reading the next checkpoint's weights while this one's are worked on."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mi.domain.checkpoint import Checkpoint
from mi.engine.guard import unrecorded
from mi.engine.staging import Upload
from mi.errors import CheckpointError
from mi.store.checkpoints import count_nonfinite, load_tensors
from mi.timing import timed

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]


@frozen(eq=False)
class Loaded:
    """A checkpoint read.

    Attributes:
        checkpoint: which.
        weights: its tensors, on the device.
        nonfinite: how many of their cells are NaN or infinite; counted here, where nothing waits for it.
        error: why there are no weights; None when there are.
        arrived: the event after which the weights are on the device; None where they are already.
    """

    checkpoint: Checkpoint
    weights: Weights = field(factory=dict)
    nonfinite: int = 0
    error: CheckpointError | None = None
    arrived: Any = None


def read_weights(checkpoint: Checkpoint, device: str, content: str | None = None) -> Weights:
    """A checkpoint's tensors, made so that an edit in place is found.

    Args:
        checkpoint: which.
        device: where they are to be.
        content: the hash that the file's bytes must have; None for any.

    Raises:
        CheckpointError: the file is damaged, missing, or not what it was.
    """
    with unrecorded(device):
        return load_tensors(checkpoint.path, device, content)


def read_ahead(
    checkpoints: Sequence[Checkpoint],
    contents: Mapping[int, str],
    device: str,
    unread: Collection[int] = (),
) -> Generator[Loaded, None, None]:
    """Each checkpoint with its weights, or with the error that says why there are none.

    Args:
        checkpoints: in the order in which they are wanted.
        contents: epoch -> the hash that was planned with. Results must not be committed as those of other
            bytes, so a file that was replaced meanwhile is an error.
        device: where the weights are to be.
        unread: epochs whose file is not opened, since nobody asks for their weights.
    """
    upload = Upload(device)

    def read(checkpoint: Checkpoint) -> Loaded:
        if checkpoint.epoch in unread:
            return Loaded(checkpoint)
        try:
            with timed("read", epoch=checkpoint.epoch):
                weights = read_weights(checkpoint, "cpu", contents[checkpoint.epoch])
                bad = count_nonfinite(weights)
                weights, arrived = upload.send(weights)
                return Loaded(checkpoint, weights, bad, arrived=arrived)
        except CheckpointError as error:
            return Loaded(checkpoint, error=error)

    with ThreadPoolExecutor(1, thread_name_prefix="mi-read") as pool:
        following = pool.submit(read, checkpoints[0]) if checkpoints else None
        for i, checkpoint in enumerate(checkpoints):
            assert following is not None
            with timed("load", "wait for read-ahead", checkpoint.epoch):
                loaded = following.result()
            following = pool.submit(read, checkpoints[i + 1]) if i + 1 < len(checkpoints) else None
            upload.receive(loaded.weights, loaded.arrived)
            yield loaded
