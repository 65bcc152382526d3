"""The stage that explains: what it hands on fits the report, the file and the budget of time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import toy_frame
from treadle.core.events import Events
from treadle.core.jsonable import decode, encode
from treadle.flow.plan import stage_module
from treadle.spec.complete import complete
from treadle.spec.read import read_spec
from treadle.stages import explain
from treadle.stages.values import Done, Explanation, Job


def explained(project: Path) -> Explanation:
    """The stages up to the explanation, without a registry."""
    spec = read_spec(project / "treadle.yaml")
    done: dict[str, Done] = {}
    for name in ("ingest", "split", "train", "explain"):
        folder, scratch = project / "out" / name, project / "scratch" / name
        for place in (folder, scratch):
            place.mkdir(parents=True)
        value = stage_module(name).run(Job(spec, folder, project, project, done, Events(), scratch))
        done[name] = Done(value, folder, name)
        if name == "ingest":
            spec = complete(spec, value.schema, folder="toy")[0]
    return done["explain"].value


def make(folder: Path, spec: str, frame: pl.DataFrame) -> Path:
    frame.write_csv(folder / "toy.csv")
    (folder / "treadle.yaml").write_text(spec)
    return folder


def test_a_classifier(tmp_path: Path) -> None:
    spec = "data: {source: toy.csv, target: label, drop: [value]}\nmodel: {name: linear}\nevaluate: {bootstrap: 20}\n"
    found = explained(make(tmp_path, spec, toy_frame()))
    columns = {"age", "income", "city", "member"}
    for ranking in (found.permutation, found.native, found.shap):
        assert {item.column for item in ranking} == columns
        assert [item.value for item in ranking] == sorted((item.value for item in ranking), reverse=True)
    assert all(item.low is not None and item.low <= item.value <= item.high for item in found.permutation)
    rows = found.shap_rows
    assert set(rows["columns"]) == columns and rows["label"] == "yes" and rows["scale"] == "log-odds"
    assert np.shape(rows["values"]) == np.shape(rows["data"])
    assert set(found.partial) == columns
    assert decode(Explanation, encode(found)) == found


def test_cross_validation_has_no_test_rows_and_says_so(tmp_path: Path) -> None:
    spec = (
        "data: {source: toy.csv, target: value, drop: [label]}\nmodel: {name: linear}\n"
        "split: {method: k-fold, folds: 3}\nevaluate: {bootstrap: 20}\n"
    )
    found = explained(make(tmp_path, spec, toy_frame(150)))
    assert found.permutation[0].column == "age"
    assert any("no test rows" in note for note in found.notes)


@pytest.mark.parametrize(("task", "model"), [("clustering", "kmeans"), ("anomaly", "isolation_forest")])
def test_tasks_without_a_target(tmp_path: Path, task: str, model: str) -> None:
    spec = f"task: {task}\ndata: {{source: toy.csv}}\nmodel: {{name: {model}}}\nevaluate: {{bootstrap: 0}}\n"
    found = explained(make(tmp_path, spec, toy_frame(150).select("age", "income")))
    assert {item.column for item in found.permutation} == {"age", "income"}
    assert found.shap and found.shap_rows["scale"] in ("membership", "score")


def test_samples_fit_the_budget() -> None:
    assert explain._fitting(100, 1e-7, 1000) == 1000
    half = explain.SECONDS / 500 / 100
    assert explain._fitting(100, half, 1000) == 500
    assert explain._fitting(100, half, 300) == 300
    assert explain._fitting(100, 1e-3, 1000) == explain.ROWS[-1]
    assert explain._fitting(100, 1.0, 1000) == 0


@pytest.mark.slow
def test_adult_is_explained_in_the_users_columns(adult: Path, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    spec = "data: {source: toy.csv, target: income, limit: 8000}\nmodel: {name: lightgbm}\n"
    found = explained(make(tmp_path, spec, pl.read_csv(adult)))
    assert found.permutation[0].column in ("capital_gain", "relationship", "marital_status", "age")
    assert "marital_status" in {item.column for item in found.shap[:6]}
