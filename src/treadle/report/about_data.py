"""The chapters on the data: columns, quality, split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from treadle.report.charts import spark
from treadle.report.facts import RunFacts
from treadle.report.parts import Cell, Items, Part, Section, Table, Text, cut, head
from treadle.report.svg import number

COLUMNS = 150
FINDINGS = 60
BINS = 24
TONES = {"error": "bad", "warning": "warn", "note": ""}


def data(facts: RunFacts) -> Section | None:
    """How many rows and columns, from where, and what each column holds."""
    dataset = facts.of_stage("ingest")
    if not dataset:
        return None
    fields = facts.fields
    source = ", ".join(dataset.get("source") or ())
    pairs = [
        ("Rows", f"{dataset.get('rows', 0):,}"),
        ("Columns", f"{len(fields):,}, {sum(item['role'] == 'feature' for item in fields):,} of them learned from"),
        ("Source", source),
        ("Version", str(dataset.get("version", ""))[:16]),
    ]
    if facts.target:
        pairs.insert(2, ("Target", facts.target))
    return Section("data", "Data", [Items(pairs), _columns(facts, fields)])


def _columns(facts: RunFacts, fields: list[Mapping[str, Any]]) -> Table:
    profiles = {item["name"]: item for item in facts.of_stage("train").get("profiles") or ()}
    order = {"target": 0, "feature": 1}
    shown = sorted(fields, key=lambda item: order.get(item["role"], 2))[:COLUMNS]
    rows = []
    for item in shown:
        missing = float(item.get("missing") or 0.0)
        profile = profiles.get(item["name"])
        rows.append(
            [
                cut(item["name"], 36),
                Cell(item["kind"]),
                Cell(item["role"]),
                Cell(f"{missing:.1%}" if missing else "–", number=True, tone="warn" if missing > 0.3 else ""),
                Cell(f"{item['unique']:,}" if item.get("unique") is not None else "–", number=True),
                _values(item),
                Cell(svg=spark(bins(profile), f"distribution of {item['name']}")) if profile else Cell(),
                cut("said in the spec" if not item.get("inferred", True) else item.get("reason", ""), 60),
            ]
        )
    note = f"{len(fields) - len(shown):,} more columns are not shown." if len(fields) > len(shown) else ""
    names = head("Column", "Kind", "Role", "Missing", "Distinct", "Values", "In training", "Why this kind")
    names[3], names[4] = Cell("Missing", number=True), Cell("Distinct", number=True)
    return Table("Columns", names, rows, note)


def _values(item: Mapping[str, Any]) -> Cell:
    """The range of a number or time, the first few categories."""
    low, high = item.get("low"), item.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float):
        return Cell(f"{_plain(low)} to {_plain(high)}")
    if low is not None and high is not None:
        return cut(f"{low} to {high}", 44)
    return cut(", ".join(str(value) for value in (item.get("categories") or ())[:12]), 44)


def _plain(value: float) -> str:
    """A number without zeros at its end."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def bins(profile: Mapping[str, Any]) -> list[float]:
    """A profile as the heights of equally wide columns (numbers; the far tails cut), or the counts by category."""
    if profile.get("categories"):
        counts = sorted(profile["categories"].values(), reverse=True)
        return [float(count) for count in counts[:BINS]]
    edges, counts = list(profile.get("edges") or ()), list(profile.get("counts") or ())
    low, high = profile.get("low"), profile.get("high")
    if not counts or low is None or high is None or high <= low:
        return [float(sum(counts))] if counts else []
    if len(counts) <= 2:
        return [float(count) for count in counts]
    walls = [low, *edges, high]
    start = walls[1] if walls[1] - low > (high - low) / 2 else low
    end = walls[-2] if high - walls[-2] > (high - low) / 2 else high
    if end <= start:
        return [float(count) for count in counts[:BINS]]
    step = (end - start) / BINS
    found = [0.0] * BINS
    for count, left, right in zip(counts, walls, walls[1:], strict=False):
        first, last = max(left, start), min(right, end)
        if last <= first:
            place = min(BINS - 1, max(0, int((left - start) / step)))
            found[place] += count if start <= left <= end else 0.0
            continue
        share = count / (right - left)
        for place in range(int((first - start) / step), min(BINS, int((last - start) / step) + 1)):
            inside = min(last, start + (place + 1) * step) - max(first, start + place * step)
            found[place] += share * max(0.0, inside)
    return found


def quality(facts: RunFacts) -> Section | None:
    """What a person should know about the data."""
    if not facts.of_stage("validate"):
        return None
    findings = facts.of_stage("validate").get("findings") or []
    if not findings:
        return Section("quality", "Data quality", [Text("Nothing was found that a person should look at.")])
    order = list(TONES)
    findings = sorted(findings, key=lambda item: order.index(item["severity"]) if item["severity"] in order else 9)
    rows = [
        [
            Cell(item["severity"], tone=TONES.get(item["severity"], "")),
            Cell(item["check"].replace("_", " ")),
            cut(", ".join(item.get("columns") or ()) or "–", 40),
            Cell(item["text"]),
            cut(", ".join(f"{row:,}" for row in (item.get("examples") or ())[:5]) or "–", 40),
        ]
        for item in findings[:FINDINGS]
    ]
    more = f"{len(findings) - FINDINGS:,} more findings are not shown." if len(findings) > FINDINGS else ""
    table = Table("Findings", head("Severity", "Check", "Columns", "What was found", "Rows, for example"), rows, more)
    return Section("quality", "Data quality", [table])


def split(facts: RunFacts) -> Section | None:
    """Which rows were learned from and which judge."""
    found = facts.of_stage("split")
    if not found:
        return None
    total = sum(found["rows"].values()) or 1
    names = {"train": "learned from", "valid": "choose between models and options", "test": "judge; never seen before"}
    known = [name for name in names if name in found["rows"]]
    rows = [
        [
            Cell(part),
            Cell(f"{found['rows'][part]:,}", number=True),
            Cell(f"{found['rows'][part] / total:.1%}", number=True),
            Cell(names.get(part, "")),
        ]
        for part in [*known, *(part for part in found["rows"] if part not in names)]
    ]
    parts: list[Part] = [
        Text(f"Method: {found['method']}" + (f" ({found['detail']})." if found.get("detail") else "."))
    ]
    columns = [Cell("Part"), Cell("Rows", number=True), Cell("Share", number=True), Cell("For")]
    return Section("split", "Split", [*parts, Table("Parts", columns, rows)])
