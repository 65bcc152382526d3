"""The chapters on the model that was chosen, what was inferred, and how to come to the same result again."""

from __future__ import annotations

from typing import Any

from treadle.report.facts import RunFacts
from treadle.report.parts import Cell, Code, Items, Part, Section, Table, Text, cut, head
from treadle.report.svg import number

CANDIDATES = 40


def candidates(facts: RunFacts) -> Section | None:
    """What was tried, best first."""
    trained = facts.of_stage("train")
    tried = trained.get("candidates") or ()
    if not trained:
        return None
    rows = [
        [
            Cell(item["model"]),
            cut(_options(item.get("options") or {}) or "defaults", 70),
            Cell(number(item.get("score")), number=True),
            Cell(f"{item.get('seconds', 0.0):,.1f} s", number=True),
            Cell("chosen", tone="good") if item.get("chosen") else cut(item.get("error") or "", 60),
        ]
        for item in tried[:CANDIDATES]
    ]
    columns = head("Model", "Options", trained.get("metric", "score"), "Time", "")
    columns[2], columns[3] = Cell(columns[2].text, number=True), Cell("Time", number=True)
    more = f"{len(tried) - CANDIDATES:,} more are not shown." if len(tried) > CANDIDATES else ""
    parts: list[Part] = [Table("Models tried, judged on the validation rows", columns, rows, more)]
    settled = _options(trained.get("options") or {})
    parts.append(Items([("Model", str(trained.get("model"))), ("Options", settled or "defaults")]))
    return Section("model", "Model", parts)


def _options(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} = {number(value) if isinstance(value, float) else value}" for name, value in options.items()
    )


def inferred(facts: RunFacts) -> Section | None:
    """Values that the user did not write."""
    if not facts.inferred:
        return None
    rows = [
        [Cell(item["path"]), cut(_plain(item["value"]), 70), Cell(str(item.get("reason", "")))]
        for item in facts.inferred
    ]
    table = Table("Values that were inferred", head("Key", "Value", "Because"), rows)
    return Section("inferred", "Inferred values", [table])


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def reproduce(facts: RunFacts) -> Section:
    """Versions, the spec, and the commands."""
    parts: list[Part] = []
    if facts.stages:
        rows = [
            [
                Cell(item["name"]),
                Cell("from the workspace" if item["cached"] else "run"),
                Cell("–" if item["cached"] else f"{item['seconds']:,.2f} s", number=True),
            ]
            for item in facts.stages
        ]
        parts.append(Table("Stages", [Cell("Stage"), Cell("How"), Cell("Time", number=True)], rows))
    pairs = [("Run", facts.run), ("Data version", str(facts.of_stage("ingest").get("version", "")))]
    changed = " (with changes that were not committed)" if facts.code.get("changed") else ""
    pairs.append(("Project's commit", f"{facts.code['commit']}{changed}" if facts.code.get("commit") else ""))
    pairs.append(("Treadle's code", str(facts.code.get("hash") or "")))
    pairs.append(("python", str(facts.code.get("python") or "")))
    pairs += [(name, version) for name, version in facts.versions.items()]
    digest = facts.of_stage("register").get("digest")
    if digest:
        pairs.append(("Bundle digest", str(digest)))
    parts.append(Items([(name, value) for name, value in pairs if value]))
    if facts.spec:
        parts.append(Text("The whole spec", heading=True))
        parts.append(Code(facts.spec, "treadle.yaml, completed"))
    parts.append(Text("To come to the same result: put the spec above into an empty folder as treadle.yaml, beside the "
                      "data of the version above, with the versions above installed; then"))  # fmt: skip
    parts.append(Code("treadle run\ntreadle compare RUN RUN", "commands"))
    return Section("reproduce", "How to reproduce", parts)
