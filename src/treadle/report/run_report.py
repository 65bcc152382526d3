"""The report of a run: one HTML file that needs nothing but itself, and its charts as files of their own."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

from treadle.core.files import write_text
from treadle.report import about_data, about_quality, about_reasons, about_run
from treadle.report.facts import RunFacts
from treadle.report.parts import Charts, Figure, Section, Text
from treadle.report.svg import number

log = logging.getLogger("treadle")
HERE = Path(__file__).parent
NAME, CHARTS = "report.html", "charts"
CHAPTERS: tuple[tuple[str, Callable[[RunFacts], Section | None]], ...] = (
    ("Data", about_data.data),
    ("Data quality", about_data.quality),
    ("Split", about_data.split),
    ("Model", about_run.candidates),
    ("Metrics", about_quality.metrics),
    ("Curves", about_quality.curves),
    ("Confusion", about_quality.mistakes),
    ("Slices", about_quality.slices),
    ("Fairness", about_quality.fairness),
    ("Explanation", about_reasons.explanation),
    ("Gates", about_quality.gates),
    ("Inferred values", about_run.inferred),
    ("How to reproduce", about_run.reproduce),
)


def render(facts: RunFacts, sections: Sequence[Section] | None = None) -> str:
    """The report as HTML.

    It loads nothing, runs no script, follows the reader's choice of light or dark, and prints. A chapter without facts
    is left out.

    Args:
        facts: of the run.
        sections: its `chapters`, where they are made already.
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=False)
    environment.filters["trusted"] = _trusted
    environment.filters["heading"] = _heading
    template = environment.from_string((HERE / "report.html.j2").read_text(encoding="utf-8"))
    registered = facts.of_stage("register")
    name = facts.name or "model"
    style = (HERE / "report.css").read_text(encoding="utf-8") + (HERE / "chart.css").read_text(encoding="utf-8")
    foot = f"Run {facts.run}" + (f", {facts.created[:19].replace('T', ' ')}" if facts.created else "")
    shown = chapters(facts) if sections is None else sections
    return template.render(
        title=f"{name}: report of a run", name=name, version=registered.get("version", ""), lead=_lead(facts),
        figures=_figures(facts), sections=shown, style=_trusted(style), foot=f"{foot}. Made by Treadle.",
    )  # fmt: skip


def write_report(folder: Path, facts: Mapping[str, Any] | RunFacts, *, charts: bool = False) -> Path:
    """Write ``report.html`` into the folder of a run; returns its path.

    Args:
        folder: of the run.
        facts: of the run.
        charts: also write each chart as ``charts/<name>.svg``.
    """
    given = facts if isinstance(facts, RunFacts) else RunFacts.of(facts)
    sections = chapters(given)
    if charts:
        (folder / CHARTS).mkdir(exist_ok=True)
        for name, svg in _drawings(sections).items():
            (folder / CHARTS / f"{name}.svg").write_text(svg, encoding="utf-8")
    path = folder / NAME
    write_text(path, render(given, sections))
    return path


def charts_for(facts: Mapping[str, Any] | RunFacts) -> dict[str, str]:
    """Every chart of the report as an SVG file of its own, colours included, by a name fit for a file."""
    return _drawings(chapters(facts if isinstance(facts, RunFacts) else RunFacts.of(facts)))


def _drawings(sections: Sequence[Section]) -> dict[str, str]:
    found = re.search(r":root \{(.*?)\}", (HERE / "report.css").read_text(encoding="utf-8"), re.S)
    colours = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", found.group(1) if found else ""))
    rules = (HERE / "chart.css").read_text(encoding="utf-8")
    style = re.sub(r"var\((--[\w-]+)\)", lambda name: colours.get(name.group(1), "#000000"), rules)
    paper = f'<style>{style}</style><rect width="100%" height="100%" fill="{colours.get("--paper", "#ffffff")}"/>'
    drawn = {}
    for chart in (
        item for section in sections for part in section.parts if isinstance(part, Charts) for item in part.items
    ):
        opening, rest = chart.svg.split("<title>", 1)
        drawn[chart.name] = f"{opening}{paper}<title>{rest}"
    return drawn


def chapters(facts: RunFacts) -> list[Section]:
    """The chapters that have something to say.

    One that fails is replaced by a sentence: a report is read after the work is done, and must not undo it.
    """
    found = []
    for title, build in CHAPTERS:
        try:
            section = build(facts)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            log.warning("the chapter %r of the report cannot be made: %s: %s", title, type(error).__name__, error)
            section = Section(title.lower().replace(" ", "-"), title, [Text("This chapter could not be made.")])
        if section:
            found.append(section)
    return found


def _trusted(text: str) -> Any:
    """Text that this package has made and escaped itself."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


def _heading(svg: str) -> str:
    """The title of a chart, as text."""
    found = re.search(r"<title>(.*?)</title>", svg, re.S)
    return unescape(found.group(1)) if found else ""


def _lead(facts: RunFacts) -> str:
    target = f" of {facts.target}" if facts.target and facts.task in ("classification", "regression") else ""
    model = facts.of_stage("train").get("model")
    rows = facts.of_stage("evaluate").get("rows")
    said = f"{(facts.task or 'model').capitalize()}{target}"
    said += f" with {model}" if model else ""
    return said + (f", judged on {rows:,} rows that training never saw." if rows else ".")


def _figures(facts: RunFacts) -> list[Figure]:
    """The few numbers that matter most."""
    found = facts.of_stage("evaluate")
    metric = str(found.get("metric"))
    every: Mapping[str, Any] = found.get("metrics") or {}
    figures = []
    if metric in every:
        item, baseline = every[metric], (found.get("baseline") or {}).get(metric)
        bounds = f"95 %: {number(item['low'])} to {number(item['high'])}" if item.get("low") is not None else ""
        figures.append(Figure(f"{metric} (decides)", number(item.get("value")), bounds))
        if baseline:
            says = {"classification": "always the majority class", "regression": "always the mean"}.get(facts.task, "")
            figures.append(Figure(f"{metric} of the baseline", number(baseline.get("value")), says))
    figures += [_gate_figure(facts.of_stage("decide").get("gates") or ())]
    rows = facts.of_stage("ingest").get("rows")
    if rows is not None:
        used = sum(item.get("role") == "feature" for item in facts.fields)
        figures.append(Figure("Rows", f"{rows:,}", f"{used:,} columns learned from"))
    aliases = facts.of_stage("register").get("aliases")
    if aliases is not None:
        figures.append(Figure("Aliases", ", ".join(aliases) or "none", "in the registry"))
    return figures


def _gate_figure(gates: Sequence[Mapping[str, Any]]) -> Figure:
    failed = [item["gate"] for item in gates if not item["passed"]]
    if not gates:
        return Figure("Gates", "none", "nothing was demanded of the model")
    if failed:
        return Figure("Gates", f"{len(failed)} of {len(gates)} failed", ", ".join(failed), "bad")
    return Figure("Gates", f"{len(gates)} of {len(gates)} passed", "", "good")
