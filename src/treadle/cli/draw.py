"""Answers drawn for a person: tables, plain and narrow enough for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from treadle.flow.project import FinishedRun
    from treadle.stages.values import Evaluation


SHOWN = 10


def grid(*titles: str, right: Sequence[str] = ()) -> Table:
    """A table without frames; the columns in ``right`` hold numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    return table


def number(value: float | int | None) -> str:
    """A figure as short as it may be: four significant digits, thousands apart; a dash for nothing."""
    if value is None or value != value:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) < 0.001 and value else f"{value:.4f}"


def span(low: float | None, high: float | None) -> str:
    """An interval in brackets, or nothing."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def short_path(path: str | Path) -> str:
    """The path from here where it lies below, else as it is."""
    path = Path(path)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def metrics_table(metrics: Mapping[str, Any], baseline: Mapping[str, Any] | None = None) -> Table:
    """Metrics with their intervals, the baseline beside them."""
    from treadle.core.jsonable import encode

    table = grid("metric", "value", "95 % interval", "baseline", right=("value", "baseline"))
    plain, beside = encode(metrics), encode(baseline or {})
    for name, item in plain.items():
        base = beside.get(name)
        table.add_row(name, number(item["value"]), span(item.get("low"), item.get("high")),
                      number(base["value"]) if base else "")  # fmt: skip
    return table


def gates_lines(console: Console, gates: Sequence[Any]) -> None:
    """One line a gate."""
    from treadle.core.jsonable import encode

    for gate in encode(gates):
        word = "[green]passed[/]" if gate["passed"] else "[red]failed[/]"
        evidence = f"{number(gate['value'])} {span(gate['low'], gate['high'])}".strip()
        console.print(f"gate {escape(gate['gate'])}: {word} ({escape(gate['detail'] or evidence)})", soft_wrap=True)


def draw_run(console: Console, run: FinishedRun) -> None:
    """What a run came to, and where to go from there."""
    data = run.summary()
    model = data["model"]
    spent = sum(stage["seconds"] for stage in data["stages"])
    kept = sum(stage["cached"] for stage in data["stages"])
    trained = run.value("train").model
    if kept == len(data["stages"]):
        console.print(f"[bold]nothing changed[/]: this is run {run.id}", soft_wrap=True)
    else:
        console.print(f"[bold]run {run.id}[/] in {spent:.1f} s, {kept} of {len(data['stages'])} stages kept",
                      soft_wrap=True)  # fmt: skip
    aliases = f" ({', '.join(model['aliases'])})" if model["aliases"] else ""
    console.print(f"model [bold]{model['name']}[/] version {model['version']}{aliases}: {data['task']} with {trained}",
                  soft_wrap=True)  # fmt: skip
    console.print()
    metrics = {run.evaluation.metric: None, **data["metrics"]}
    metrics.update(data["metrics"])
    console.print(metrics_table(metrics, run.evaluation.baseline))
    console.print(f"on {run.evaluation.rows:,} test rows that training never saw", style="dim")
    console.print()
    gates_lines(console, data["gates"])
    if run.report.is_file():
        console.print(f"report  {escape(short_path(data['report']))}", soft_wrap=True)
    console.print(f"bundle  {escape(short_path(data['bundle']))}", soft_wrap=True)
    console.print("next    treadle report --open | treadle predict IN -o OUT | treadle explain ROWS | treadle models")


def draw_plan(console: Console, data: Mapping[str, Any]) -> None:
    """The stages, then what was inferred."""
    table = grid("stage", "will", "why")
    for stage in data["stages"]:
        table.add_row(stage["name"], "[dim]keep[/]" if stage["cached"] else "[bold]run[/]", escape(stage["why"]))
    console.print(table)
    if data["inferred"]:
        console.print()
        draw_inferred(console, data["inferred"])


def draw_inferred(console: Console, inferred: Sequence[Any]) -> None:
    """What the spec left out."""
    from treadle.core.jsonable import dumps, encode

    table = grid("inferred", "value", "because")
    for item in encode(inferred):
        value = item["value"]
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        value = value if isinstance(value, str) else dumps(value)
        table.add_row(escape(item["path"]), escape(value), escape(item["reason"]))
    console.print(table)


def draw_runs(console: Console, runs: Sequence[Mapping[str, Any]]) -> None:
    """One line a run."""
    if not runs:
        console.print("there are no runs here yet: treadle run")
        return
    table = grid("run", "model", "task", "metric", "value", "gates", right=("value",))
    for run in runs:
        name = run["metric"] or next(iter(run["metrics"]), "")
        first = run["metrics"].get(name, {"value": None})
        failed = sum(not gate["passed"] for gate in run["gates"])
        gates = f"{failed} failed" if failed else "passed" if run["gates"] else ""
        model = f"{run['model']['name']} {run['model']['version']}"
        table.add_row(run["run"], model, run["task"], name, number(first["value"]), gates)
    console.print(table)


def draw_findings(console: Console, findings: Sequence[Any]) -> None:
    """What was found in the data, the worst first."""
    from treadle.core.jsonable import encode

    colours = {"error": "red", "warning": "yellow"}
    order = ("error", "warning", "note")
    for item in sorted(encode(findings), key=lambda item: order.index(item["severity"])):
        word = f"[{colours.get(item['severity'], 'dim')}]{item['severity']}[/]"
        console.print(f"{word} {escape(item['text'])}", soft_wrap=True)


def draw_show(console: Console, run: FinishedRun, data: Mapping[str, Any]) -> None:
    """Everything about one run."""
    draw_run(console, run)
    console.print()
    draw_findings(console, data["findings"])
    console.print()
    draw_inferred(console, data["inferred"])


def draw_components(console: Console, found: Sequence[Mapping[str, Any]], detailed: bool) -> None:
    """What there is; with its options where one group was asked for."""
    if not detailed:
        table = grid("group", "name", "what", "extra")
        last = ""
        for item in found:
            group = "" if item["group"] == last else item["group"]
            table.add_row(group, item["name"], escape(item["doc"]), (item["extra"] or "") + lacking(item))
            last = item["group"]
        console.print(table)
        return
    for item in found:
        console.print(f"[bold]{item['name']}[/]  [dim]{item['file']}[/]{lacking(item)}", soft_wrap=True)
        console.print(f"  {escape(item['doc'])}", soft_wrap=True)
        table = grid("  option", "type", "default", "range", "what")
        for option in item["options"]:
            default = "required" if option["required"] else repr(option["default"])
            table.add_row(f"  {option['name']}", escape(option["type"]), escape(default),
                          limits(option["low"], option["high"]), escape(option["doc"]))  # fmt: skip
        if item["options"]:
            console.print(table)
        console.print()


def lacking(item: Mapping[str, Any]) -> str:
    """What keeps a component from working here: a library that is not installed, a file that is broken."""
    if item["error"]:
        return f" [red](broken: {escape(item['error'])})[/]"
    if item["missing"]:
        command = f"treadle[{item['extra']}]" if item["extra"] else " ".join(item["missing"])
        return f" [yellow](not installed: pip install {escape(repr(command))})[/]"
    return ""


def limits(low: float | None, high: float | None) -> str:
    """The range of an option."""
    if low is None or high is None:
        return f"from {low:g}" if low is not None else f"to {high:g}" if high is not None else ""
    return f"{low:g} to {high:g}"


def draw_check(console: Console, data: Mapping[str, Any]) -> None:
    """The columns, what was inferred, and the findings."""
    table = grid("column", "kind", "role", "missing", "distinct", "because", right=("missing", "distinct"))
    for item in data["columns"]:
        distinct = "-" if item.unique is None else f"{item.unique:,}"
        table.add_row(escape(item.name), item.kind, item.role, f"{item.missing:.1%}" if item.missing else "", distinct,
                      escape(item.reason))  # fmt: skip
    console.print(table)
    console.print()
    if data["inferred"]:
        draw_inferred(console, data["inferred"])
        console.print()
    draw_findings(console, data["findings"])
    console.print(f"[green]good[/]: {data['rows']:,} rows, version {data['version'][:12]}; next: treadle run")


def draw_explained(console: Console, data: Mapping[str, Any], frame: Any) -> None:
    """For each row the columns that matter most, with their values and what they add."""
    for note in data["notes"]:
        console.print(escape(note), style="dim", soft_wrap=True)
    for position, values in enumerate(data["values"]):
        said = data["predictions"][position]["prediction"]
        label = f" of {data['labels'][position]}" if data["labels"] else ""
        base = "" if data["bases"] is None else f", from {number(float(data['bases'][position]))}"
        output = "" if data["output"] is None else f" to {number(float(data['output'][position]))}"
        way = f"{base}{output} ({data['scale']}{label})"
        console.print(f"[bold]row {position + 1}[/] prediction {escape(str(said))}{way}", soft_wrap=True)
        table = grid("  column", "value", "adds", "", right=("adds",))
        order = sorted(range(len(values)), key=lambda at: -abs(float(values[at])))[:SHOWN]
        most = max((abs(float(values[at])) for at in order), default=0.0) or 1.0
        for at in order:
            name, part = data["columns"][at], float(values[at])
            bar = "█" * round(abs(part) / most * 16)
            table.add_row(f"  {escape(name)}", escape(str(frame[name][position])), f"{part:+.4f}",
                          f"[{'green' if part > 0 else 'red'}]{bar}[/]")  # fmt: skip
        console.print(table)
        console.print()


def draw_compared(console: Console, data: Mapping[str, Any]) -> None:
    """Both values of each metric, their difference with its interval, and the verdict."""
    table = grid("metric", "one", "two", "difference", "95 % interval", "p", "two is",
                 right=("one", "two", "difference", "p"))  # fmt: skip
    colours = {"better": "green", "worse": "red"}
    for item in data["differences"]:
        colour = colours.get(item["verdict"], "dim")
        table.add_row(item["metric"], number(item["one"]), number(item["two"]), number(item["difference"]),
                      span(item["low"], item["high"]), number(item["p_value"]),
                      f"[{colour}]{item['verdict']}[/]")  # fmt: skip
    console.print(table)
    for note in data["notes"]:
        console.print(escape(note), style="dim", soft_wrap=True)
    console.print(f"on {data['rows']:,} rows that both were judged on", style="dim")
    console.print(
        f"{data['two']} beside {data['one']}, by {data['metric']}: [bold]{data['verdict']}[/]", soft_wrap=True
    )


def draw_models(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """One line a version."""
    from treadle.core.errors import listing

    if not found:
        console.print("no model was registered yet: treadle run")
        return
    table = grid("model", "version", "aliases", "run", "gates", "metrics", right=("version",))
    for model in found:
        for version in model["versions"]:
            metrics = [f"{name} {number(item['value'])}" for name, item in (version.get("metrics") or {}).items()]
            passed = {True: "passed", False: "[red]failed[/]"}.get(version.get("passed"), "")
            table.add_row(model["name"], str(version["version"]), ", ".join(version["aliases"]),
                          str(version.get("run") or ""), passed, listing(metrics, 3))  # fmt: skip
    console.print(table)


def draw_trace(console: Console, data: Mapping[str, Any]) -> None:
    """The way back, one line a step."""
    for key in ("model", "bundle", "run", "tracking_run", "dataset", "split", "code", "libraries", "metrics", "gates"):
        value = data.get(key)
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {_said(item)}" for name, item in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(_said, value)) or "-"
        console.print(f"[dim]{key:<13}[/]{escape(str(value))}", soft_wrap=True)
    for entry in data["ledger"]:
        console.print(f"[dim]{'ledger':<13}[/]{entry['number']} {entry['when']} {entry['who']}: {entry['what']}",
                      soft_wrap=True)  # fmt: skip
    if data.get("spec"):
        console.print(f"\n[dim]spec[/]\n{escape(data['spec'])}", soft_wrap=True)


def _said(value: Any) -> str:
    """A fact in a line: a metric as its value with its interval, a gate as its rule with its verdict."""
    if isinstance(value, Mapping) and "value" in value and "gate" not in value:
        low, high = value.get("low"), value.get("high")
        return number(value["value"]) + (f" ({span(low, high)})" if low is not None else "")
    if isinstance(value, Mapping) and "gate" in value:
        return f"{value['gate']} {'passed' if value.get('passed') else 'failed'}"
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_said(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list):
        return " ".join(map(_said, value)) or "-"
    return "-" if value is None else str(value)


def draw_ledger(console: Console, entries: Sequence[Any], verified: bool) -> None:
    """One line a decision."""
    table = grid("", "when", "who", "what", "model", "version", "why", right=("", "version"))
    for entry in entries:
        facts = entry.facts
        table.add_row(str(entry.number), entry.when[:19].replace("T", " "), entry.who, entry.what,
                      str(facts.get("model", "")), str(facts.get("version", "")),
                      escape(str(facts.get("reason", ""))))  # fmt: skip
    console.print(table)
    if verified:
        console.print(f"[green]the chain of {len(entries)} entries holds[/]")


def draw_doctor(console: Console, checks: Sequence[Mapping[str, Any]]) -> None:
    """One line a check."""
    table = grid("", "what", "found", "to do")
    for item in checks:
        mark = "[green]good[/]" if item["ok"] else "[red]bad[/]"
        table.add_row(mark, item["name"], escape(item["detail"]), escape(item["remedy"] or ""))
    console.print(table)


def draw_evaluation(console: Console, found: Evaluation) -> None:
    """Metrics, then the slices that were asked for."""
    console.print(metrics_table(found.metrics, found.baseline))
    console.print(f"on {found.rows:,} rows", style="dim")
    for note in found.notes:
        console.print(escape(note), style="dim", soft_wrap=True)
    if found.slices:
        console.print()
        table = grid("slice", "rows", found.metric, "95 % interval", right=("rows", found.metric))
        for part in found.slices:
            value = part.metrics.get(found.metric)
            if value is not None:
                table.add_row(escape(part.rule), f"{part.rows:,}", number(value.value), span(value.low, value.high))
        console.print(table)
