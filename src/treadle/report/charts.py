"""Charts of lines, bars and cells as SVG text; each has a title, a description and tooltips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from treadle.report.svg import (
    Frame,
    axes,
    drawing,
    label,
    number,
    path,
    short,
    shorten,
    spread,
    text_width,
    thin,
    ticks,
)

Point = tuple[float, float]
WIDTH, HEIGHT = 480.0, 300.0
TONES = 6
REFERENCE = -1


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend; empty for none.
        points: (x, y).
        band: (x, low, high) around it.
        dots: mark the points.
        dashed: for what is there to compare with.
        faint: for one of many.
        tone: which colour, from 0; `REFERENCE` for what is only there to compare with.
    """

    name: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False
    dashed: bool = False
    faint: bool = False
    tone: int = 0


def lines(
    items: Sequence[Line], *, title: str, x: str, y: str, x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None, marks: Sequence[tuple[float, str]] = (),
    size: tuple[float, float] = (WIDTH, HEIGHT), zero: bool = False,
) -> str:  # fmt: skip
    """Lines with bands, legend below the title, vertical marks."""
    every = [point for item in items for point in item.points]
    x_low, x_high = x_range or spread([point[0] for point in every], room=0.0)
    heights = [point[1] for point in every] + [edge for item in items for part in item.band for edge in part[1:]]
    y_low, y_high = y_range or spread(heights, zero=zero)
    legend, depth = _legend([(item.name, item.tone, item.dashed) for item in items if item.name], size[0])
    frame = _frame(size, x_low, x_high, y_low, y_high, top=10 + depth, y_label=bool(y), x_label=bool(x))
    parts = [legend, axes(frame, x, y, y_count=max(2, min(5, int(frame.height / 30))))]
    for item in items:
        if item.band:
            upper = [(frame.x(a), frame.y(high)) for a, _, high in item.band]
            lower = [(frame.x(a), frame.y(low)) for a, low, _ in reversed(item.band)]
            parts.append(f'<path class="band f{item.tone % TONES}" d="{path(upper + lower)}Z"/>')
    for item in items:
        found = [(frame.x(a), frame.y(b)) for a, b in thin(item.points) if math.isfinite(a) and math.isfinite(b)]
        if not found:
            continue
        names = f"line {_tone(item.tone)}" + " dashed" * item.dashed + " faint" * item.faint
        tip = f"<title>{escape(item.name)}</title>" if item.name else ""
        parts.append(f'<path class="{names}" d="{path(found)}">{tip}</path>')
        if item.dots:
            for (a, b), (at, up) in zip(item.points, found, strict=False):
                said = f"{item.name + ': ' if item.name else ''}{number(a)}, {number(b)}"
                parts.append(
                    f'<circle class="dot f{item.tone % TONES}" cx="{at:g}" cy="{up:g}" r="2.6">'
                    f"<title>{escape(said)}</title></circle>"
                )
    parts += [_mark(frame, at, text) for at, text in marks if frame.x_low <= at <= frame.x_high]
    told = "; ".join(f"{item.name or y}: from {_ends(item.points)}" for item in items if not item.faint and item.points)
    return drawing(*size, title, f"{y} by {x}. {told}", "".join(parts))


def _tone(tone: int) -> str:
    return "reference" if tone == REFERENCE else f"s{tone % TONES}"


def _ends(points: Sequence[Point]) -> str:
    return f"{number(points[0][1])} at {number(points[0][0])} to {number(points[-1][1])} at {number(points[-1][0])}"


def _mark(frame: Frame, at: float, text: str) -> str:
    x = frame.x(at)
    right = x + 5 + text_width(text) > frame.left + frame.width
    place = label(x - 5 if right else x + 5, frame.top + 12, text, anchor="end" if right else "start", kind="note")
    return f'<path class="mark" d="M{x} {frame.top}V{frame.top + frame.height}"/>{place}'


