"""Charts: well-formed for any numbers, ticks that are round and in range, labels that do not touch."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.report.about_data import bins
from treadle.report.charts import Bar, Line, bars, columns, heat, histogram, lines, spark
from treadle.report.clouds import cloud, swarm
from treadle.report.dependence import curves
from treadle.report.svg import number, short, shorten, spread, text_width, thin, ticks

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: 0.0 if abs(value) < 1e-9 else value)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="￾￿"), min_size=1, max_size=60)


def parsed(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert "nan" not in re.sub(r"<(title|desc|text).*?</\1>", "", svg).lower()
    return root


@settings(max_examples=100, deadline=None)
@given(low=NUMBERS, width=st.floats(1e-6, 1e9), count=st.integers(2, 9))
def test_ticks_are_in_range_and_evenly_apart(low: float, width: float, count: int) -> None:
    high = low + width
    if high - low < 1e-7 * max(abs(low), 1.0):
        return
    found = ticks(low, high, count)
    assert 0 < len(found) <= 2 * count + 2
    room = 1e-6 * (high - low)
    assert all(low - room <= value <= high + room for value in found)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert all(math.isclose(gap, gaps[0], rel_tol=1e-3, abs_tol=1e-9) for gap in gaps)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.92841, "0.9284"), (45447.8, "45,448"), (1.2e-7, "1.20e-07"), (None, "–"), (math.nan, "–"), (3, "3"),
     (12.346, "12.35")],
)  # fmt: skip
def test_numbers_are_written_for_people(value: float | None, text: str) -> None:
    assert number(value) == text


def test_axis_numbers_are_short() -> None:
    assert [short(value) for value in (0.25, 1500.0, 45_000.0, 2.5e6, -0.0)] == ["0.25", "1,500", "45k", "2.5M", "0"]
    assert number(1.0, whole=False) == "1.0000"


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=5),
    points=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=40),
)
def test_every_chart_is_well_formed_for_any_data(names: list[str], points: list[tuple[float, float]]) -> None:
    band = [(x, y - 1, y + 1) for x, y in points]
    parsed(lines([Line(name, points, band=band, dots=True, tone=at) for at, name in enumerate(names)], title=names[0],
                 x=names[0], y="y", marks=[(points[0][0], names[0])]))  # fmt: skip
    parsed(bars([Bar(name, points[0][0], points[0][0] - 1, points[0][0] + 1) for name in names], title="t", x=names[0]))
    parsed(
        bars([Bar(name, points[0][1]) for name in names], title="t", x="x", dots=True, reference=(points[-1][1], "all"))
    )
    parsed(cloud(points, title=names[0], x="x", y="y", diagonal=True))
    counts = [[abs(int(x)) % 1000 for x, _ in points[: len(names)]] or [0]] * len(names)
    matrix = [(row + [0] * len(names))[: len(names)] for row in counts]
    parsed(heat(matrix, names, title="t"))
    parsed(swarm(names, [[x] * len(names) for x, _ in points], [[y] * len(names) for _, y in points], title="t", x="x"))
    parsed(spark([abs(x) for x, _ in points], names[0]))


def test_many_points_become_hexagons() -> None:
    points = [(math.sin(at) * at, math.cos(at) * at) for at in range(5000)]
    svg = cloud(points, title="t", x="x", y="y")
    parsed(svg)
    assert len(svg) < 100_000 and "fill-opacity" in svg


def test_distributions_and_dependence() -> None:
    parsed(histogram([0.0, 0.5, 1.0], [3, 0], title="t", x="x"))
    parsed(columns([0.0, 0.5, 1.0], {"a": [1, 2], "<b>": [0, 0]}, title="t", x="x"))
    kinds = {
        "number": {"grid": [1.0, 2.0], "curves": {"yes": [0.1, 0.2]}, "ice": [[0.0, 0.3]], "scale": "probability"},
        "category": {"grid": ["a", "<b>"], "curves": {"": [3.0, 4.0]}, "ice": [], "scale": "value"},
        "boolean": {
            "grid": [True, False],
            "curves": {"a": [0.1, 0.2], "b": [0.9, 0.8]},
            "ice": [],
            "scale": "probability",
        },
    }
    for name, entry in kinds.items():
        parsed(curves(name, entry))


def test_axis_labels_do_not_touch() -> None:
    svg = lines([Line("", [(0.0, 0.0), (123456.0, 1.0)])], title="t", x="x", y="y", size=(240.0, 160.0))
    root = parsed(svg)
    found = [
        (float(item.attrib["x"]), item.text or "")
        for item in root.iter("{http://www.w3.org/2000/svg}text")
        if item.attrib.get("class") == "tick" and item.attrib["text-anchor"] == "middle"
    ]
    spans = sorted((x - text_width(text) / 2, x + text_width(text) / 2) for x, text in found)
    assert all(after[0] > before[1] for before, after in itertools.pairwise(spans))


def test_long_names_are_cut_with_the_whole_as_a_tooltip() -> None:
    name = "a very long name of a column that nobody would want to read in full " * 2
    svg = bars([Bar(name, 1.0)], title="t", x="x")
    assert name in "".join(parsed(svg).itertext()) and "…" in svg
    assert shorten("short", 100) == "short"


def test_thin_keeps_the_ends_and_spread_is_never_empty() -> None:
    points = [(float(at), 0.0) for at in range(1000)]
    assert thin(points)[0] == points[0] and thin(points)[-1] == points[-1] and len(thin(points)) == 200
    for values in ([], [1.0], [0.0, 0.0], [math.nan]):
        low, high = spread(values)
        assert low < high


@settings(max_examples=60, deadline=None)
@given(edges=st.lists(st.integers(-1000, 1000), min_size=1, max_size=30, unique=True).map(sorted), data=st.data())
def test_profile_histograms_keep_the_rows_within_their_range(edges: list[int], data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 50), min_size=len(edges) + 1, max_size=len(edges) + 1))
    profile = {"edges": edges, "counts": counts, "low": edges[0] - 1.0, "high": edges[-1] + 1.0}
    found = bins(profile)
    assert all(value >= 0 for value in found)
    assert sum(found) <= sum(counts) + 1e-6
