"""Every verb answers with the keys that docs/reference/cli.md names, and with something to read without --json."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer

from clicall import call
from conftest import ROOT, toy_frame, treadle
from treadle.cli.init import EXAMPLES
from treadle.cli.main import PANELS, build
from treadle.flow.project import open_project

SPEC = """
data: {source: toy.csv, target: label, drop: [value]}
model: {name: linear}
evaluate: {bootstrap: 20, gates: [accuracy >= 0.5]}
"""
VERBS = [verb for verbs in PANELS.values() for verb in verbs]
DOC = (ROOT / "docs" / "reference" / "cli.md").read_text()


def section(verb: str) -> str:
    found = re.search(rf"^### treadle {verb}\n(.*?)(?=^##)", DOC, re.M | re.S)
    assert found, f"docs/reference/cli.md has no section on {verb}"
    return found[1]


def documented(verb: str) -> set[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", section(verb), re.M)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after two runs."""
    folder = tmp_path_factory.mktemp("verbs") / "toys"
    folder.mkdir()
    (folder / "treadle.yaml").write_text(SPEC)
    toy_frame(200).write_csv(folder / "toy.csv")
    toy_frame(40, seed=1).write_csv(folder / "new.csv")
    call("run", "-q", cwd=folder)
    call("run", "-q", "--set", "model.seed=1", cwd=folder)
    return folder


def arguments(verb: str, project: Path, tmp_path: Path) -> list[str]:
    runs = [item["run"] for item in call("runs", "--json", cwd=project).json["runs"]]
    given = {
        "init": ["init", str(tmp_path / "new"), "--example", "iris"],
        "compare": ["compare", runs[1], runs[0]],
        "evaluate": ["evaluate", "--data", "new.csv", "--bootstrap", "20"],
        "predict": ["predict", "new.csv", "-o", str(tmp_path / "out.csv")],
        "explain": ["explain", "new.csv", "--rows", "2"],
        "promote": ["promote", "2"],
        "rollback": ["rollback"],
        "schema": ["schema", "-o", str(tmp_path / "schema.json")],
        "components": ["components", "metrics"],
    }
    if verb == "rollback":
        call("promote", "2", cwd=project)
    return given.get(verb, [verb])


@pytest.mark.parametrize("verb", VERBS)
def test_json_has_the_documented_keys(verb: str, project: Path, tmp_path: Path) -> None:
    done = call(*arguments(verb, project, tmp_path), "--json", cwd=project)
    assert done.out.count("\n") == 1
    assert set(done.json) == documented(verb)


@pytest.mark.parametrize("verb", VERBS)
def test_says_something_to_a_person(verb: str, project: Path, tmp_path: Path) -> None:
    done = call(*arguments(verb, project, tmp_path), cwd=project)
    assert done.out.strip()
    assert "Traceback" not in done.err


@pytest.mark.parametrize("verb", VERBS)
def test_options_are_documented_and_help_has_an_example(verb: str) -> None:
    command: Any = typer.main.get_command(build())
    command = command.commands[verb]
    common = {"project", "json", "quiet", "verbose", "debug", "help", "model"}
    for parameter in command.params:
        if parameter.name not in common:
            names = [name for name in parameter.opts if name.startswith("--")]
            assert all(f"`{name}`" in section(verb) for name in names), parameter.opts
            assert parameter.help
    assert "Example: treadle" in command.epilog
    assert f"    treadle {verb}" in section(verb)


def test_the_reference_names_no_verb_that_is_gone() -> None:
    assert re.findall(r"^### treadle (\w+)$", DOC, re.M) == VERBS


def test_run_json_is_what_the_issue_asks_for(project: Path) -> None:
    data = call("run", "--json", cwd=project).json
    assert data["model"]["name"] == "toys"
    assert set(data["model"]) == {"name", "version", "aliases"}
    assert set(data["metrics"]["roc_auc"]) == {"value", "low", "high"}
    assert data["metrics"]["roc_auc"]["low"] <= data["metrics"]["roc_auc"]["value"]
    assert all(set(stage) == {"name", "cached", "seconds"} and stage["cached"] for stage in data["stages"])
    assert Path(data["bundle"], "bundle.json").is_file()


