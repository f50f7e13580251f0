"""How the family's loss rises around a checkpoint: along random directions, and where it curves most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_geometry_library._arrays import like
from mi_geometry_library.directions import filter_normalized, random_direction
from mi_geometry_library.power import top_eigenvalue

if TYPE_CHECKING:
    import torch

    from mi.domain.probe import Probe
    from mi.engine.data import CheckpointData, Subject

EVERY = "all"
# Rows whose graph is held at once. Where all fit, one graph serves every product.
BATCH = 2**14
Weights = Mapping[str, "torch.Tensor"]


def coordinates(
    subject: Subject, *, directions: int, radius: float, steps: int, seed: int
) -> dict[str, Sequence[Any]]:
    """``subset``: the probe's masks that hold a row, or ``all``; ``radius``; ``direction`` from 0."""
    return {
        "subset": list(subsets(subject.probe)),
        "radius": [radius * (i + 1) / steps for i in range(steps)],
        "direction": range(directions),
    }


def subsets(probe: Probe) -> dict[str, np.ndarray]:
    """Name -> indices of rows: of each mask over the probe that holds any, or of all rows."""
    found = {name: np.flatnonzero(mask) for name, mask in probe.masks.items() if mask.any()}
    return found or {EVERY: np.arange(len(probe))}


def sharpness(
    data: CheckpointData, *, directions: int, radius: float, steps: int, seed: int
) -> dict[str, torch.Tensor]:
    """``loss`` (subsets, steps, directions) at θ + r d, ``base`` (subsets,) at θ, in float64.

    A loop: mapping over directions at once takes twice as long on a processor, and their memory.
    """
    import torch

    rows = [
        torch.as_tensor(every).to(data.device, non_blocking=True) for every in subsets(data.probe).values()
    ]
    tokens, labels = data.tokens, None if data.probe.labels is None else data.labels
    moving = floating(data.weights)
    shapes = {name: tuple(tensor.shape) for name, tensor in moving.items()}

    def losses(weights: Weights) -> torch.Tensor:
        every = data.model.row_losses(weights, tokens, labels).double()
        return torch.stack([every.index_select(0, some).mean() for some in rows])

    found = []  # by direction, then by step
    for index in range(directions):
        drawn = random_direction(shapes, seed, index)
        step = {n: filter_normalized(like(drawn[n], tensor), tensor) for n, tensor in moving.items()}
        for i in range(steps):
            r = radius * (i + 1) / steps
            found.append(losses({**data.weights, **{n: t + r * step[n] for n, t in moving.items()}}))
    every = torch.stack(found, dim=-1).reshape(len(rows), directions, steps)
    return {"loss": every.transpose(-1, -2), "base": losses(data.weights)}


def top_curvature(
    data: CheckpointData, *, rows: str, iterations: int, tolerance: float, seed: int
) -> dict[str, Any]:
    """Top eigenvalue of the Hessian of the loss over the rows of a mask; see the declaration."""
    import torch

    gradients = data.gradients(rows)
    hessian = Hessian(data, rows)
    drawn = np.random.Generator(np.random.PCG64(seed)).standard_normal(hessian.size)
    start = torch.as_tensor(drawn).to(data.device, non_blocking=True)
    found = top_eigenvalue(hessian, start, iterations, tolerance)
    gradient = hessian.flat([gradients.weights[name] for name in hessian.names])
    length = gradient.norm()
    along = torch.where(length > 0, (gradient @ found.vector).abs() / length, torch.nan)
    return {
        "eigenvalue": np.float64(found.value),
        "residual": np.float64(found.residual),
        "products": np.int32(found.products),
        "gradient_cosine": along,
        "loss": gradients.loss,
    }


def floating(weights: Weights) -> dict[str, torch.Tensor]:
    """The tensors that can move, by name in order."""
    return {name: weights[name] for name in sorted(weights) if weights[name].is_floating_point()}


class Hessian:
    """The Hessian of the mean loss over the rows of a mask, as a product with flat float64 vectors.

    The derivative of the gradient along v, by differentiating twice backwards: of the ways that torch has it
    is the fastest here, since one graph of the gradient serves every product.

    Attributes:
        names: of the tensors that can move, in the order in which a flat vector holds them.
        size: numbers in a flat vector.
    """

    def __init__(self, data: CheckpointData, rows: str) -> None:
        import torch

        probe = data.probe
        every = np.flatnonzero(probe.masks[rows]) if rows else np.arange(len(probe))
        self.data, self.count = data, len(every)
        indices = torch.as_tensor(every).to(data.device, non_blocking=True)
        self.batches = [
            (
                data.tokens.index_select(0, some),
                None if probe.labels is None else data.labels.index_select(0, some),
            )
            for some in torch.split(indices, BATCH)
        ]
        with torch.enable_grad():
            self.leaves = {n: t.clone().requires_grad_() for n, t in floating(data.weights).items()}
        self.names = tuple(self.leaves)
        self.size = sum(leaf.numel() for leaf in self.leaves.values())
        self._graph: list[torch.Tensor] | None = None

    def __call__(self, v: torch.Tensor) -> torch.Tensor:
        """H v, float64 (size,)."""
        import torch

        leaves = list(self.leaves.values())
        pieces = torch.split(v, [leaf.numel() for leaf in leaves])
        along = [piece.view_as(leaf).to(leaf.dtype) for piece, leaf in zip(pieces, leaves, strict=True)]
        return sum((self.flat(part) for part in self._parts(along)), v.new_zeros(self.size)) / self.count

    def flat(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Tensors in the order of ``names`` as one flat vector."""
        import torch

        return torch.cat([tensor.detach().double().flatten() for tensor in tensors])

    def _parts(self, along: Sequence[torch.Tensor]) -> Iterator[Sequence[torch.Tensor]]:
        """The derivative of each batch's summed gradient along a direction."""
        import torch

        leaves = list(self.leaves.values())
        one = len(self.batches) == 1
        for batch in self.batches:
            with torch.enable_grad():
                gradients = self._graph or self._gradients(*batch)
            self._graph = gradients if one else None
            # What the loss depends on linearly, or not at all, has a gradient without a graph.
            both = [(g, d) for g, d in zip(gradients, along, strict=True) if g.requires_grad]
            if both:
                bent, ways = zip(*both, strict=True)
                yield torch.autograd.grad(bent, leaves, ways, retain_graph=one, materialize_grads=True)

    def _gradients(self, tokens: torch.Tensor, labels: torch.Tensor | None) -> list[torch.Tensor]:
        import torch

        leaves = list(self.leaves.values())
        weights = {**self.data.weights, **self.leaves}
        loss = self.data.model.row_losses(weights, tokens, labels).double().sum()
        return list(torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True))