def _frame(
    size: tuple[float, float], x_low: float, x_high: float, y_low: float, y_high: float, *, top: float, y_label: bool,
    x_label: bool,
) -> Frame:  # fmt: skip
    """The plot's area: as much room on the left as the longest tick needs."""
    longest = max(text_width(short(value)) for value in ticks(y_low, y_high))
    left = longest + 12 + (16 if y_label else 0)
    last = text_width(short(ticks(x_low, x_high)[-1])) / 2
    return Frame(
        left,
        top,
        size[0] - left - max(10.0, last),
        size[1] - top - (40 if x_label else 22),
        x_low,
        x_high,
        y_low,
        y_high,
    )


def _legend(names: Sequence[tuple[str, int, bool]], width: float) -> tuple[str, float]:
    """The names beside samples of their colours, in as many rows as they need; and their height."""
    if len(names) < 2:
        return "", 0.0
    parts, x, y = [], 10.0, 12.0
    for name, tone, dashed in names:
        shown = shorten(name, 170)
        need = 26 + text_width(shown) + 14
        if x + need > width and x > 10:
            x, y = 10.0, y + 16
        parts.append(f'<path class="line {_tone(tone)}{" dashed" * dashed}" d="M{x} {y - 4}h18"/>')
        parts.append(label(x + 24, y, name, kind="tick", room=170))
        x += need
    return "".join(parts), y + 4


