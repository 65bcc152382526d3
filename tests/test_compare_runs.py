"""Runs of real models: what the evaluation stage finds of each task, and what a comparison of two runs says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from conftest import toy_frame
from treadle.core.errors import TreadleError
from treadle.core.events import Events
from treadle.core.files import write_json
from treadle.core.jsonable import decode, dumps, encode
from treadle.core.predictor import Predictor
from treadle.core.types import Outcomes
from treadle.flow.plan import stage_module
from treadle.spec.complete import complete
from treadle.spec.read import parse_spec
from treadle.stages.compare import BETTER, UNCLEAR, WORSE, compare_outcomes, compare_runs, mcnemar
from treadle.stages.evaluate import evaluate_frame
from treadle.stages.values import Done, Evaluation, Job
from treadle.store.workspace import Workspace
from treadle.testing.metrics import example_outcomes


def evaluate(folder: Path, spec: str, frame: pl.DataFrame, run: str = "one") -> dict[str, Done]:
    """The stages from the data to the decision, without the registry; the run is noted as a finished one."""
    folder.mkdir(exist_ok=True)
    frame.write_parquet(folder / "toy.parquet")
    read = parse_spec(spec)
    workspace = Workspace(folder / ".treadle").open()
    done: dict[str, Done] = {}
    for name in ("ingest", "split", "train", "evaluate", "decide"):
        place = workspace.root / "cache" / name / run
        place.mkdir(parents=True)
        job = Job(read, place, folder, workspace.root, dict(done), Events(), workspace.root / "scratch")
        value = stage_module(name).run(job)
        write_json(place / "value.json", value)
        done[name] = Done(value, place, run)
        if name == "ingest":
            read, _ = complete(read, value.schema, folder="toy")
    folders = {name: str(item.folder.relative_to(workspace.root)) for name, item in done.items()}
    workspace.run(run).mkdir(parents=True)
    write_json(workspace.run(run) / "run.json", {"task": read.task, "folders": folders})
    return done


BINARY = """
data: {source: toy.parquet, target: label, drop: [value], sensitive: [city]}
model: {name: linear}
evaluate:
  slices: [member, age]
  bootstrap: 200
  learning_curve: true
  gates: [ece <= 0.5, roc_auc >= baseline + 0.1]
"""


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done], pl.DataFrame]:
    folder = tmp_path_factory.mktemp("binary")
    frame = toy_frame(1500)
    return folder, evaluate(folder, BINARY, frame), frame


def test_binary(binary: tuple[Path, dict[str, Done], pl.DataFrame]) -> None:
    _, done, _ = binary
    found: Evaluation = done["evaluate"].value
    assert found.rows == 300 and found.metric == "roc_auc"
    table = pl.read_parquet(done["evaluate"].folder / "predictions.parquet")
    truth, score = table["truth"].to_numpy(), table["probability_1"].to_numpy()
    assert found.metrics["roc_auc"].value == pytest.approx(sk.roc_auc_score(truth, score))
    assert found.metrics["accuracy"].value == pytest.approx((truth == table["prediction"].to_numpy()).mean())
    assert np.array(found.confusion).tolist() == sk.confusion_matrix(truth, table["prediction"]).tolist()
    assert found.metrics["roc_auc"].low < found.metrics["roc_auc"].value < found.metrics["roc_auc"].high
    assert found.baseline["roc_auc"].value == 0.5
    assert found.baseline["accuracy"].value < found.metrics["accuracy"].value
    assert "ece" in found.metrics, "a metric that only a gate asks for"
    assert {item.rule for item in found.slices if item.found == "given"} >= {"member = true", "member = false"}
    assert found.fairness["city"]["groups"]["Oslo"]["rows"] > 50
    learning = found.curves["learning"]
    assert learning["rows"][-1] == 1200 and learning["value"][-1] == found.metrics["roc_auc"].value
    assert done["decide"].value.passed


def test_an_evaluation_survives_json(binary: tuple[Path, dict[str, Done], pl.DataFrame]) -> None:
    found = binary[1]["evaluate"].value
    assert decode(Evaluation, encode(found)) == found


def test_a_frame_of_ones_own(binary: tuple[Path, dict[str, Done], pl.DataFrame]) -> None:
    _, done, frame = binary
    predictor = Predictor.load(done["train"].folder / "predictor")
    rows = pl.read_parquet(done["evaluate"].folder / "predictions.parquet")["row"].to_numpy()
    again = evaluate_frame(predictor, frame[rows], None, bootstrap=200, slices=["member"], sensitive=["city"])
    for name, figure in again.metrics.items():
        assert figure.value == pytest.approx(done["evaluate"].value.metrics[name].value), name
    gaps = frame[rows].with_columns(label=pl.when(pl.int_range(pl.len()) < 10).then(None).otherwise("label"))
    fewer = evaluate_frame(predictor, gaps, ["accuracy"], bootstrap=0)
    assert fewer.rows == 290 and "10 rows" in fewer.notes[0]
    with pytest.raises(TreadleError, match="label"):
        evaluate_frame(predictor, frame.drop("label"))
    with pytest.raises(TreadleError, match="did you mean 'accuracy'"):
        evaluate_frame(predictor, frame, ["accuracyy"])
    with pytest.raises(TreadleError, match="no rows"):
        evaluate_frame(predictor, frame.head(0))
    with pytest.raises(TreadleError, match="cities"):
        evaluate_frame(predictor, frame, None, slices=["cities"])


def test_k_fold_judges_every_row_by_a_model_that_did_not_see_it(tmp_path: Path) -> None:
    frame = toy_frame(300)
    spec = """
