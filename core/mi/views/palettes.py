"""Palettes: 255 colours a scale, and one colour a key that is the same in every panel.

Sequential is viridis, symmetric is RdBu about 0, cyclic starts and ends alike (after matplotlib's twilight).
Keys that are whole numbers get a colour spread over hue and lightness by a low-discrepancy sequence (Roberts'
R2), so that neighbours differ in both, and a colour-blind reader still has the lightness.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from bokeh.palettes import RdBu11, Viridis256

LEVELS = 255  # codes 0-254; 255 means missing
MISSING = "#ffffff00"  # transparent: the hatched background shows
NAN_COLOR = "#9aa0a6"
# After Okabe & Ito, safe for common kinds of colour blindness; at least 3:1 on light and dark cards.
NAMED = ("#0072b2", "#d55e00", "#009e73", "#c06c9c", "#ad8200", "#7f7f7f", "#9b59b6", "#1b94a6")
_TWILIGHT = (
    *("#e2d9e2", "#9ebbc9", "#6276ba", "#5e42a5", "#2f1436"),
    *("#821e51", "#b25a52", "#cca390", "#e2d9e2"),
)


@cache
def palette(scale: str) -> tuple[str, ...]:
    """The 255 colours of a scale, low to high; for ``categorical`` the colour of key 0, 1, and so on."""
    if scale == "categorical":
        return tuple(key_color(k) for k in range(LEVELS))
    if scale == "symmetric":
        return _between(RdBu11, LEVELS)
    if scale == "cyclic":
        return _between(_TWILIGHT, LEVELS + 1)[:-1]
    return _between(Viridis256, LEVELS)


def key_color(key: int, period: int | None = None) -> str:
    """The colour of a whole number; with ``period``, that of an angle on the cyclic palette."""
    if period:
        return palette("cyclic")[int(key % period * LEVELS / period)]
    hue = 360 * ((0.62 + key * 0.7548776662466927) % 1)
    lightness = 0.47 + 0.24 * ((key * 0.5698402909980532) % 1)
    return _oklch(lightness, 0.13, hue)


def _between(colors: tuple[str, ...], n: int) -> tuple[str, ...]:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colors], dtype=float)
    at = np.linspace(0, len(colors) - 1, n)
    mixed = [np.interp(at, np.arange(len(colors)), rgb[:, i]).round().astype(int) for i in range(3)]
    return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in zip(*mixed, strict=True))


def _oklch(lightness: float, chroma: float, hue: float) -> str:
    """The sRGB of an OKLCH colour (Ottosson 2020), chroma reduced until it fits."""
    for c in np.linspace(chroma, 0, 14):
        a, b = c * math.cos(math.radians(hue)), c * math.sin(math.radians(hue))
        l_ = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        m_ = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        s_ = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        rgb = (
            4.0767416621 * l_ - 3.3077115913 * m_ + 0.2309699292 * s_,
            -1.2684380046 * l_ + 2.6097574011 * m_ - 0.3413193965 * s_,
            -0.0041960863 * l_ - 0.7034186147 * m_ + 1.7076147010 * s_,
        )
        if all(-1e-6 <= v <= 1 + 1e-6 for v in rgb):
            break
    return "#" + "".join(f"{round(255 * _gamma(min(max(v, 0), 1))):02x}" for v in rgb)


def _gamma(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


class ColorBook:
    """One colour a key for a whole page: whole numbers by value, names in the order of first asking.

    ``train`` and ``test`` (and names that start so, ``train_loss``) are always the first two.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {"train": NAMED[0], "test": NAMED[1]}

    def color_of(self, key: int | str, period: int | None = None) -> str:
        """The colour of ``key``."""
        if isinstance(key, str):
            name = next((n for n in ("train", "test") if key == n or key.startswith(f"{n}_")), key)
            used = len(self._names)
            fresh = NAMED[used] if used < len(NAMED) else key_color(used)
            return self._names.setdefault(name, fresh)
        return key_color(int(key), period)
