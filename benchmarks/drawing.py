"""A chart of lines as SVG, by hand: a benchmark needs no plotting library for one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 44, 48  # room for ticks, for names of lines, for the title, for the label
COLORS = ("#c0392b", "#1f77b4", "#2e8b57", "#7f7f7f")


def lines(
    title: str, x_label: str, y_label: str, x: Sequence[float], curves: Mapping[str, Sequence[float]]
) -> str:
    """One line a curve, named at its end; both axes are linear and begin at 0."""
    highest = max(max(values) for values in curves.values())
    x_ticks, y_ticks = ticks(max(x)), ticks(highest)
    right, top = max(max(x), x_ticks[-1]), max(highest, y_ticks[-1])

    def at(a: float, b: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * a / right
        return round(across, 1), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * b / top, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 22, title, "start", 'font-size="14" font-weight="bold"'),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label),
        _text(LEFT, TOP - 8, y_label, "start"),
    ]
    for tick in y_ticks:
        (x0, y), (x1, _) = at(0, tick), at(right, tick)
        parts.append(f'<line x1="{x0}" y1="{y}" x2="{x1}" y2="{y}" stroke="#ddd"/>')
        parts.append(_text(x0 - 8, y + 4, f"{tick:g}", "end"))
    for tick in x_ticks:
        where, y = at(tick, 0)
        parts.append(_text(where, y + 18, f"{tick:g}"))
    free = 0.0  # names that would touch move apart
    ends = sorted(
        ((at(x[-1], values[-1]), name, i) for i, (name, values) in enumerate(curves.items())),
        key=lambda end: end[0][1],
    )
    for (_, y), name, i in ends:
        free = max(y + 4, free)
        parts.append(_text(at(right, 0)[0] + 8, free, name, "start", f'fill="{COLORS[i]}"'))
        free += 15
    for i, values in enumerate(curves.values()):
        points = [at(a, b) for a, b in zip(x, values, strict=True)]
        path = " ".join(f"{a},{b}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[i]}" stroke-width="2"/>')
        parts += [f'<circle cx="{a}" cy="{b}" r="3" fill="{COLORS[i]}"/>' for a, b in points]
    return "\n".join([*parts, "</svg>", ""])


def ticks(highest: float) -> list[float]:
    """Round numbers from 0 up to at least ``highest``, about five."""
    step = next(s for k in range(-6, 10) for s in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if s * 6 >= highest)
    count = 0
    while count * step < highest:
        count += 1
    return [round(i * step, 9) for i in range(count + 1)]


def _text(x: float, y: float, said: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {more}>{escape(said)}</text>'
