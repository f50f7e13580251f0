"""Reading the next checkpoint's weights while this one's are worked on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mi.domain.checkpoint import Checkpoint
from mi.errors import CheckpointError
from mi.store.checkpoints import load_tensors
from mi.timing import timed

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]


def read_weights(checkpoint: Checkpoint, device: str) -> Weights:
    """A checkpoint's tensors, made in inference mode so that an in-place edit outside it raises.

    Raises:
        CheckpointError: the file is damaged or missing.
    """
    import torch

    with torch.inference_mode():
        return load_tensors(checkpoint.path, device)


def read_ahead(
    checkpoints: Sequence[Checkpoint], device: str
) -> Generator[tuple[Checkpoint, Weights | CheckpointError], None, None]:
    """Each checkpoint with its weights, or with the error that says why there are none."""

    def read(checkpoint: Checkpoint) -> Weights | CheckpointError:
        try:
            with timed("read", epoch=checkpoint.epoch):
                return read_weights(checkpoint, device)
        except CheckpointError as error:
            return error

    with ThreadPoolExecutor(1, thread_name_prefix="mi-read") as pool:
        following = pool.submit(read, checkpoints[0]) if checkpoints else None
        for i, checkpoint in enumerate(checkpoints):
            assert following is not None
            with timed("load", "wait for read-ahead", checkpoint.epoch):
                weights = following.result()
            following = pool.submit(read, checkpoints[i + 1]) if i + 1 < len(checkpoints) else None
            yield checkpoint, weights
