"""The path of a model's weights through training, tensor by tensor, in little memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_geometry_library.paths import (
    PathSums,
    epoch_weights,
    path_components,
    path_sums,
    speed,
    turning,
)

if TYPE_CHECKING:
    import torch

    from mi.engine.data import Subject, TrajectoryData

Checkpoints = Callable[[], Iterable[tuple[int, Mapping[str, "torch.Tensor"]]]]
Piece = tuple[str, int, int]  # a tensor's name; from which of its numbers to which

COMPONENTS = 3
ALL = "all"
# Bytes of weights that are held at once, of every checkpoint. What does not fit is read in further rounds.
HELD = 128 * 2**20
COLUMNS = 4096  # numbers of a tensor that are worked on at once, in float64


def coordinates(subject: Subject) -> dict[str, Sequence[Any]]:
    """``matrix``: the checkpoints' tensors by name, then ``all`` together; ``component`` 1, 2, 3."""
    return {"matrix": [*sorted(subject.weights), ALL], "component": range(1, COMPONENTS + 1)}


def parameter_path(data: TrajectoryData) -> dict[str, np.ndarray]:
    """See the declaration. Checkpoints are read in as many rounds as ``HELD`` asks for."""
    epochs, shapes = data.subject.epochs, data.subject.weights
    assert data.checkpoints is not None, "declared by the analyzer"
    weights = epoch_weights(epochs)
    sizes = {name: math.prod(shapes[name]) for name in sorted(shapes)}
    sums = weight_sums(data.checkpoints, sizes, weights)
    whole = list(sums.values())
    total = whole[0]
    for one in whole[1:]:
        total = total.plus(one)
    sums[ALL] = total
    paths = [path_components(one, weights, COMPONENTS) for one in sums.values()]
    return {
        "position": np.stack([path.position.numpy() for path in paths], axis=1),
        "share": np.stack([path.share.numpy() for path in paths]),
        "speed": np.stack([speed(one, epochs).numpy() for one in sums.values()], axis=1),
        "cosine": np.stack([turning(one).numpy() for one in sums.values()], axis=1),
        "squared_norm": np.stack([one.norm.numpy() for one in sums.values()], axis=1),
    }


def weight_sums(
    checkpoints: Checkpoints,
    sizes: Mapping[str, int],
    weights: np.ndarray,
    held: int = HELD,
) -> dict[str, PathSums]:
    """The sums of each tensor's path.

    Args:
        checkpoints: gives (epoch, tensors) in the order of epochs, each time it is called.
        sizes: how many numbers each tensor holds; others are left out.
        weights: of the checkpoints, (T,), sum 1.
        held: bytes of weights that are held at once.
    """
    import torch

    moments = len(weights)
    sums: dict[str, PathSums] = {}
    for round_ in rounds(sizes, max(held // (4 * moments), 1)):
        rows: dict[Piece, torch.Tensor] = {}
        for t, (_, tensors) in enumerate(checkpoints()):
            for piece in round_:
                name, start, stop = piece
                taken = tensors[name].reshape(-1)[start:stop]
                if piece not in rows:  # half precision is held as float32
                    dtype = torch.promote_types(taken.dtype, torch.float32)
                    rows[piece] = torch.empty(moments, stop - start, dtype=dtype)
                rows[piece][t] = taken
        for (name, _, _), held_rows in rows.items():
            for at in range(0, held_rows.shape[1], COLUMNS):
                found = path_sums(held_rows[:, at : at + COLUMNS], weights)
                sums[name] = sums[name].plus(found) if name in sums else found
    return sums


def rounds(sizes: Mapping[str, int], limit: int) -> Iterator[list[Piece]]:
    """Pieces of tensors, in rounds of at most ``limit`` numbers each."""
    now: list[Piece] = []
    left = limit
    for name, size in sizes.items():
        start = 0
        while start < size:
            stop = min(size, start + left)
            now.append((name, start, stop))
            left -= stop - start
            start = stop
            if left == 0:
                yield now
                now, left = [], limit
    if now:
        yield now
