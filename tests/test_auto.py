"""`auto`: the ensemble, its budget, and the wish to stop."""

from __future__ import annotations

import threading
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import toy_frame
from treadle.core import registry
from treadle.core.events import Events
from treadle.core.labels import classes_of
from treadle.core.predictor import Predictor
from treadle.core.types import Context, Field, Schema
from treadle.models._ensemble import greedy_weights, prune


def toy_schema(target: str, time_column: str | None = None) -> Schema:
    kinds = {"age": "number", "income": "number", "city": "category", "member": "boolean"}
    fields = [Field(name, kind, "String") for name, kind in kinds.items()]
    fields.append(Field(target, "category" if target == "label" else "number", "String", "target"))
    return Schema(tuple(fields), target, time=time_column)


def fitted(target: str, context: Context, **options: object) -> tuple[Predictor, pl.DataFrame]:
    frame = toy_frame(800)
    task = "classification" if target == "label" else "regression"
    classes = classes_of(frame["label"]) if target == "label" else ()
    predictor = Predictor(
        schema=toy_schema(target), task=task, model_name="auto", options={"folds": 3, **options}, classes=classes
    )
    train = predictor.align(frame, target=True)
    return predictor.fit(train, None, context), toy_frame(400, seed=1)


def score(predictor: Predictor, test: pl.DataFrame, metric: str) -> float:
    instance = registry.load("metrics", metric)()
    instance.update(predictor.predict_codes(predictor.align(test, target=True)))
    return float(instance.value())


FAMILIES = ("linear", "hist_boosting", "extra_trees")


@pytest.mark.parametrize(("target", "metric"), [("label", "roc_auc"), ("value", "rmse")])
def test_the_blend_is_at_least_as_good_as_its_members(target, metric):
    context = Context("classification", metric=metric, budget=20, threads=2)
    predictor, test = fitted(target, context, families=FAMILIES, tune=False)
    board = predictor.model.leaderboard()
    assert {row["model"] for row in board} == {"ensemble", *FAMILIES}
    assert sum(row["weight"] for row in board[1:]) == pytest.approx(1.0, abs=1e-3)
    up = registry.load("metrics", metric).tags.greater_is_better
    best = (max if up else min)(row["score"] for row in board[1:])
    assert board[0]["score"] >= best - 1e-9 if up else board[0]["score"] <= best + 1e-9
    value = score(predictor, test, metric)
    assert value > 0.85 if up else value < 1.5


def test_every_row_is_held_out_once():
    predictor, _ = fitted("label", Context("classification", metric="roc_auc", budget=10), families=("linear",))
    rows, output = predictor.model.held_out()
    assert sorted(rows) == list(range(800)) and output.shape == (800, 2)
    assert np.allclose(output.sum(axis=1), 1)


def test_a_budget_is_kept():
    started = time.monotonic()
    predictor, _ = fitted("label", Context("classification", metric="roc_auc", budget=6, threads=2))
    assert time.monotonic() - started < 20
    assert len(predictor.model.leaderboard()) >= 2


def test_asked_to_stop_it_returns_the_best_so_far():
    events = Events()
    threading.Timer(2.0, events.stop).start()
    started = time.monotonic()
    context = Context("classification", metric="roc_auc", budget=120, threads=2, events=events)
    predictor, test = fitted("label", context, families=FAMILIES)
    assert time.monotonic() - started < 60
    assert score(predictor, test, "roc_auc") > 0.8


def test_intervals_come_from_held_out_errors():
    context = Context("regression", metric="rmse", budget=10, quantiles=(0.05, 0.95))
    predictor, test = fitted("value", context, families=("linear",), tune=False)
    found = predictor.predict(test)
    inside = ((test["value"] >= found["low"]) & (test["value"] <= found["high"])).mean()
    assert 0.8 < inside < 0.98


def test_with_a_time_column_the_latest_rows_judge_and_all_are_learned_from():
    frame = toy_frame(600)
    schema = toy_schema("label", time_column="when")
    predictor = Predictor(
        schema=schema, task="classification", model_name="auto", classes=classes_of(frame["label"]),
        options={"families": ("linear",), "tune": False},
    )  # fmt: skip
    aligned = predictor.align(frame, target=True)
    predictor.fit(aligned[:500], aligned[500:], Context("classification", metric="roc_auc", budget=10))
    rows, _ = predictor.model.held_out()
    assert sorted(rows) == list(range(500, 600))
    assert [len(bag) for bag in predictor.model.models] == [1]


def test_nothing_fits_the_task():
    predictor, context = None, Context("classification", metric="roc_auc", budget=5)
    with pytest.raises(Exception, match="no model fits this task") as caught:
        predictor, _ = fitted("label", context, families=("kmeans",))
    assert predictor is None and getattr(caught.value, "exit_code", None) == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 4))
def test_greedy_weights_never_do_worse_than_the_best_member(seed, count, members):
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=60)
    outputs = [(truth + generator.normal(0, 0.2 + k, 60)).reshape(-1, 1) for k in range(count)]
    context = Context("regression", metric="rmse")
    weights, value = greedy_weights(outputs, truth, None, context, "rmse", members)
    singles = [float(np.sqrt(((output[:, 0] - truth) ** 2).mean())) for output in outputs]
    assert value <= min(singles) + 1e-9
    assert sum(weights) == pytest.approx(1) and sum(weight > 0 for weight in weights) <= members
    blend = sum(weight * output[:, 0] for weight, output in zip(weights, outputs, strict=True))
    assert float(np.sqrt(((blend - truth) ** 2).mean())) == pytest.approx(value)


def test_members_that_hardly_count_are_left_out():
    assert prune([0.97, 0.03]) == [1.0, 0.0]
    assert prune([0.5, 0.5]) == [0.5, 0.5]
