"""Charts of partial dependence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from treadle.report.charts import Bar, Line, bars, lines
from treadle.report.svg import number, shorten


def curves(name: str, entry: Mapping[str, Any]) -> str:
    """Partial dependence of one column: lines over a number, dots for each value of anything else."""
    grid, scale = entry["grid"], entry["scale"]
    means = {key: value for key, value in entry["curves"].items() if value}
    title = f"Partial dependence of {name}"
    size = (340.0, 230.0)
    if grid and all(isinstance(value, int | float) and not isinstance(value, bool) for value in grid):
        items = [Line("", list(zip(grid, line, strict=False)), faint=True, tone=0) for line in entry.get("ice", ())]
        items += [
            Line(key if len(means) > 1 else "", list(zip(grid, line, strict=False)), tone=place, dots=True)
            for place, (key, line) in enumerate(means.items())
        ]
        return lines(items, title=title, x=name, y=_of(scale, means), size=size)
    if len(means) == 1:
        found = [
            Bar(shorten(_word(value), 120), line, tone=0)
            for value, line in zip(grid, next(iter(means.values())), strict=False)
        ]
        return bars(found, title=title, x=f"{name}: {_of(scale, means)}", width=size[0], dots=True)
    items = [
        Line(key, [(float(at), value) for at, value in enumerate(line)], dots=True, tone=place)
        for place, (key, line) in enumerate(means.items())
    ]
    words = ", ".join(f"{at} = {_word(value)}" for at, value in enumerate(grid))
    return lines(items, title=title, x=shorten(f"{name}: {words}", 300), y=scale, size=size)


def _of(scale: str, means: Mapping[str, Any]) -> str:
    only = next(iter(means), "")
    return f"{scale} of {only}" if len(means) == 1 and only else scale


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, int | float) else str(value)
