"""Training: who judges, who wins, tuning that goes on where it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import toy_frame
from treadle.core.errors import TreadleError
from treadle.core.events import Event, Events
from treadle.core.predictor import Predictor
from treadle.core.types import Field, Outcomes, Schema
from treadle.spec.evaluate import Cost
from treadle.spec.read import parse_spec
from treadle.spec.spec import Spec
from treadle.stages import train
from treadle.stages.judge import Judge, better
from treadle.stages.threshold import choose_threshold
from treadle.stages.tune import tune
from treadle.stages.values import Dataset, Done, Job, Splits, Trained

COLUMNS = {"age": "number", "income": "number", "city": "category", "member": "boolean"}


def make_job(tmp_path: Path, text: str, *, rows: int = 400, target: str = "label", fold: bool = False) -> Job:
    """A job for the stage, with its inputs on disk."""
    frame = toy_frame(rows)
    kind = "category" if target == "label" else "number"
    fields = [Field(name, one, str(frame[name].dtype)) for name, one in COLUMNS.items()]
    fields.append(Field(target, kind, str(frame[target].dtype), "target", categories=("no", "yes")))
    for name in ("data", "split", "out"):
        (tmp_path / name).mkdir(exist_ok=True)
    frame.write_parquet(tmp_path / "data" / "data.parquet")
    cut = [round(rows * 0.7), round(rows * 0.8)]
    part = np.where(np.arange(rows) < cut[0], "train", np.where(np.arange(rows) < cut[1], "valid", "test"))
    splits = pl.DataFrame({"part": part})
    if fold:
        splits = pl.DataFrame({"part": ["train"] * rows, "fold": np.arange(rows) % 4})
    splits.write_parquet(tmp_path / "split" / "parts.parquet")
    base = f"data: {{source: x.csv, target: {target}}}\n{text}"
    spec = parse_spec(base)
    metric = spec.evaluate.metrics or (("roc_auc",) if target == "label" else ("rmse",))
    spec = spec.model_copy(
        update={
            "task": "classification" if target == "label" else "regression",
            "evaluate": spec.evaluate.model_copy(update={"metrics": metric}),
        }
    )
    inputs = {
        "ingest": Done(Dataset("v", rows, Schema(tuple(fields), target), ("x.csv",)), tmp_path / "data", "a"),
        "split": Done(Splits("random", {}), tmp_path / "split", "b"),
    }
    return Job(spec, tmp_path / "out", tmp_path, tmp_path, inputs, Events(), tmp_path / "scratch")


def judge_of(job: Job) -> Judge:
    from treadle.core.types import Context

    splits = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")
    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    return Judge(job.spec, job.inputs["ingest"].value.schema, frame, splits, Context("classification"))


def run(job: Job) -> Trained:
    value = train.run(job)
    assert isinstance(value, Trained)
    return value


def test_the_best_of_a_list_wins_and_is_named(tmp_path):
    job = make_job(tmp_path, "model: {name: [linear, hist_boosting]}")
    trained = run(job)
    assert {item.model for item in trained.candidates} == {"linear", "hist_boosting"}
    assert trained.candidates[0].chosen and trained.candidates[0].model == trained.model
    assert trained.candidates[0].score == max(item.score for item in trained.candidates)
    frame = toy_frame(50, seed=3)
    assert Predictor.load(job.folder / "predictor").predict(frame).columns == [
        "prediction", "probability_no", "probability_yes",
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_model(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        job = make_job(tmp_path / name, "model: {name: hist_boosting}")
        run(job)
        found.append(Predictor.load(job.folder / "predictor").predict(toy_frame(100, seed=5)))
    assert found[0].equals(found[1])


def test_options_of_a_list_stand_under_a_models_name(tmp_path):
    spec = "model: {name: [linear, hist_boosting], options: {linear: {penalty: 5.0}}}"
    assert any(item.options == {"penalty": 5.0} for item in run(make_job(tmp_path, spec)).candidates)
    with pytest.raises(TreadleError, match="'penalty' is none of them"):
        run(make_job(tmp_path, "model: {name: [linear, hist_boosting], options: {penalty: 5.0}}"))


def test_few_rows_are_cross_validated_and_test_rows_are_never_seen(tmp_path):
    job = make_job(tmp_path, "model: {name: linear}")
    run(job)
    chosen_on = pl.read_parquet(job.folder / "valid.parquet")
    assert sorted(chosen_on["row"]) == list(range(320))


def test_many_rows_are_judged_by_the_validation_rows(tmp_path):
    job = make_job(tmp_path, "model: {name: linear}", rows=15_000)
    run(job)
    chosen_on = pl.read_parquet(job.folder / "valid.parquet")
    assert sorted(chosen_on["row"]) == list(range(10_500, 12_000))


def test_the_folds_of_a_k_fold_split_judge(tmp_path):
    job = make_job(tmp_path, "model: {name: linear}", fold=True)
    judge = judge_of(job)
    assert judge.folds is not None and np.array_equal(judge.folds, np.arange(400) % 4)
    judged = judge.judge("linear", {})
    assert judged.outcomes is not None and len(judged.outcomes) == 400


def test_balanced_weights_find_more_of_the_rare_class(tmp_path):
    plain = make_job(tmp_path, "model: {name: linear}")
    frame = toy_frame(400).with_columns(
        label=pl.when((pl.col("label") == "yes") & (pl.int_range(pl.len()) % 5 > 0))
        .then(pl.lit("no"))
        .otherwise("label")
    )
    frame.write_parquet(tmp_path / "data" / "data.parquet")
    run(plain)
    rare = Predictor.load(plain.folder / "predictor").predict(frame)["prediction"].eq("yes").sum()
    balanced = make_job(tmp_path, "model: {name: linear, weights: balanced}")
    frame.write_parquet(tmp_path / "data" / "data.parquet")
    import shutil

    shutil.rmtree(balanced.folder / "predictor")
    run(balanced)
    assert Predictor.load(balanced.folder / "predictor").predict(frame)["prediction"].eq("yes").sum() > rare + 20


def test_tuning_goes_on_where_it_was(tmp_path):
    job = make_job(tmp_path, "model: {name: linear, tune: {trials: 3}}")
    judge = judge_of(job)
    assert job.spec.model.tune is not None
    _, first, _ = tune(job, judge, "linear", {}, job.spec.model.tune)
    said: list[str] = []

    def hear(event: Event) -> None:
        said.append(event.text)

    again = make_job(tmp_path, "model: {name: linear, tune: {trials: 5}}")
    again = Job(**{**vars(again), "events": Events(hear)})
    assert again.spec.model.tune is not None
    judged, second, options = tune(again, judge, "linear", {}, again.spec.model.tune)
    assert len(first) == 3 and [text.split(":")[1].split(",")[0] for text in said] == [" trial 4", " trial 5"]
    assert [item.score for item in second[:3]] == [item.score for item in first]
    assert judged.score == max(item.score for item in second)
    assert first[0].options == {} and set(options) <= {"penalty"}


def test_tuning_never_ends_below_the_defaults_and_keeps_given_options(tmp_path):
    job = make_job(tmp_path, "model: {name: hist_boosting, tune: {trials: 4}, options: {max_iter: 30}}")
    trained = run(job)
    first = next(item for item in trained.candidates if dict(item.options) == {"max_iter": 30})
    assert trained.candidates[0].score >= first.score
    assert all(item.options["max_iter"] == 30 for item in trained.candidates)


def test_a_wish_to_stop_ends_tuning_with_the_best_so_far(tmp_path):
    events = Events()
    job = make_job(tmp_path, "model: {name: linear, tune: {trials: 1000}}")
    job = Job(**{**vars(job), "events": events})
    seen: list[int] = []

    def stop(event: Event) -> None:
        seen.append(1)
        if len(seen) > 4:
            events.stop()

    events._observers.append(stop)
    assert 1 <= len(run(job).candidates) < 50


def outcomes(scores: list[float], truth: list[int]) -> Outcomes:
    probability = np.array([[1 - score, score] for score in scores])
    return Outcomes("classification", np.array(truth), (probability[:, 1] >= 0.5).astype(int), probability, ("a", "b"))


def test_the_threshold_follows_the_cost():
    found = outcomes([0.1, 0.2, 0.3, 0.4, 0.6, 0.9], [0, 0, 1, 0, 1, 1])
    dear_misses = choose_threshold(found, Cost(false_negative=10), "roc_auc")
    dear_alarms = choose_threshold(found, Cost(false_positive=10), "roc_auc")
    assert dear_misses <= 0.3 < 0.4 < dear_alarms <= 0.6
    assert choose_threshold(found, None, "roc_auc") == 0.5


def test_nan_is_never_better():
    nan = float("nan")
    assert better(0.9, 0.8, "roc_auc") and not better(0.9, 0.8, "rmse")
    assert not better(nan, 0.1, "roc_auc") and better(0.1, nan, "roc_auc")


def test_the_positive_class_comes_last(tmp_path):
    job = make_job(tmp_path, "model: {name: linear}")
    spec = job.spec.model_copy(update={"data": job.spec.data.model_copy(update={"positive": "no"})})
    trained = run(Job(**{**vars(job), "spec": spec}))
    assert trained.classes == ("yes", "no")
    wrong = Spec.model_validate({"data": {"source": "x.csv", "target": "label", "positive": "maybe"}})
    with pytest.raises(TreadleError, match="the target has no class 'maybe'"):
        run(Job(**{**vars(job), "spec": job.spec.model_copy(update={"data": wrong.data})}))
