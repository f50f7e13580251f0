"""Key frequencies of variants, compared up to the units of Z_n."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import ParameterError, unknown
from mi_fourier_library import canonical, jaccard, margin, matched
from mi_modular_arithmetic.tasks import group_of

if TYPE_CHECKING:
    from mi.engine.family_data import FamilyData, FamilySubject

PROGRESS, SPECTRUM = "modular_arithmetic.progress_measures", "modular_arithmetic.logit_spectrum"
NO_UNIT = 0


def coordinates(subject: FamilySubject, *, anchor: str) -> dict[str, range]:
    """``place``: rank of a key frequency within its set, as long as the largest period allows."""
    if anchor and anchor not in subject.parameters:
        raise unknown("variant that takes part (option anchor)", anchor, subject.parameters)
    most = max((group_of(p).size // 2 for p in subject.parameters.values()), default=0)
    return {"place": range(most)}


def frequency_sets(data: FamilyData, *, anchor: str) -> dict[str, Any]:
    """One row a variant, in the order of ``data.variants``; see the declaration."""
    places = len(coordinates(data.subject, anchor=anchor)["place"])
    keys = {name: _key(data, name) for name in data.variants}
    periods = {name: group_of(data.parameters[name]).size for name in data.variants}
    rows = [_row(data, name, keys, periods, anchor) for name in data.variants]
    padded = ("key_frequencies", "canonical_frequencies", "matched_frequencies")
    return {
        name: [_padded(row[name], places) if name in padded else row[name] for row in rows]
        for name in rows[0]
    }


def _row(
    data: FamilyData, name: str, keys: dict[str, list[int]], periods: dict[str, int], anchor: str
) -> dict[str, Any]:
    n, key = periods[name], keys[name]
    coefficients = np.asarray(data.reference[SPECTRUM][name]["trig_coefficient"], dtype=np.float64)
    if len(coefficients) != n // 2:
        raise ParameterError(
            f"{name}: {len(coefficients)} trig coefficients, expected {n // 2} of period {n}"
        )
    least, unit = canonical(key, n)
    first = anchor or next(other for other in data.variants if periods[other] == n)
    comparable = periods[first] == n
    image, by = matched(key, keys[first], n) if comparable else ([], NO_UNIT)
    return {
        "key_frequencies": key,
        "canonical_frequencies": least,
        "unit": unit,
        "margin": margin(key, coefficients[np.array(key, dtype=np.int64) - 1].tolist(), n),
        "matched_frequencies": image,
        "matched_unit": by,
        "overlap": jaccard(image, keys[first]) if comparable else np.nan,
        "raw_overlap": jaccard(key, keys[first]) if comparable else np.nan,
    }


def _key(data: FamilyData, name: str) -> list[int]:
    return [int(i) + 1 for i in np.flatnonzero(np.asarray(data.reference[PROGRESS][name]["key"]) == 1)]


def _padded(values: list[int], length: int) -> list[float]:
    return [*values, *[np.nan] * (length - len(values))]
