"""Scales: one range over all epochs, and what turns values into one byte a cell and back."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from attrs import frozen

from mi.domain.visualization import Field
from mi.errors import PluginError
from mi.views.palettes import LEVELS, palette

MISSING_CODE = 255


@frozen
class Scale:
    """How the values of a field map to colour or to an axis, the same at every epoch.

    Attributes:
        kind: ``linear``, ``log``, ``symmetric``, ``cyclic`` or ``categorical``.
        low, high: ends of the range; values beyond them take the colour of the end.
        units: of the values.
    """

    kind: str
    low: float
    high: float
    units: str = ""

    @property
    def palette(self) -> tuple[str, ...]:
        """255 colours, low to high."""
        return palette(self.kind)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape as uint8 codes 0-254; 255 where a value is missing.

        NaN is missing; infinity is (but on a log scale 0 takes the lowest code); categories are unscaled.
        """
        values = np.asarray(values, dtype=np.float64)
        with np.errstate(all="ignore"):
            if self.kind == "categorical":
                codes, good = values, (values >= 0) & (values < LEVELS)
            elif self.kind == "cyclic":
                codes, good = np.round((values - self.low) / (2 * math.pi) * LEVELS) % LEVELS, None
            elif self.kind == "log":
                low, high = math.log(self.low), math.log(self.high)
                codes = (np.log(np.maximum(values, self.low)) - low) / (high - low) * (LEVELS - 1)
                good = values >= 0
            else:
                codes, good = (values - self.low) / (self.high - self.low) * (LEVELS - 1), None
        finite = np.isfinite(values) if good is None else np.isfinite(values) & good
        rounded = np.clip(np.round(np.where(finite, codes, 0)), 0, LEVELS - 1)
        return np.where(finite, rounded, MISSING_CODE).astype(np.uint8)

    def table(self) -> np.ndarray:
        """The value that each of the 256 codes stands for, float32; NaN for 255."""
        codes = np.arange(LEVELS, dtype=np.float64)
        if self.kind == "categorical":
            values = codes
        elif self.kind == "cyclic":
            values = self.low + codes / LEVELS * 2 * math.pi
        elif self.kind == "log":
            low, high = math.log(self.low), math.log(self.high)
            values = np.exp(low + codes / (LEVELS - 1) * (high - low))
        else:
            values = self.low + codes / (LEVELS - 1) * (self.high - self.low)
        return np.append(values, np.nan).astype(np.float32)

    def axis(self, pad: float = 0.04) -> tuple[float, float]:
        """Start and end of an axis that shows the whole range, with a share ``pad`` of it on both sides."""
        if self.kind == "log":
            factor = (self.high / self.low) ** pad
            return self.low / factor, self.high * factor
        room = (self.high - self.low) * pad
        return self.low - room, self.high + room


def fit(field: Field, arrays: Iterable[np.ndarray], owner: str) -> Scale:
    """The scale of a field over all its values.

    Args:
        field: declares kind of scale and range; an end given there is kept.
        arrays: the values, in any number of arrays; NaN and infinity do not count.
        owner: whose field it is, for the complaint.

    Raises:
        PluginError: a category that is no whole number from 0 to 254 (negative ones are missing), or a
            declared range that a log scale cannot show.
    """
    low, high = math.inf, -math.inf
    for array in arrays:
        values = np.asarray(array)
        good = values[np.isfinite(values) & (values > 0)] if field.scale == "log" else None
        good = values[np.isfinite(values)] if good is None else good
        if field.scale == "categorical":
            good = good[good >= 0]
            if good.size and (good.max() >= LEVELS or np.any(good != np.floor(good))):
                raise PluginError(f"{owner} holds {good.max():g}, expected categories as whole numbers 0-254")
        if good.size:
            low, high = min(low, float(good.min())), max(high, float(good.max()))
    if field.scale == "cyclic":
        return Scale("cyclic", -math.pi, math.pi, field.units)
    if low > high:
        low, high = (0.1, 1.0) if field.scale == "log" else (0.0, 1.0)
    low = low if field.range[0] is None else field.range[0]
    high = high if field.range[1] is None else field.range[1]
    if field.scale == "log" and low <= 0:
        raise PluginError(f"{owner} declares the range {field.range}, expected positive ends for a log scale")
    if field.scale == "symmetric":
        bound = max(abs(low), abs(high)) or 1.0
        return Scale("symmetric", -bound, bound, field.units)
    if not low < high:  # constant, or declared the wrong way round
        room = abs(low) * 0.1 or 0.5
        low, high = (low / 2, low * 2) if field.scale == "log" else (low - room, low + room)
    return Scale(field.scale, low, high, field.units)
