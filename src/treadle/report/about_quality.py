"""The chapters on how good the model is: metrics, curves, mistakes, slices, fairness, gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from treadle.report.charts import heat
from treadle.report.facts import RunFacts
from treadle.report.parts import Cell, Chart, Charts, Items, Part, Section, Table, Text, cut, head, sentences
from treadle.report.plots import (
    calibration,
    learning,
    ranking,
    residuals,
    scores,
    slice_bars,
    thresholds,
)
from treadle.report.svg import number

CONFUSED, SLICES, GROUPS = 25, 60, 30
ALPHA = 0.05


def metrics(facts: RunFacts) -> Section | None:
    """Each metric with its interval, beside the baseline."""
    found = facts.of_stage("evaluate")
    if not found.get("metrics"):
        return None
    baseline: Mapping[str, Any] = found.get("baseline") or {}
    rows = []
    order = sorted(found["metrics"].items(), key=lambda pair: pair[0] != found.get("metric"))
    for name, item in order:
        row = [Cell(name + (" (decides)" if name == found.get("metric") else "")), *_metered(item)]
        if baseline:
            row += [Cell(figure((baseline.get(name) or {}).get("value")), number=True)]
        rows.append(row)
    columns = head("Metric", "Value", "95 % interval", numbers=2)
    if baseline:
        columns.append(Cell("Baseline", number=True))
    says = {
        "classification": "the majority class, with the shares of all classes as probabilities",
        "regression": "the mean",
    }.get(facts.task)
    parts: list[Part] = [Table(f"Metrics on {found.get('rows', 0):,} test rows", columns, rows)]
    if baseline and says:
        parts.append(Text(f"The baseline always says {says}. Intervals are bootstrapped over the test rows."))
    if found.get("folds"):
        parts.append(_folds(found["folds"]))
    if found.get("notes"):
        parts.append(sentences(found["notes"]))
    return Section("metrics", "Metrics", parts)


def _metered(item: Mapping[str, Any] | None) -> list[Cell]:
    item = item or {}
    bounds = f"{figure(item['low'])} to {figure(item['high'])}" if item.get("low") is not None else "–"
    return [Cell(figure(item.get("value")), number=True), Cell(bounds, number=True)]


def figure(value: float | None) -> str:
    """The value of a metric: always with its decimals."""
    return number(value, whole=False)


def _folds(folds: Sequence[Mapping[str, float]]) -> Table:
    names = list(folds[0])
    rows = [
        [Cell(str(place)), *(Cell(figure(fold.get(name)), number=True) for name in names)]
        for place, fold in enumerate(folds, start=1)
    ]
    mean = [sum(fold.get(name) or 0.0 for fold in folds) / len(folds) for name in names]
    rows.append([Cell("mean"), *(Cell(figure(value), number=True) for value in mean)])
    return Table("By fold of the cross-validation", head("Fold", *names, numbers=len(names)), rows)


def curves(facts: RunFacts) -> Section | None:
    """ROC, precision-recall, calibration, thresholds, scores; residuals; learning."""
    found: Mapping[str, Any] = facts.of_stage("evaluate").get("curves") or {}
    charts: list[Chart] = []
    for key, title in (("roc", "ROC curve"), ("precision_recall", "Precision and recall")):
        if found.get(key):
            charts.append(ranking(key, title, found[key]))
    if found.get("calibration"):
        charts.append(calibration(found["calibration"]))
    if found.get("scores"):
        charts.append(scores(found["scores"], anomaly=facts.task == "anomaly"))
    if found.get("threshold"):
        charts += thresholds(found["threshold"])
    if found.get("residuals"):
        charts += residuals(found["residuals"], facts.target or "value")
    if found.get("learning"):
        charts += learning(found["learning"])
    return Section("curves", "Curves", [Charts(charts)]) if charts else None


def mistakes(facts: RunFacts) -> Section | None:
    """The confusion matrix."""
    found = facts.of_stage("evaluate")
    matrix, classes = found.get("confusion") or (), found.get("classes") or ()
    if not matrix or len(matrix) != len(classes):
        return None
    if len(classes) > CONFUSED:
        pairs = sorted(
            ((matrix[a][b], a, b) for a in range(len(classes)) for b in range(len(classes)) if a != b and matrix[a][b]),
            reverse=True,
        )[:CONFUSED]
        rows = [[Cell(classes[a]), Cell(classes[b]), Cell(f"{count:,}", number=True)] for count, a, b in pairs]
        table = Table("Classes taken for another most often", head("True", "Predicted", "Rows", numbers=1), rows)
        return Section("mistakes", "Confusion", [table])
    svg = heat(matrix, classes, title="Confusion matrix")
    caption = "Rows are true classes, columns predicted ones; shades and percentages are shares of a row."
    return Section("mistakes", "Confusion", [Charts([Chart("confusion", svg, caption)])])


def slices(facts: RunFacts) -> Section | None:
    """The metrics of parts of the rows."""
    found = facts.of_stage("evaluate")
    every: Sequence[Mapping[str, Any]] = found.get("slices") or ()
    if not every:
        return None
    metric = str(found.get("metric"))
    overall = ((found.get("metrics") or {}).get(metric) or {}).get("value")
    parts: list[Part] = []
    worst = [item for item in every if item.get("found") == "worst"]
    given = [item for item in every if item.get("found") != "worst"]
    for items, heading, text in (
        (worst, "Where the model is worst",
         "Found by a search over rules of one and two columns; p-values are adjusted for all that was tried."),
        (given, "Slices asked for", "p-values of no difference to all other rows, adjusted for the number of slices."),
    ):  # fmt: skip
        if items:
            parts += [Text(heading, heading=True), Text(text)]
            parts.append(Charts([slice_bars(items[:20], metric, overall, heading)]))
            parts.append(_slice_table(items, metric, "Metrics by slice"))
    return Section("slices", "Slices", parts)


def _slice_table(items: Sequence[Mapping[str, Any]], metric: str, caption: str) -> Table:
    others = [name for name in (items[0].get("metrics") or {}) if name != metric][:3]
    rows = []
    for item in items[:SLICES]:
        p_value, gap = item.get("p_value"), item.get("difference")
        harm = p_value is not None and p_value <= ALPHA and (gap or 0) > 0
        row = [cut(item["rule"], 70), Cell(f"{item['rows']:,}", number=True)]
        row += _metered((item.get("metrics") or {}).get(metric))
        row += [
            Cell(figure(((item.get("metrics") or {}).get(name) or {}).get("value")), number=True) for name in others
        ]
        row.append(Cell("–" if p_value is None else _chance(p_value), number=True, tone="bad" if harm else ""))
        rows.append(row)
    columns = head("Rows where", "Rows", metric, "95 % interval", *others, "p", numbers=len(others) + 4)
    more = f"{len(items) - SLICES:,} more slices are not shown." if len(items) > SLICES else ""
    return Table(caption, columns, rows, more)


def _chance(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def fairness(facts: RunFacts) -> Section | None:
    """What the model does to each group of each sensitive column."""
    found: Mapping[str, Mapping[str, Any]] = facts.of_stage("evaluate").get("fairness") or {}
    parts: list[Part] = []
    for column, measures in found.items():
        parts.append(Text(column, heading=True))
        rows = [
            [Cell(name.replace("_", " ")), *_metered(item)]
            for name, item in measures.items()
            if isinstance(item, Mapping) and "value" in item
        ]
        groups = measures.get("groups") or {}
        if groups:
            parts.append(_groups(column, groups))
        if rows:
            columns = head("Measure", "Value", "95 % interval", numbers=2)
            parts.append(Table(f"Distance between the groups of {column}", columns, rows))
    if not parts:
        return None
    intro = Text(
        "Differences are largest minus smallest over the groups: 0 is equal. Ratios are smallest over largest: "
        "1 is equal. A small group makes a wide interval."
    )
    return Section("fairness", "Fairness", [intro, *parts])


def _groups(column: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for rates in groups.values() for name in rates if name != "rows"))
    rows = []
    for label, rates in list(groups.items())[:GROUPS]:
        row = [cut(label, 50), Cell(f"{rates.get('rows', 0):,}", number=True)]
        rows.append(row + [Cell(figure(rates.get(name)), number=True) for name in names])
    columns = head("Group", "Rows", *(name.replace("_", " ") for name in names), numbers=len(names) + 1)
    return Table(f"Groups of {column}", columns, rows)


def gates(facts: RunFacts) -> Section | None:
    """Each rule with its verdict and its evidence."""
    found = facts.of_stage("decide").get("gates") or ()
    if not found:
        return None
    rows = [
        [
            Cell(item["gate"]),
            Cell("passed", tone="good") if item["passed"] else Cell("failed", tone="bad"),
            *_metered(item),
            Cell(item.get("detail") or ""),
        ]
        for item in found
    ]
    columns = head("Gate", "Verdict", "Value", "95 % interval", "Evidence")
    columns[2], columns[3] = Cell("Value", number=True), Cell("95 % interval", number=True)
    parts: list[Part] = [Table("Each rule with its evidence", columns, rows)]
    if not facts.of_stage("decide").get("passed", True):
        parts.append(Text("A model that fails a gate is not promoted."))
    registered = facts.of_stage("register")
    if registered:
        aliases = ", ".join(registered.get("aliases") or ()) or "none"
        parts.append(
            Items([("Registered as", f"{registered.get('name')} {registered.get('version')}"), ("Aliases", aliases)])
        )
    return Section("gates", "Gates", parts)