data: {source: toy.parquet, target: value, drop: [label], sensitive: [city], weight: w}
split: {method: k-fold, folds: 3}
model: {name: linear}
"""
    done = evaluate(tmp_path, spec, frame.with_columns(w=pl.col("age") / 40))
    found: Evaluation = done["evaluate"].value
    assert found.rows == 300 and len(found.folds) == 3
    table = pl.read_parquet(done["evaluate"].folder / "predictions.parquet")
    assert table["row"].to_list() == list(range(300))
    assert table["fold"].n_unique() == 3
    for number in range(3):
        part = table.filter(pl.col("fold") == number)
        mean = np.average(np.abs(part["truth"] - part["prediction"]), weights=part["weight"])
        assert found.folds[number]["mae"] == pytest.approx(mean)
    assert found.metrics["r2"].value > 0.8
    assert found.baseline["r2"].value == pytest.approx(0.0, abs=0.1)
    assert "mean_error_difference" in found.fairness["city"]
    assert sum(found.curves["residuals"]["counts"]) == 300


def test_tasks_without_truth(tmp_path: Path) -> None:
    frame = toy_frame(300)
    done = evaluate(tmp_path / "one", "data: {source: toy.parquet, drop: [label]}\nmodel: {name: kmeans}\n", frame)
    found: Evaluation = done["evaluate"].value
    assert -1 <= found.metrics["silhouette"].value <= 1
    assert not found.baseline and not found.confusion and not found.slices
    spec = "task: anomaly\ndata: {source: toy.parquet, drop: [label]}\nmodel: {name: isolation_forest}\n"
    done = evaluate(tmp_path / "two", spec, frame)
    assert 0 <= done["evaluate"].value.metrics["anomaly_share"].value < 0.5
    assert done["evaluate"].value.curves["scores"]["edges"]


def test_anomalies_are_the_rare_label_or_the_one_that_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    odd = rng.random(400) < 0.1
    frame = pl.DataFrame(
        {"a": rng.normal(size=400) + 6 * odd, "b": rng.normal(size=400), "what": np.where(odd, "attack", "normal")}
    )
    spec = "task: anomaly\ndata: {source: toy.parquet, target: what}\nmodel: {name: isolation_forest}\n"
    found: Evaluation = evaluate(tmp_path, spec, frame)["evaluate"].value
    assert found.metrics["roc_auc"].value > 0.9
    turned = spec.replace("target: what", "target: what, positive: normal")
    assert evaluate(tmp_path, turned, frame, run="two")["evaluate"].value.metrics["roc_auc"].value < 0.1


def test_columns_that_are_not_learned_from_can_be_judged_by(tmp_path: Path) -> None:
    spec = BINARY.replace("drop: [value]", "drop: [value, city]").replace("slices: [member, age]", "slices: [city]")
    found = evaluate(tmp_path, spec, toy_frame(600))["evaluate"].value
    assert "Rome" in found.fairness["city"]["groups"]
    assert any(item.rule == "city = Rome" and item.found == "given" for item in found.slices)


# -- comparing


def test_two_runs(binary: tuple[Path, dict[str, Done], pl.DataFrame]) -> None:
    folder, done, frame = binary
    workspace = Workspace(folder / ".treadle")
    worse = BINARY.replace("drop: [value]", "drop: [value, age, income]")
    if "two" not in workspace.runs():
        evaluate(folder, worse, frame, run="two")
    found = compare_runs(workspace, "one", "two")
    assert (found.one, found.two, found.rows, found.metric) == ("one", "two", 300, "roc_auc")
    assert found.verdict == WORSE
    by_name = {item.metric: item for item in found.differences}
    gap = by_name["roc_auc"]
    assert gap.one == pytest.approx(done["evaluate"].value.metrics["roc_auc"].value)
    assert gap.low < gap.difference < gap.high < 0 and gap.p_value < 0.05
    assert by_name["log_loss"].difference > 0 and by_name["log_loss"].verdict == WORSE
    back = {item.metric: item for item in compare_runs(workspace, "two", "one").differences}
    assert back["roc_auc"].verdict == BETTER and back["roc_auc"].difference == -gap.difference
    same = compare_runs(workspace, "one", "one")
    assert {item.verdict for item in same.differences} == {UNCLEAR}
    assert all(item.p_value == 1.0 for item in same.differences)
    assert '"verdict":"worse"' in dumps(found)


def test_other_rows_and_other_data(binary: tuple[Path, dict[str, Done], pl.DataFrame]) -> None:
    folder, _, frame = binary
    workspace = Workspace(folder / ".treadle")
    evaluate(folder, BINARY + "split: {seed: 7}\n", frame, run="three")
    found = compare_runs(workspace, "one", "three")
    assert 20 < found.rows < 120
    assert "only the" in found.notes[0]
    with pytest.raises(TreadleError, match="there is no run 'on'"):
        compare_runs(workspace, "on", "three")
    evaluate(folder, BINARY, frame.head(1000), run="four")
    with pytest.raises(TreadleError, match="their data differ"):
        compare_runs(workspace, "one", "four")
    frame.write_parquet(folder / "toy.parquet")
    (workspace.root / "cache" / "evaluate" / "three" / "predictions.parquet").unlink()
    with pytest.raises(TreadleError, match="not there any more"):
        compare_runs(workspace, "one", "three")


def test_the_order_of_the_classes_does_not_matter(binary: tuple[Path, dict[str, Done], pl.DataFrame]) -> None:
    folder, _, frame = binary
    turned = BINARY.replace("target: label,", "target: label, positive: 'no',")
    evaluate(folder, turned, frame, run="turned")
    comparison = compare_runs(Workspace(folder / ".treadle"), "one", "turned")
    assert "'yes' is the positive class" in comparison.notes[0]
    found = {item.metric: item for item in comparison.differences}
    assert found["roc_auc"].difference == pytest.approx(0.0, abs=1e-6)
    assert found["log_loss"].difference == pytest.approx(0.0, abs=1e-6)


def test_a_comparison_is_wrong_as_often_as_it_says() -> None:
    """Two models of the same skill: a difference is claimed about one time in twenty."""
    claimed = 0
    for seed in range(100):
        one, two = twins(seed)
        (found,) = compare_outcomes(one, two, ["roc_auc"], count=400, seed=seed)
        claimed += found.verdict != UNCLEAR
    assert claimed <= 12


def twins(seed: int, rows: int = 250) -> tuple[Outcomes, Outcomes]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    shared = truth + rng.normal(size=rows)

    def outcomes(score: Any) -> Outcomes:
        chance = 1 / (1 + np.exp(-score))
        return Outcomes("classification", truth, (chance > 0.5).astype(int), np.stack([1 - chance, chance], axis=1))

    return outcomes(shared + rng.normal(size=rows)), outcomes(shared + rng.normal(size=rows))


def test_mcnemar_is_the_exact_binomial_test() -> None:
    one = example_outcomes("classification", rows=200)
    rng = np.random.default_rng(0)
    two = replace(one, prediction=np.where(rng.random(200) < 0.2, 1 - one.prediction, one.prediction))
    right, also = one.prediction == one.truth, two.prediction == two.truth
    only, total = int((right & ~also).sum()), int((right != also).sum())
    assert mcnemar(one, two) == pytest.approx(binomtest(only, total).pvalue)
    assert mcnemar(one, one) == 1.0
