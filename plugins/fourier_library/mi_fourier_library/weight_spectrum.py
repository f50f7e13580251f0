"""The spectrum of a weight matrix over a cyclic axis, for any family that names one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mi.errors import ParameterError, unknown
from mi_fourier_library.bases import frequencies
from mi_fourier_library.spectra import energy, energy_share, gini

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData, Subject


def weight_spectrum(data: CheckpointData, *, weight: str, along: int, axis: str) -> dict[str, Any]:
    """``energy`` and ``share`` (n//2,) of a weight matrix by frequency, their ``gini`` ().

    With n the length of the cyclic axis, the first n entries of the matrix along ``along`` are
    transformed, and the energy is summed over everything else; rows beyond n (tokens that are no
    element of the group) are left out, for with them the period would be wrong.

    Raises:
        UnknownNameError: there is no such weight.
        ParameterError: it is shorter than the cyclic axis, or has no such dimension.
    """
    if weight not in data.weights:
        raise unknown("weight", weight, data.weights)
    matrix = data.weights[weight]
    if not -matrix.ndim <= along < matrix.ndim:
        raise ParameterError(
            f"along is {along}, expected a dimension of {weight}, which has {matrix.ndim}"
        )
    n = len(cyclic_axis(data.subject, axis))
    if matrix.shape[along] < n:
        raise ParameterError(
            f"{weight} has {matrix.shape[along]} entries along dimension {along}, "
            f"expected at least {n}"
        )
    cyclic = matrix.narrow(along, 0, n)
    share = energy_share(cyclic, axis=along)
    return {"energy": energy(cyclic, axis=along), "share": share, "gini": gini(share)}


def coordinates(subject: Subject, *, axis: str, **options: Any) -> dict[str, list[int]]:
    """``freq``: 1 .. n//2."""
    return {"freq": frequencies(len(cyclic_axis(subject, axis))).tolist()}


def cyclic_axis(subject: Subject, axis: str) -> Sequence[Any]:
    """The coordinates of the cyclic axis: a named axis of the probe, or a dimension of the family.

    Raises:
        UnknownNameError: there is no axis of that name, or none at all.
    """
    axes = {name: values.tolist() for name, values in subject.probe.axes.items()}
    known: dict[str, Sequence[Any]] = {**subject.dimensions, **axes}
    name = axis or next(iter(subject.probe.axes), "")
    if name not in known:
        raise unknown("cyclic axis", name, known)
    return known[name]
