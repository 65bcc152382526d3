"""The report: whole, well-formed, safe with hostile data, readable without the network, in light and dark."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import toy_frame
from treadle.core.events import Events
from treadle.core.jsonable import encode, read_json
from treadle.flow.report import run_facts
from treadle.flow.run import run
from treadle.report.facts import RunFacts
from treadle.report.run_report import chapters, charts_for, render, write_report
from treadle.spec.read import read_spec
from treadle.store.workspace import NAME, Workspace

HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "link", "br", "hr", "img", "input", "path", "rect", "circle"}
SPEC = """
name: hostile
data:
  source: toy.csv
  target: label
  drop: [value]
  sensitive: [city]
model: {name: linear}
evaluate:
  slices: [member]
  gates: ["accuracy >= 0.5", "roc_auc >= 0.999"]
  cost: {false_positive: 1, false_negative: 5}
  bootstrap: 50
  learning_curve: true
"""


class Checker(HTMLParser):
    """Collects what is wrong with the nesting, and everything that the tests look at."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID or (tag in ("path", "rect", "circle") and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> within {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert not checker.wrong and not checker.open, (checker.wrong[:5], checker.open)
    return checker


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a run with every chapter, on data with hostile names and values, and its facts."""
    project = tmp_path_factory.mktemp("report")
    frame = toy_frame(300).with_columns(
        pl.col("city").replace({"Rome": "\"><img src=x onerror=alert(2)>"}), income=pl.col("income").round(0)
    ).rename({"income": HOSTILE})  # fmt: skip
    frame.write_csv(project / "toy.csv")
    (project / "treadle.yaml").write_text(SPEC)
    result = run(read_spec(project / "treadle.yaml"), project, Events())
    facts = run_facts(Workspace(project / NAME).open(), result.id)
    return result.folder, facts


def test_a_run_leaves_its_report_and_charts(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    html = (folder / "report.html").read_text()
    assert len(html) < 1_000_000
    checker = checked(html)
    wanted = ["data", "quality", "split", "model", "metrics", "curves", "mistakes", "slices", "fairness", "explanation",
              "gates", "inferred", "reproduce"]  # fmt: skip
    assert [attrs["id"] for tag, attrs in checker.seen if tag == "section"] == wanted
    assert "could not be made" not in html
    charts = {path.stem for path in (folder / "charts").glob("*.svg")}
    assert {
        "roc",
        "calibration",
        "threshold",
        "cost",
        "confusion",
        "learning",
        "shap",
        "importance_permutation",
    } <= charts
    record = read_json(folder / "run.json")
    assert Path(record["report"]).samefile(folder / "report.html")


def test_nothing_is_loaded_and_nothing_runs(made: tuple[Path, dict[str, Any]]) -> None:
    html = (made[0] / "report.html").read_text()
    checker = checked(html)
    for tag, attrs in checker.seen:
        assert tag not in ("script", "iframe", "object", "embed", "link", "img"), tag
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href"):
                assert str(value).startswith("#"), (tag, value)
    assert "url(" not in html and "@import" not in html
    left = html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://", left)


def test_hostile_names_are_text(made: tuple[Path, dict[str, Any]]) -> None:
    html = (made[0] / "report.html").read_text()
    assert "<script" not in html and "<img" not in html
    text = "".join(checked(html).text)
    assert HOSTILE in text and "onerror=alert(2)" in text


def test_it_is_accessible(made: tuple[Path, dict[str, Any]]) -> None:
    html = (made[0] / "report.html").read_text()
    seen = checked(html).seen
    assert ("html", {"lang": "en"}) in seen
    assert sum(tag == "h1" for tag, _ in seen) == 1 and any(tag == "main" for tag, _ in seen)
    levels = [int(tag[1]) for tag, _ in seen if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 2 for before, after in itertools.pairwise(levels))
    identities = Counter(attrs["id"] for _, attrs in seen if "id" in attrs)
    assert max(identities.values()) == 1
    for _, attrs in seen:
        if str(attrs.get("href", "")).startswith("#"):
            assert str(attrs["href"])[1:] in identities
    for tag, attrs in seen:
        if tag == "th":
            assert attrs.get("scope") in ("col", "row")
        if tag == "svg":
            assert attrs.get("role") == "img" and attrs.get("aria-label")
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(drawings) > 10
    for drawing in drawings:
        assert re.match(r"<svg[^>]*><title>[^<]+</title>", drawing)
        ET.fromstring(drawing)


def test_both_colour_schemes_and_print_are_declared(made: tuple[Path, dict[str, Any]]) -> None:
    html = (made[0] / "report.html").read_text()
    assert (
        "color-scheme: light dark" in html and "@media (prefers-color-scheme: dark)" in html and "@media print" in html
    )
    used = set(re.findall(r"var\((--[\w-]+)\)", html))
    light = html.split(":root {", 1)[1].split("}", 1)[0]
    dark = html.split("prefers-color-scheme: dark", 1)[1].split("}", 1)[0]
    for block in (light, dark):
        assert used <= set(re.findall(r"(--[\w-]+):", block))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_enough_in_both_schemes() -> None:
    """WCAG 2.2: 4.5 for text, 3 for what is drawn."""
    html = render(RunFacts(run="x"))
    blocks = re.findall(r":root \{(.*?)\}", html, re.S)
    for block in blocks[:2]:
        colours = dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{6})", block))

        def ratio(one: str, other: str, colours: dict[str, str] = colours) -> float:
            high, low = sorted((luminance(colours[one]), luminance(colours[other])), reverse=True)
            return (high + 0.05) / (low + 0.05)

        for text in ("--ink", "--muted", "--s0"):
            assert ratio(text, "--paper") >= 4.5 and ratio(text, "--panel") >= 4.5, text
        for tone in ("--good", "--bad", "--warn"):
            assert ratio(tone, f"{tone}-paper") >= 4.5, tone
        for tone in [name for name in colours if re.fullmatch(r"--[st]\d", name)]:
            assert ratio(tone, "--paper") >= 3.0, tone


def test_charts_stand_alone(made: tuple[Path, dict[str, Any]]) -> None:
    for name, svg in charts_for(made[1]).items():
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert "var(" not in svg and "<style>" in svg
        root = ET.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (made[0] / "charts" / "roc.svg").read_text() == charts_for(made[1])["roc"]


def test_the_report_can_be_made_anew_from_files(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    again = write_report(tmp_path, json.loads(json.dumps(encode(made[1]))))
    assert again.read_text() == (made[0] / "report.html").read_text()


def test_without_facts_there_are_no_empty_chapters() -> None:
    html = render(RunFacts(run="20260101-000000-abcdef"))
    checker = checked(html)
    assert [attrs["id"] for tag, attrs in checker.seen if tag == "section"] == ["reproduce"]


def test_a_chapter_that_fails_does_not_take_the_report_with_it(made: tuple[Path, dict[str, Any]]) -> None:
    facts = json.loads(json.dumps(encode(made[1])))
    facts["values"]["split"]["rows"] = "many"
    sections = {section.title: section for section in chapters(RunFacts.of(facts))}
    assert "could not be made" in sections["Split"].parts[0].text  # type: ignore[union-attr]
    checked(render(RunFacts.of(facts)))


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if not found:
        pytest.skip("no browser is installed")
    return found


FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
         "--host-resolver-rules=MAP * ~NOTFOUND")  # fmt: skip


@pytest.mark.slow
def test_a_browser_shows_it_in_both_schemes(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    program = browser()
    brightness = {}
    for scheme, setting in (("dark", 0), ("light", 1)):
        shot = tmp_path / f"{scheme}.png"
        done = subprocess.run(
            [program, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
             f"--blink-settings=preferredColorScheme={setting}", f"--screenshot={shot}", "--window-size=1200,2400",
             (made[0] / "report.html").as_uri()],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert shot.is_file(), done.stderr[-2000:]
        # A request that fails, a script, and whatever the page's own policy forbids are all told on the console.
        assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
        picture = image.open(shot).convert("L")
        brightness[scheme] = picture.resize((1, 1)).getpixel((0, 0))
        assert len(picture.resize((60, 120)).getcolors() or []) > 10, "the page is empty"
    assert brightness["dark"] < 90 < 180 < brightness["light"]
