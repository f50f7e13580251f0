"""How the neurons of one frequency lie in the space of what they read: columns of W_in, over training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import NotApplicableError
from mi_geometry_library import aligned, fit_quadric, participation_of, principal_components

if TYPE_CHECKING:
    from mi.engine.data import Subject, TrajectoryData
    from mi_geometry_library import Components

NEURONS = "modular_arithmetic.neuron_frequencies"
COMPONENTS = 3
MEASURES = (
    "spread",
    "center",
    "dimension",
    "captured",
    "r2",
    "determinant",
    "r2_shared",
    "r2_linear",
    "determinant_shared",
)
LEAST = 4  # neurons; fewer have no three components


def coordinates(subject: Subject, *, threshold: float, layer: int) -> dict[str, Sequence[Any]]:
    """``measure``: names; ``component``: 1, 2, 3.

    Raises:
        NotApplicableError: there is no matrix into the neurons of the layer.
    """
    if _matrix(subject.weights, layer) is None:
        raise NotApplicableError(f"not applicable: needs neurons with a matrix W_in in layer {layer}")
    return {"measure": MEASURES, "component": range(1, COMPONENTS + 1)}


def group_geometry(data: TrajectoryData, *, threshold: float, layer: int) -> dict[str, np.ndarray]:
    """See the declaration. Groups, and the axes that positions are in, are those of the last checkpoint."""
    reference = data.reference[NEURONS]
    fraction = np.nan_to_num(np.asarray(reference["dominant_fraction"], dtype=np.float64))
    member = np.where(fraction >= threshold, np.asarray(reference["dominant"]), 0)
    count = len(data.subject.dimensions["freq"])
    sizes = np.bincount(member, minlength=count + 1)[1:]
    member = np.where((member > 0) & (np.append(0, sizes)[member] >= LEAST), member, 0)
    groups = {int(k): np.flatnonzero(member == k) for k in np.unique(member[member > 0])}
    last = np.empty((0, len(member)))
    for last in _columns(data, layer):  # noqa: B007 - the reference is the last
        pass
    goals = {k: principal_components(last[:, of].T, COMPONENTS) for k, of in groups.items()}
    found = [_at(columns, groups, goals, count) for columns in _columns(data, layer)]
    return {
        **{name: np.stack([one[name] for one in found]) for name in found[0]},
        "member": member,
        "size": np.where(sizes >= LEAST, sizes, 0),
    }


def _at(
    columns: np.ndarray, groups: Mapping[int, np.ndarray], goals: Mapping[int, Components], count: int
) -> dict[str, np.ndarray]:
    """All groups at one checkpoint; NaN for frequencies and neurons without a group."""
    out = {name: np.full(count, np.nan) for name in MEASURES}
    out["share"] = np.full((count, COMPONENTS), np.nan)
    out |= {name: np.full((columns.shape[1], COMPONENTS), np.nan) for name in ("position", "aligned")}
    for k, of in groups.items():
        points = columns[:, of].T  # (neurons of the group, what they read)
        center = points.mean(axis=0)
        own, goal = principal_components(points, COMPONENTS), goals[k]
        position = (points - center) @ goal.axis.T
        total = float(own.total)
        out["spread"][k - 1], out["center"][k - 1] = np.sqrt(total), np.linalg.norm(center)
        out["dimension"][k - 1] = participation_of(points - center)
        if total > 0:
            out["share"][k - 1] = own.variance / total
            out["captured"][k - 1] = (position**2).sum() / (len(of) * total)
        out["position"][of], out["aligned"][of] = position, aligned(own.score, goal.score)
        mine, shared = fit_quadric(own.score), fit_quadric(position)
        out["r2"][k - 1], out["determinant"][k - 1] = mine.r2, mine.determinant
        out["r2_shared"][k - 1], out["r2_linear"][k - 1] = shared.r2, shared.r2_linear
        out["determinant_shared"][k - 1] = shared.determinant
    measures = np.stack([out.pop(name) for name in MEASURES], axis=-1)  # (frequencies, measures)
    return {"measures": measures, **out}


def _columns(data: TrajectoryData, layer: int) -> Iterator[np.ndarray]:
    """W_in at each checkpoint, float64, (what is read, neurons)."""
    assert data.checkpoints is not None, "declared by the analyzer"
    name = _matrix(data.subject.weights, layer)
    for _, weights in data.checkpoints():
        yield weights[str(name)].double().numpy()


def _matrix(weights: Mapping[str, Any], layer: int) -> str | None:
    """Name of the layer's W_in; an only layer's has no prefix."""
    names = (*(("W_in",) if layer == 0 else ()), f"blocks.{layer}.W_in")
    return next((name for name in names if name in weights), None)
