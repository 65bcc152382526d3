"""The chapter on why the model says what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from treadle.report.charts import Bar, bars
from treadle.report.clouds import swarm
from treadle.report.dependence import curves
from treadle.report.facts import RunFacts
from treadle.report.parts import Chart, Charts, Part, Section, Text, sentences

SHOWN = 15


def explanation(facts: RunFacts) -> Section | None:
    """Importance, SHAP and partial dependence."""
    found = facts.of_stage("explain")
    metric = str(facts.of_stage("evaluate").get("metric") or "metric")
    parts: list[Part] = []
    rankings = [
        chart
        for chart in (
            _ranking(found, "permutation", "Permutation importance", f"loss of {metric} when the column is shuffled"),
            _ranking(found, "shap", "Mean absolute SHAP value", "mean absolute SHAP value"),
            _ranking(found, "native", "The model's own importance", "share of the model's own importance"),
        )
        if chart
    ]
    if rankings:
        parts.append(Charts(rankings))
    rows = found.get("shap_rows") or {}
    if rows.get("values"):
        word = "cluster " if facts.task == "clustering" else ""
        label = f" for {word}{rows['label']}" if rows.get("label") else ""
        of = facts.of_stage("evaluate").get("classes") or ()
        label = label or (" for each row's predicted class" if len(of) > 2 else "")
        svg = swarm(
            rows["columns"], rows["values"], rows["data"], title=f"SHAP values{label}",
            x=f"SHAP value ({rows.get('scale', 'value')}){label}",
        )  # fmt: skip
        caption = "A dot is a row: how far the column moved its prediction, coloured by the column's value there."
        parts.append(Charts([Chart("shap", svg, caption, wide=True)]))
    partial = found.get("partial") or {}
    if partial:
        parts.append(Text("Partial dependence", heading=True))
        parts.append(Text("The average prediction as one column goes through its values, all others as they are; "
                          "faint lines are single rows."))  # fmt: skip
        parts.append(
            Charts([Chart(f"partial_dependence_{place}", curves(name, entry), heading=name) for place, (name, entry) in
                    enumerate(partial.items(), start=1)], small=True)
        )  # fmt: skip
    notes = found.get("notes") or ()
    if notes and parts:
        parts.append(sentences(notes))
    return Section("explanation", "Explanation", parts) if parts else None


def _ranking(found: Mapping[str, Any], key: str, title: str, x: str) -> Chart | None:
    items: Sequence[Mapping[str, Any]] = found.get(key) or ()
    if not items:
        return None
    chosen = [Bar(item["column"], item["value"], item.get("low"), item.get("high")) for item in items[:SHOWN]]
    rest = f" The first {SHOWN} of {len(items)} columns." if len(items) > SHOWN else ""
    caption = {"permutation": "Whiskers: 95 % interval over the shuffles.", "shap": "Whiskers: 95 % interval."}.get(
        key, ""
    )
    return Chart(f"importance_{key}", bars(chosen, title=title, x=x), (caption + rest).strip())
