"""The spectrum of a weight matrix over a cyclic axis, for any family that names one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import NotApplicableError, ParameterError, unknown
from mi_fourier_library.bases import frequencies
from mi_fourier_library.order import in_order
from mi_fourier_library.spectra import energy, energy_share, gini

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData, Subject

ELEMENT = "element"


def weight_spectrum(data: CheckpointData, *, weight: str, along: int, axis: str) -> dict[str, Any]:
    """``energy`` and ``share`` (n//2,) of a weight matrix by frequency, their ``gini`` ().

    The n coordinates of the cyclic axis are the indices of the group's elements along ``along``,
    in the order of the group: these entries are transformed, and the energy is summed over
    everything else. All others (tokens that are no element of the group) are left out, for with
    them the period would be wrong.

    Raises:
        UnknownNameError: there is no such weight.
        ParameterError: it lacks an element of the cyclic axis, or has no such dimension.
    """
    if weight not in data.weights:
        raise unknown("weight", weight, data.weights)
    matrix = data.weights[weight]
    if not -matrix.ndim <= along < matrix.ndim:
        raise ParameterError(
            f"along is {along}, expected a dimension of {weight}, which has {matrix.ndim}"
        )
    elements = cyclic_axis(data.subject, axis)
    if matrix.shape[along] <= elements.max():
        raise ParameterError(
            f"{weight} has {matrix.shape[along]} entries along dimension {along}, "
            f"expected at least {elements.max() + 1}"
        )
    cyclic = in_order(matrix, elements, along)
    share = energy_share(cyclic, axis=along)
    return {"energy": energy(cyclic, axis=along), "share": share, "gini": gini(share)}


def coordinates(subject: Subject, *, axis: str, **options: Any) -> dict[str, list[int]]:
    """``freq``: 1 .. n//2."""
    return {"freq": frequencies(len(cyclic_axis(subject, axis))).tolist()}


def cyclic_axis(subject: Subject, axis: str) -> np.ndarray:
    """The elements in group order, int64 (n,): coordinates of a probe's axis or family's dimension.

    Without a name: the family's dimension ``element`` where it has one, else the first axis.

    Raises:
        UnknownNameError: there is no axis of that name, or none at all.
        NotApplicableError: its coordinates are no indices: whole numbers from 0, at least two.
    """
    known: dict[str, Any] = {**subject.dimensions, **subject.probe.axes}
    name = axis or (
        ELEMENT if ELEMENT in subject.dimensions else next(iter(subject.probe.axes), "")
    )
    if name not in known:
        raise unknown("cyclic axis", name, known)
    found = np.asarray(known[name])
    if found.dtype.kind not in "iu" or len(found) < 2 or found.min() < 0:
        some = ", ".join(map(str, found[:3].tolist()))
        raise NotApplicableError(
            f"not applicable: the coordinates of axis {name!r} are {some}…, expected at least two "
            "indices along the weight, whole numbers from 0"
        )
    return found.astype(np.int64)
