"""The plots of an evaluation, from the points that lie in ``Evaluation.curves``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from treadle.report.charts import REFERENCE, Bar, Line, bars, columns, histogram, lines
from treadle.report.clouds import cloud
from treadle.report.parts import Chart
from treadle.report.svg import number

UNIT = (0.0, 1.0)


def pairs(x: Sequence[float | None], y: Sequence[float | None]) -> list[tuple[float, float]]:
    """Points where both are known."""
    return [(a, b) for a, b in zip(x, y, strict=False) if a is not None and b is not None]


def ranking(key: str, title: str, by_class: Mapping[str, Mapping[str, Any]]) -> Chart:
    """ROC or precision-recall, one line a class."""
    x, y = ("False positive rate", "True positive rate") if key == "roc" else ("Recall", "Precision")
    items = [
        Line(name, pairs(found["x"], found["y"]), tone=place) for place, (name, found) in enumerate(by_class.items())
    ]
    if key == "roc":
        items.append(Line("chance", [(0.0, 0.0), (1.0, 1.0)], dashed=True, tone=REFERENCE))
    svg = lines(items, title=title, x=x, y=y, x_range=UNIT, y_range=UNIT)
    return Chart(key, svg, "One class against all others." if len(by_class) > 1 else "")


def calibration(by_class: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Predicted probability against what came true."""
    items = []
    for place, (name, found) in enumerate(by_class.items()):
        band = [
            (a, low, high)
            for a, low, high in zip(found["predicted"], found["low"], found["high"], strict=False)
            if a is not None and low is not None and high is not None
        ]
        said = "most probable class" if name == "top" else name
        items.append(Line(said, pairs(found["predicted"], found["observed"]), band=band, dots=True, tone=place))
    items.append(Line("perfect", [(0.0, 0.0), (1.0, 1.0)], dashed=True, tone=REFERENCE))
    svg = lines(
        items, title="Calibration", x="Predicted probability", y="Share that came true", x_range=UNIT, y_range=UNIT
    )
    return Chart("calibration", svg, "Ten bins of equal numbers of rows; the band is the 95 % interval of each share.")


def scores(found: Mapping[str, Any], *, anomaly: bool) -> Chart:
    """The distribution of scores, by true class."""
    title = "Anomaly scores" if anomaly else "Predicted probabilities by true class"
    counts = found["counts"]
    if len(counts) == 1:
        return Chart("scores", histogram(found["edges"], next(iter(counts.values())), title=title, x="Score"))
    svg = columns(found["edges"], counts, title=title, x="Score" if anomaly else f"Probability of {list(counts)[-1]}")
    return Chart(
        "scores", svg, "Share of each class's rows, so that a rare class can be seen." if len(counts) > 1 else ""
    )


def thresholds(found: Mapping[str, Any]) -> list[Chart]:
    """What the decision threshold does, and what it costs."""
    at, mark = found["threshold"], [(found["chosen"], f"chosen: {number(found['chosen'], 3)}")]
    items = [
        Line(name, pairs(at, found[key]), tone=place)
        for place, (key, name) in enumerate(
            (("precision", "precision"), ("recall", "recall"), ("f1", "F1"), ("selected", "share selected"))
        )
        if found.get(key)
    ]
    svg = lines(items, title="Decision threshold", x="Threshold", y="", x_range=UNIT, y_range=UNIT, marks=mark)
    charts = [Chart("threshold", svg)]
    if found.get("cost"):
        svg = lines([Line("", pairs(at, found["cost"]))], title="Cost by threshold", x="Threshold", y="Cost of a row",
                    x_range=UNIT, marks=mark, zero=True)  # fmt: skip
        charts.append(
            Chart("cost", svg, "The threshold was chosen on the validation rows; this is its cost on the test rows.")
        )
    return charts


def residuals(found: Mapping[str, Any], target: str) -> list[Chart]:
    """Predicted against true, the errors' distribution, and their size by what was predicted."""
    charts = []
    if found.get("actual"):
        points = pairs(found["actual"], found["predicted"])
        svg = cloud(
            points, title="Predicted and true values", x=f"True {target}", y=f"Predicted {target}", diagonal=True
        )
        charts.append(Chart("predicted", svg, f"{len(points):,} test rows; on the dashed line both are equal."))
        svg = cloud(
            [(b, a - b) for a, b in points], title="Residuals", x=f"Predicted {target}", y="True − predicted", level=0.0
        )
        charts.append(Chart("residuals", svg))
    if found.get("counts"):
        svg = histogram(found["edges"], found["counts"], title="Distribution of the errors", x="True − predicted")
        charts.append(Chart("errors", svg, "The outermost 0.5 % on each side are counted in the last columns."))
    bins = found.get("bins") or ()
    if len(bins) > 1:
        middle = [(item["low"] + item["high"]) / 2 for item in bins]
        items = [
            Line("mean absolute error", list(zip(middle, [item["error"] for item in bins], strict=True)), dots=True),
            Line(
                "mean error (bias)", list(zip(middle, [item["bias"] for item in bins], strict=True)), dots=True, tone=1
            ),
        ]
        svg = lines(items, title="Error by predicted value", x=f"Predicted {target}", y="Error", zero=True)
        charts.append(Chart("errors_by_value", svg, "Bins of equal numbers of rows."))
    return charts


def learning(found: Mapping[str, Any]) -> list[Chart]:
    """The metric by number of training rows: is more data worth having?"""
    points = pairs(found["rows"], found["value"])
    if not points:
        return []
    band = [
        (a, low, high)
        for a, low, high in zip(found["rows"], found["low"], found["high"], strict=False)
        if low is not None and high is not None
    ]
    svg = lines([Line("", points, band=band, dots=True)], title="Learning curve", x="Training rows", y=found["metric"])
    return [Chart("learning", svg, "Where the line still gets better to the right, more data would help.")]


def slice_bars(items: Sequence[Mapping[str, Any]], metric: str, overall: float | None, heading: str) -> Chart:
    """The deciding metric by slice, beside that of all rows."""
    chosen = [
        Bar(item["rule"], found["value"], found.get("low"), found.get("high"), f"{item['rows']:,} rows")
        for item in items
        if (found := (item.get("metrics") or {}).get(metric) or {}).get("value") is not None
    ]
    mark = (overall, f"all rows: {number(overall, 3)}") if overall is not None else None
    svg = bars(
        chosen or [Bar("none", 0.0)], title=f"{metric} by slice", x=metric, reference=mark, dots=True, width=900.0
    )
    return Chart("slices_" + ("worst" if "worst" in heading else "given"), svg, wide=True)
