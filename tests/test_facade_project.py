"""`treadle.open`: the verbs of the command line on one object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import treadle
from clicall import call
from conftest import toy_frame

SPEC = "data: {source: toy.csv, target: label, drop: [value]}\nmodel: {name: linear}\nevaluate: {bootstrap: 20}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> treadle.Project:
    """A project after one run."""
    folder = tmp_path_factory.mktemp("facade") / "toys"
    folder.mkdir()
    (folder / "treadle.yaml").write_text(SPEC)
    toy_frame(200).write_csv(folder / "toy.csv")
    found = treadle.open(folder)
    found.run()
    return found


@pytest.fixture
def new() -> pl.DataFrame:
    """Rows that the model has not seen."""
    return toy_frame(30, seed=9)


def test_a_run_holds_what_came_out(project: treadle.Project, new: pl.DataFrame) -> None:
    run = project.run()
    assert run.id == project.show().id == project.runs()[-1].id
    metered = run.evaluation.metrics["roc_auc"]
    assert metered.low <= metered.value <= metered.high
    assert run.model.predict(new).height == 30
    assert (run.bundle / "bundle.json").is_file()
    assert run.decision.passed and run.quality.findings is not None and run.explanation is not None
    assert "target: label" in run.spec and run.inferred
    assert run.written_report().read_text().startswith("<!")
    assert all(stage["cached"] for stage in run.summary()["stages"])


def test_it_says_what_the_command_line_says(project: treadle.Project, new: pl.DataFrame, tmp_path: Path) -> None:
    new.write_csv(tmp_path / "new.csv")
    folder = project.folder
    judged = project.evaluate(new, bootstrap=20).metrics
    told = call("evaluate", "--data", tmp_path / "new.csv", "--bootstrap", "20", "--json", cwd=folder).json["metrics"]
    assert {name: item.value for name, item in judged.items()} == {
        n: pytest.approx(v["value"]) for n, v in told.items()
    }
    assert project.trace()["run"] == call("trace", "--json", cwd=folder).json["run"]
    assert len(project.ledger(verify=True)) == call("ledger", "--json", cwd=folder).json["count"]
    assert project.models()[0]["name"] == "toys"
    assert [step.cached for step in project.plan().steps] == [True] * 8
    assert project.check().dataset.rows == 200


def test_the_champion_predicts_and_explains(project: treadle.Project, new: pl.DataFrame) -> None:
    champion = project.champion()
    assert_frame_equal(champion.predict(new), project.predict(new))
    found = champion.explain(new.head(3))
    sums = np.asarray(found.bases) + np.asarray(found.values).sum(axis=1)
    assert sums == pytest.approx(np.asarray(found.output), abs=1e-6)


def test_tables_of_all_sorts(project: treadle.Project, new: pl.DataFrame, tmp_path: Path) -> None:
    champion = project.champion()
    wanted = champion.predict(new)
    new.write_parquet(tmp_path / "new.parquet")
    tables = [new.lazy(), new.to_arrow(), new.to_dict(as_series=False), new.to_dicts(), tmp_path / "new.parquet"]
    for table in tables:
        assert_frame_equal(champion.predict(table), wanted)
    out = project.predict(tmp_path / "new.parquet", tmp_path / "out.parquet")
    assert out.rows == 30
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet").drop("row"), wanted)
    for wrong in (3, "nowhere.csv", [1, 2], {"age": [1], "income": [1, 2]}):
        with pytest.raises(treadle.TreadleError):
            champion.predict(wrong)


def test_pandas_frames(project: treadle.Project, new: pl.DataFrame) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(new.to_dict(as_series=False))
    wanted = project.champion().predict(new)
    assert_frame_equal(project.champion().predict(frame), wanted)
    shuffled = frame.sample(frac=1.0, random_state=0)
    back = project.champion().predict(shuffled)["prediction"].to_list()
    assert back == [wanted["prediction"][int(at)] for at in shuffled.index]


def test_promote_and_roll_back(tmp_path: Path) -> None:
    (tmp_path / "treadle.yaml").write_text(SPEC)
    toy_frame(150).write_csv(tmp_path / "toy.csv")
    project = treadle.open(tmp_path)
    one = project.run()
    two = project.run(["model.seed=1"], force=["train"])
    assert one.id != two.id and "champion" in one.summary()["model"]["aliases"]
    compared = project.compare(one.id, two.id)
    assert compared.verdict in ("better", "worse", "no difference shown")
    assert project.promote("challenger", reason="newer")["version"] == "2"
    assert project.trace("champion")["run"] == two.id
    assert project.rollback(reason="older was good")["version"] == "1"
    assert [entry.what for entry in project.ledger(verify=True)][-2:] == ["promote", "rollback"]


def test_mistakes_raise_the_one_error(tmp_path: Path) -> None:
    with pytest.raises(treadle.TreadleError, match="no spec here"):
        treadle.open(tmp_path)
    (tmp_path / "treadle.yaml").write_text(SPEC)
    project = treadle.open(tmp_path)
    with pytest.raises(treadle.TreadleError, match="no runs here"):
        project.show()
    with pytest.raises(treadle.TreadleError, match="run `treadle run` first"):
        project.champion()
    with pytest.raises(treadle.TreadleError, match="did you mean 'linear'"):
        project.spec(["model.name=linearr"])