def test_a_failed_gate_gives_1_and_does_not_promote(project: Path) -> None:
    done = call("run", "--json", "--set", "evaluate.gates=[accuracy >= 0.999]", cwd=project, code=1)
    assert [gate["passed"] for gate in done.json["gates"]] == [False]
    assert "champion" not in done.json["model"]["aliases"]
    refused = call("promote", "challenger", cwd=project, code=2)
    assert "accuracy >= 0.999" in refused.err and "--force" in refused.err
    call("promote", "challenger", "--force", "--reason", "a trial", cwd=project)
    last = call("ledger", "--verify", "--json", cwd=project).json["entries"][-1]
    assert last["what"] == "promote" and last["facts"]["reason"] == "a trial" and last["facts"]["forced"]
    call("rollback", cwd=project)


def test_plan_tells_what_would_run_and_why(project: Path) -> None:
    kept = call("plan", "--json", cwd=project).json
    assert all(stage["cached"] for stage in kept["stages"])
    assert {"task", "split.method"} <= {item["path"] for item in kept["inferred"]}
    plan = call("plan", "--json", "--set", "model.options.c=2.0", cwd=project, code=None)
    forced = call("plan", "--json", "--force", "decide", cwd=project).json
    assert [stage["name"] for stage in forced["stages"] if not stage["cached"]] == ["decide", "register"]
    assert plan.code in (0, 2)


def test_the_common_options_stand_before_or_after_the_verb(project: Path, tmp_path: Path) -> None:
    after = call("runs", "--project", project, "--json", cwd=tmp_path).json
    before = call("--project", project, "--json", "runs", cwd=tmp_path).json
    below = project / "deep" / "down"
    below.mkdir(parents=True)
    assert after == before == call("runs", "--json", cwd=below).json


