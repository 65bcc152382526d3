"""Charts of many points: predicted against true values, and SHAP values by column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from treadle.report.charts import HEIGHT, WIDTH, Point
from treadle.report.svg import Frame, axes, drawing, label, short, spread, text_width, ticks

HEXES = 30
STEPS = 5
LEVELS = 6
MANY = 800


def cloud(
    points: Sequence[Point], *, title: str, x: str, y: str, diagonal: bool = False, level: float | None = None
) -> str:
    """Points as dots, or, where they are many, as hexagons that are the darker the more lie in them."""
    good = [(a, b) for a, b in points if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]
    x_low, x_high = spread([a for a, _ in good])
    y_low, y_high = spread([b for _, b in good])
    if diagonal:
        x_low = y_low = min(x_low, y_low)
        x_high = y_high = max(x_high, y_high)
    longest = max(text_width(short(value)) for value in ticks(y_low, y_high))
    left = longest + 28
    frame = Frame(left, 10, WIDTH - left - 16, HEIGHT - 50, x_low, x_high, y_low, y_high)
    parts = [axes(frame, x, y)]
    parts.append(_hexagons(frame, good) if len(good) > MANY else _dots(frame, good))
    if diagonal:
        a, b = frame.x(x_low), frame.x(x_high)
        parts.append(f'<path class="mark" d="M{a} {frame.y(x_low)}L{b} {frame.y(x_high)}"/>')
    if level is not None:
        parts.append(f'<path class="mark" d="M{frame.left} {frame.y(level)}h{frame.width}"/>')
    return drawing(WIDTH, HEIGHT, title, f"{y} against {x} of {len(good):,} rows.", "".join(parts))


def _dots(frame: Frame, points: Sequence[Point]) -> str:
    places = "".join(f"M{frame.x(a):g} {frame.y(b):g}h0" for a, b in points)
    return f'<path class="points soft s0" d="{places or "M0 0"}"/>'


def _hexagons(frame: Frame, points: Sequence[Point]) -> str:
    """Counts on a hexagonal grid (Carr et al. 1987), drawn in a few shades by the logarithm of the count."""
    side = frame.width / HEXES / math.sqrt(3)
    wide, tall = side * math.sqrt(3), side * 1.5
    counts: dict[tuple[int, int], int] = {}
    for a, b in points:
        px, py = frame.x(a) - frame.left, frame.y(b) - frame.top
        row = round(py / tall)
        column = round((px - (wide / 2 if row % 2 else 0.0)) / wide)
        counts[row, column] = counts.get((row, column), 0) + 1
    top = math.log1p(max(counts.values()))
    shades: dict[int, list[str]] = {}
    corner = [(0.0, -side), (wide / 2, -side / 2), (wide / 2, side / 2), (0.0, side), (-wide / 2, side / 2)]
    shape = "".join(f"l{b[0] - a[0]:.1f} {b[1] - a[1]:.1f}" for a, b in pairwise(corner)) + "l0 "
    shape += f"{-side:.1f}z"
    for (row, column), count in counts.items():
        x = frame.left + column * wide + (wide / 2 if row % 2 else 0.0)
        y = frame.top + row * tall
        shade = min(LEVELS - 1, int(LEVELS * math.log1p(count) / top))
        shades.setdefault(shade, []).append(f"M{x:.1f} {y - side:.1f}{shape}")
    return "".join(
        f'<path class="f0" fill-opacity="{0.15 + 0.85 * shade / (LEVELS - 1):.2f}" d="{"".join(found)}"/>'
        for shade, found in sorted(shades.items())
    )


def swarm(
    columns: Sequence[str], values: Sequence[Sequence[float]], data: Sequence[Sequence[Any]], *, title: str, x: str
) -> str:
    """SHAP values: a row a column, a dot a row of the data, its colour the value of the column there.

    Args:
        columns: names, most important first.
        values: by row, then by column.
        data: the columns' values, of the same shape; what has no order stays grey.
        title, x: what it is, and the scale.
    """
    width, step, top = 900.0, 28.0, 8.0
    wide = min(230.0, max(text_width(name) for name in columns) + 12)
    low, high = spread([value for row in values for value in row], zero=True)
    bottom = top + step * len(columns)
    frame = Frame(wide, top, width - wide - 16, bottom - top, low, high, 0.0, 1.0)
    parts = []
    for value in ticks(low, high, 7):
        at = frame.x(value)
        parts.append(f'<path class="grid" d="M{at} {top}V{bottom}"/>')
        parts.append(label(at, bottom + 15, short(value), anchor="middle", kind="tick"))
    parts.append(f'<path class="axis" d="M{frame.x(0)} {top}V{bottom}"/>')
    shades: dict[str, list[str]] = {}
    for place, name in enumerate(columns):
        middle = top + step * (place + 0.5)
        parts.append(label(wide - 10, middle + 4, name, anchor="end", kind="tick", room=wide - 12))
        tones = _tones([row[place] for row in data])
        for at, up, tone in _stacked(frame, [row[place] for row in values], tones, middle, step):
            shades.setdefault(tone, []).append(f"M{at:g} {up:g}h0")
    for tone, places in sorted(shades.items()):
        parts.append(f'<path class="points {tone}" d="{"".join(places)}"/>')
    parts.append(label(frame.left + frame.width / 2, bottom + 33, x, anchor="middle", kind="name", room=frame.width))
    parts.append(_scale(width, bottom + 50))
    told = f"{len(values):,} rows; the most important columns from the top: {', '.join(columns[:10])}."
    return drawing(width, bottom + 62, title, told, "".join(parts))


def _stacked(
    frame: Frame, values: Sequence[float], tones: Sequence[str], middle: float, step: float
) -> list[tuple[float, float, str]]:
    """Dots of one row moved up and down so that those of equal value do not hide each other."""
    bins: dict[int, list[int]] = {}
    for place, value in enumerate(values):
        bins.setdefault(int(frame.x(value) / 4), []).append(place)
    room = step / 2 - 3
    found = []
    for members in bins.values():
        gap = min(3.2, 2 * room / max(1, len(members) - 1))
        for order, place in enumerate(sorted(members, key=lambda at: tones[at])):
            offset = (order - (len(members) - 1) / 2) * gap
            found.append((frame.x(values[place]), round(middle + offset, 1), tones[place]))
    return found


def _tones(values: Sequence[Any]) -> list[str]:
    """A class by rank for values that have an order; booleans take the ends; the rest is grey."""
    numbers = sorted({float(value) for value in values if isinstance(value, int | float)})
    if len(numbers) < 2 or any(isinstance(value, str) for value in values):
        return ["none"] * len(values)
    ranks = {value: place / (len(numbers) - 1) for place, value in enumerate(numbers)}
    return [
        f"t{min(STEPS - 1, int(ranks[float(value)] * STEPS))}" if isinstance(value, int | float) else "none"
        for value in values
    ]


def _scale(width: float, y: float) -> str:
    """What the colours mean."""
    parts = [label(width - 290, y, "low", anchor="end", kind="tick")]
    for place in range(STEPS):
        parts.append(f'<path class="points big t{place}" d="M{width - 278 + place * 14:g} {y - 4:g}h0"/>')
    parts.append(label(width - 210, y, "high", kind="tick"))
    parts.append(f'<path class="points big none" d="M{width - 165:g} {y - 4:g}h0"/>')
    parts.append(label(width - 155, y, "no order, or missing", kind="tick"))
    return "".join(parts)
