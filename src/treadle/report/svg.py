"""The parts that charts are drawn from: escaped text, numbers for people, nice ticks, axes.

Charts carry no colours of their own but classes, so that one style sheet sets them for light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SMALL = 11.0
LETTER = 0.58


def text_width(text: str, size: float = SMALL) -> float:
    """About how wide a text is, in the units of the drawing."""
    return len(text) * size * LETTER


def shorten(text: str, room: float, size: float = SMALL) -> str:
    """The text, cut with an ellipsis where it does not fit."""
    most = max(1, int(room / (size * LETTER)))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def number(value: float | None, digits: int = 4, *, whole: bool = True) -> str:
    """A number for a person: ``0.9284``, ``45,448``, ``1.2e-07``, a dash for what is not there.

    Whole numbers are written without a point, unless ``whole`` is False: for columns of figures that have one."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e15 or (0 < size < 10 ** -(digits + 1)):
        return f"{value:.{max(1, digits - 2)}e}"
    if size >= 10 ** (digits - 1) or (whole and value == int(value)):
        return f"{value:,.0f}"
    places = digits if size < (1 if whole else 10) else digits - len(str(int(size)))
    return f"{value:,.{max(0, places)}f}"


def short(value: float) -> str:
    """A number for an axis: ``0.25``, ``1,500``, ``45k``, ``2.5M``."""
    for limit, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scale = 1e3 if mark == "k" else limit
            return f"{value / scale:.3g}{mark}"
    if value != 0 and abs(value) < 1e-4:
        return f"{value:.0e}"
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values within the range, about ``count`` of them, 1, 2 or 5 times a power of ten apart."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else [0.0]
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def spread(values: Sequence[float], *, room: float = 0.04, zero: bool = False) -> tuple[float, float]:
    """A range that holds all values, with some room; never empty."""
    good = [value for value in values if value is not None and math.isfinite(value)]
    if not good:
        return 0.0, 1.0
    low, high = min(good), max(good)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        reach = abs(high) * 0.1 or 1.0
        return low - reach, high + reach
    extra = (high - low) * room
    return (low if zero and low == 0 else low - extra), (high if zero and high == 0 else high + extra)


@dataclass(frozen=True)
class Frame:
    """The area of a plot and what its edges stand for."""

    left: float
    top: float
    width: float
    height: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Where a value lies across."""
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return round(self.left + min(max(share, -0.02), 1.02) * self.width, 1)

    def y(self, value: float) -> float:
        """Where a value lies up and down."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(self.top + self.height - min(max(share, -0.02), 1.02) * self.height, 1)


def label(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    kind: str = "",
    room: float | None = None,
    turn: bool = False,
) -> str:
    """A text, cut to its room with the whole of it as a tooltip."""
    shown = shorten(text, room) if room is not None else text
    tip = f"<title>{escape(text)}</title>" if shown != text else ""
    turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
    names = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{names}{turned}>{escape(shown)}{tip}</text>'


def axes(frame: Frame, x_label: str, y_label: str, *, x_ticks: Sequence[float] | None = None, y_count: int = 5) -> str:
    """Grid lines, ticks that do not touch, and what is on the axes."""
    parts = []
    bottom, right = frame.top + frame.height, frame.left + frame.width
    for value in ticks(frame.y_low, frame.y_high, y_count):
        y = frame.y(value)
        parts.append(f'<path class="grid" d="M{frame.left} {y}H{right}"/>')
        parts.append(label(frame.left - 6, y + 3.5, short(value), anchor="end", kind="tick"))
    count = max(2, min(6, int(frame.width / 70)))
    end = -1e9
    for value in x_ticks if x_ticks is not None else ticks(frame.x_low, frame.x_high, count):
        x, text = frame.x(value), short(value)
        half = text_width(text) / 2
        parts.append(f'<path class="grid" d="M{x} {frame.top}V{bottom}"/>')
        if x - half > end + 6:
            parts.append(label(x, bottom + 15, text, anchor="middle", kind="tick"))
            end = x + half
    parts.append(f'<path class="axis" d="M{frame.left} {frame.top}V{bottom}H{right}"/>')
    if x_label:
        parts.append(
            label(frame.left + frame.width / 2, bottom + 32, x_label, anchor="middle", kind="name", room=frame.width)
        )
    if y_label:
        middle = frame.top + frame.height / 2
        parts.append(label(13, middle, y_label, anchor="middle", kind="name", room=frame.height, turn=True))
    return "".join(parts)


def path(points: Sequence[tuple[float, float]]) -> str:
    """The ``d`` of a line through these points (in the drawing's units)."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def drawing(width: float, height: float, title: str, description: str, body: str) -> str:
    """A whole chart, with its name and description for those who cannot see it."""
    return (
        f'<svg class="chart" role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>"
    )


def thin(points: Sequence[tuple[float, float]], most: int = 200) -> list[tuple[float, float]]:
    """At most so many of the points, evenly taken, both ends among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(place * step)] for place in range(most)]