@dataclass(frozen=True)
class Bar:
    """One bar: a value with its interval, and a remark for the tooltip."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    remark: str = ""
    tone: int = 0


def bars(
    items: Sequence[Bar], *, title: str, x: str, width: float = WIDTH, reference: tuple[float, str] | None = None,
    dots: bool = False,
) -> str:  # fmt: skip
    """Horizontal bars from zero (or dots on the range of the values), one a row, with whiskers for intervals."""
    edges = [edge for item in items for edge in (item.value, item.low, item.high) if edge is not None]
    if reference:
        edges.append(reference[0])
    low, high = spread(edges, zero=not dots, room=0.06)
    wide = min(width * 0.45, max((text_width(item.name) for item in items), default=40.0) + 10)
    step, top = 22.0, 18.0 if reference else 6.0
    height = top + step * len(items) + 40
    worth = _alike([item.value for item in items])
    aside = max((text_width(text) for text in worth), default=0.0) + 12
    frame = Frame(wide, top, width - wide - aside, step * len(items), low, high, 0.0, 1.0)
    bottom = frame.top + frame.height
    parts = []
    for value in ticks(low, high, max(2, int(frame.width / 75))):
        at = frame.x(value)
        parts.append(f'<path class="grid" d="M{at} {frame.top}V{bottom}"/>')
        parts.append(label(at, bottom + 15, short(value), anchor="middle", kind="tick"))
    for place, item in enumerate(items):
        parts.append(_bar(frame, item, frame.top + step * (place + 0.5), worth[place], dots=dots))
    origin = frame.x(0.0) if low <= 0 <= high and not dots else frame.left
    parts.append(f'<path class="axis" d="M{origin} {frame.top}V{bottom}"/>')
    if reference:
        parts.append(_mark(Frame(frame.left, 4, frame.width, bottom - 4, low, high, 0, 1), *reference))
    parts.append(
        label(frame.left + frame.width / 2, bottom + 32, x, anchor="middle", kind="name", room=frame.width + aside)
    )
    told = "; ".join(f"{item.name} {text}" for item, text in zip(items[:30], worth, strict=False))
    return drawing(width, height, title, f"{x}: {told}", "".join(parts))


def _alike(values: Sequence[float]) -> list[str]:
    """Values with equally many decimals: three digits for the largest."""
    top = max((abs(value) for value in values), default=0.0)
    if not 1e-9 < top < 1e9:
        return [number(value, 3) for value in values]
    places = max(0, 2 - math.floor(math.log10(top)))
    return [f"{round(value, places) + 0.0:,.{places}f}" for value in values]


def _bar(frame: Frame, item: Bar, middle: float, worth: str, *, dots: bool) -> str:
    end = frame.x(item.value)
    said = f"{item.name}: {worth}"
    if item.low is not None and item.high is not None:
        said += f" ({number(item.low)} to {number(item.high)})"
    said += f"; {item.remark}" if item.remark else ""
    parts = [f"<g><title>{escape(said)}</title>"]
    parts.append(label(frame.left - 8, middle + 4, item.name, anchor="end", kind="tick", room=frame.left - 10))
    if dots:
        parts.append(f'<circle class="dot f{item.tone % TONES}" cx="{end}" cy="{middle}" r="4"/>')
    else:
        start = frame.x(0.0)
        parts.append(
            f'<rect class="bar f{item.tone % TONES}" x="{min(start, end):g}" y="{middle - 7:g}" '
            f'width="{max(0.5, abs(end - start)):g}" height="14" rx="2"/>'
        )
    if item.low is not None and item.high is not None:
        a, b = frame.x(item.low), frame.x(item.high)
        parts.append(f'<path class="whisker" d="M{a} {middle - 4}v8M{a} {middle}H{b}M{b} {middle - 4}v8"/>')
    parts.append(label(frame.left + frame.width + 8, middle + 4, worth, kind="tick"))
    return "".join(parts) + "</g>"


def histogram(edges: Sequence[float], counts: Sequence[float], *, title: str, x: str, y: str = "rows") -> str:
    """Touching columns between edges; one more edge than counts."""
    top = max([*counts, 1.0])
    frame = _frame((WIDTH, HEIGHT), edges[0], edges[-1], 0.0, top * 1.05, top=10, y_label=True, x_label=True)
    parts = [axes(frame, x, y)]
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        a, b, up = frame.x(left), frame.x(right), frame.y(count)
        said = f"{number(left)} to {number(right)}: {number(count)}"
        parts.append(
            f'<rect class="bar f0" x="{a:g}" y="{up:g}" width="{max(0.5, b - a - 0.6):.1f}" '
            f'height="{max(0.0, frame.y(0) - up):.1f}"><title>{escape(said)}</title></rect>'
        )
    return drawing(WIDTH, HEIGHT, title, f"{y} by {x}, {number(sum(counts))} in all", "".join(parts))


def columns(edges: Sequence[float], counts: Mapping[str, Sequence[float]], *, title: str, x: str) -> str:
    """Distributions over the same bins, each as its share, drawn as outlined areas over one another."""
    shares = {name: [count / (sum(found) or 1) for count in found] for name, found in counts.items()}
    top = max((share for found in shares.values() for share in found), default=1.0) or 1.0
    legend, depth = _legend([(name, place, False) for place, name in enumerate(shares)], WIDTH)
    frame = _frame((WIDTH, HEIGHT), edges[0], edges[-1], 0.0, top * 1.05, top=10 + depth, y_label=True, x_label=True)
    parts = [legend, axes(frame, x, "share of the class")]
    for place, (name, found) in enumerate(shares.items()):
        points = [(frame.x(edges[0]), frame.y(0.0))]
        for share, left, right in zip(found, edges, edges[1:], strict=False):
            points += [(frame.x(left), frame.y(share)), (frame.x(right), frame.y(share))]
        points.append((frame.x(edges[-1]), frame.y(0.0)))
        tip = f"<title>{escape(name)}: {number(sum(counts[name]))} rows</title>"
        parts.append(f'<path class="band f{place % TONES}" d="{path(points)}Z"/>')
        parts.append(f'<path class="line s{place % TONES}" d="{path(points)}">{tip}</path>')
    told = ", ".join(f"{name}: {number(sum(found))} rows" for name, found in counts.items())
    return drawing(WIDTH, HEIGHT, title, f"Distribution over {x}. {told}", "".join(parts))


def heat(matrix: Sequence[Sequence[float]], names: Sequence[str], *, title: str) -> str:
    """A confusion matrix: rows are the truth, shaded by their share of the row."""
    count = len(matrix)
    longest = max(text_width(name) for name in names)
    left, top = min(150.0, longest + 14) + 18, 42.0
    cell = max(24.0, min(92.0, (WIDTH - left - 8) / count))
    tall = min(cell, 56.0)
    width, height = left + cell * count + 8, top + tall * count + 8
    turned = longest + 8 > cell
    if turned:
        extra = min(110.0, longest * 0.75)
        top += extra
        height += extra
    parts = [label(left + cell * count / 2, 13, "predicted", anchor="middle", kind="name")]
    parts.append(label(12, top + tall * count / 2, "true", anchor="middle", kind="name", turn=True))
    for place, name in enumerate(names):
        x = left + cell * (place + 0.5)
        shown = escape(shorten(name, 120))
        if turned:
            at = f'transform="translate({x + 3:.1f} {top - 7:.1f}) rotate(-45)"'
            parts.append(f'<text class="tick" {at}>{shown}<title>{escape(name)}</title></text>')
        else:
            parts.append(label(x, top - 8, name, anchor="middle", kind="tick", room=cell))
        parts.append(label(left - 8, top + tall * (place + 0.5) + 4, name, anchor="end", kind="tick", room=left - 28))
    for row, values in enumerate(matrix):
        total = sum(values) or 1
        for column, value in enumerate(values):
            parts.append(
                _cell(left + cell * column, top + tall * row, cell, tall, value, value / total, names, row, column)
            )
    right = sum(matrix[place][place] for place in range(count))
    total = sum(map(sum, matrix)) or 1
    told = f"Rows are true classes, columns predicted ones. {number(right)} of {number(total)} are on the diagonal."
    return drawing(max(width, 200.0), height, title, told, "".join(parts))


def _cell(
    x: float,
    y: float,
    wide: float,
    tall: float,
    value: float,
    share: float,
    names: Sequence[str],
    row: int,
    column: int,
) -> str:
    said = f"true {names[row]}, predicted {names[column]}: {number(value)} ({share:.1%})"
    text = ""
    middle = x + wide / 2
    dark = "on" if share > 0.55 else "off"
    if text_width(short(value)) + 4 < wide:
        text = label(
            middle, y + tall / 2 + (0 if tall >= 34 else 4), short(value), anchor="middle", kind=f"cell {dark}"
        )
        if tall >= 34:
            text += label(middle, y + tall / 2 + 13, f"{share:.0%}", anchor="middle", kind=f"cell small {dark}")
    return (
        f'<g><title>{escape(said)}</title><rect class="shade" x="{x:.1f}" y="{y:.1f}" width="{wide - 1.5:.1f}" '
        f'height="{tall - 1.5:.1f}" rx="2"/><rect class="f0" x="{x:.1f}" y="{y:.1f}" width="{wide - 1.5:.1f}" '
        f'height="{tall - 1.5:.1f}" rx="2" fill-opacity="{share:.3f}"/>{text}</g>'
    )


def spark(counts: Sequence[float], title: str) -> str:
    """A histogram of the size of a word, for a table."""
    wide, tall = 84.0, 20.0
    top = max([*counts, 1e-12])
    step = wide / max(1, len(counts))
    columns = "".join(
        f"M{place * step + 0.4:.1f} {tall}V{tall - max(0.6, tall * count / top):.1f}h{max(0.6, step - 0.8):.1f}V{tall}Z"
        for place, count in enumerate(counts)
        if count
    )
    return (
        f'<svg class="spark" role="img" viewBox="0 0 {wide:g} {tall:g}" width="{wide:g}" height="{tall:g}" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title><path class="f0" d="{columns or "M0 0"}"/></svg>'
    )