def test_predict_explain_and_evaluate_agree(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    call("predict", "new.csv", "-o", out, "--keep", "city", "--keep", "label", "--batch", "7", cwd=project)
    said = pl.read_parquet(out)
    assert said.columns[:3] == ["city", "label", "prediction"] and said.height == 40
    judged = call("evaluate", "--data", "new.csv", "--bootstrap", "20", "--json", cwd=project).json
    right = (said["label"] == said["prediction"]).mean()
    assert judged["metrics"]["accuracy"]["value"] == pytest.approx(right)
    told = call("explain", "new.csv", "--rows", "3", "--json", cwd=project).json
    assert [item["prediction"] for item in told["predictions"]] == said["prediction"].head(3).to_list()
    for base, values, output in zip(told["bases"], told["values"], told["output"], strict=True):
        assert base + sum(values) == pytest.approx(output, abs=1e-6)


def test_stdin_to_stdout(project: Path) -> None:
    done = treadle("predict", "new.csv", "-o", "-", "--format", "jsonl", cwd=project)
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 40
    assert "40 rows" in done.stderr


def test_a_bundle_needs_no_project(project: Path, tmp_path: Path) -> None:
    bundle = call("run", "--json", cwd=project).json["bundle"]
    call("predict", project / "new.csv", "-o", tmp_path / "out.csv", "--model", bundle, cwd=tmp_path)
    assert pl.read_csv(tmp_path / "out.csv").height == 40


def test_a_model_is_named_in_many_ways(project: Path) -> None:
    def version(*ref: str) -> str:
        return str(call("trace", *ref, "--json", cwd=project).json["model"]["version"])

    serving = version()
    assert {version(ref) for ref in ("champion", "@champion", "toys@champion")} == {serving}
    assert {version(ref) for ref in ("1", "v1", "toys@1", "@1")} == {"1"}
    first = call("trace", "1", "--json", cwd=project).json
    assert version(first["run"]) == version(first["run"][:-2]) == version(first["bundle"]["folder"]) == "1"


def test_libraries_that_print_do_not_spoil_the_answer(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.flow.project import Project

    def noisy(self: Project) -> list[Any]:
        print("to sys.stdout")
        os.write(1, b"to descriptor 1\n")
        return []

    monkeypatch.setattr(Project, "runs", noisy)
    done = call("runs", "--json", cwd=project)
    assert done.json == {"runs": []}
    assert "descriptor 1" in done.err


def test_an_unexpected_error_is_one_line_and_a_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.flow.project import Project

    def broken(self: Project) -> list[Any]:
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(Project, "runs", broken)
    done = call("runs", "--json", cwd=project, code=70)
    assert "out of cheese" in done.json["error"]["problem"] and "Traceback" not in done.err
    file = Path(re.search(r"\S+crash-\S+\.txt", done.err)[0])  # type: ignore[index]
    assert file.is_relative_to(project / ".treadle") and "Traceback" in file.read_text()
    assert "Traceback" in call("runs", "--debug", cwd=project, code=70).err


def test_doctor_finds_what_is_broken(project: Path) -> None:
    ledger = project / ".treadle" / "ledger.jsonl"
    good = ledger.read_text()
    ledger.write_text(good.replace("first model", "best model"))
    try:
        done = call("doctor", "--json", cwd=project, code=2)
        assert [item["name"] for item in done.json["checks"] if not item["ok"]] == ["ledger"]
        call("ledger", "--verify", cwd=project, code=2)
    finally:
        ledger.write_text(good)


def test_doctor_finds_a_library_that_does_not_import(tmp_path: Path) -> None:
    """Built for another torch, say: tried in a process of its own, so that it cannot take this one down."""
    broken = tmp_path / "libraries" / "torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    paths = os.pathsep.join([str(broken.parent), os.environ.get("PYTHONPATH", "")])
    done = treadle("doctor", "--json", cwd=tmp_path, check=False, PYTHONPATH=paths)
    bad = [item for item in json.loads(done.stdout)["checks"] if not item["ok"]]
    assert [item["name"] for item in bad] == ["torchvision"] and "nms does not exist" in bad[0]["detail"]


def test_init_looks_at_the_data_and_overwrites_nothing(tmp_path: Path) -> None:
    toy_frame(30).write_csv(tmp_path / "toy.csv")
    told = call("init", "--json", cwd=tmp_path).json
    assert told["source"] == "toy.csv" and told["target"] is None
    spec = (tmp_path / "treadle.yaml").read_text()
    assert "source: toy.csv" in spec and "# columns: age, income" in spec
    assert "already" in call("init", cwd=tmp_path, code=2).err
    assert (tmp_path / "treadle.yaml").read_text() == spec
    inner = call("init", "inner", "--data", "toy.csv", "--target", "label", "--json", cwd=tmp_path).json
    assert inner["source"] == os.path.join("..", "toy.csv")
    assert call("check", "--json", cwd=tmp_path / "inner").json["rows"] == 30


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_are_specs(name: str, tmp_path: Path) -> None:
    call("init", "here", "--example", name, cwd=tmp_path)
    spec = open_project(tmp_path / "here").spec()
    assert spec.data.source == f"sample://{name}" and spec.data.target == EXAMPLES[name][1]


def test_completion_for_the_shells(tmp_path: Path) -> None:
    asked = {"_TREADLE_COMPLETE": "complete_bash", "COMP_WORDS": "treadle pre", "COMP_CWORD": "1"}
    done = treadle(cwd=tmp_path, check=None, **asked)
    assert done.stdout.split() == ["predict"]


def test_brackets_are_no_markup(tmp_path: Path) -> None:
    """What a user names may look like a colour to the library that draws."""
    (tmp_path / "treadle.yaml").write_text(
        "data: {source: toy.csv, target: label, sensitive: [city]}\nmodel: {name: linear}\n"
        "evaluate: {bootstrap: 5, gates: ['demographic_parity_difference[city] <= 1']}\n"
    )
    toy_frame(150).select("age", "city", "label").rename({"age": "a[red]"}).write_csv(tmp_path / "toy.csv")
    assert "difference[city] <= 1: passed" in call("run", cwd=tmp_path).out
    assert "a[red]" in call("check", cwd=tmp_path).out
    assert "a[red]" in call("explain", "toy.csv", "-n", "1", cwd=tmp_path).out
