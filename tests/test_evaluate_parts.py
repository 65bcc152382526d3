"""Intervals, slices, fairness, curves and thresholds, each against what is known of it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from treadle.core.tasks import TASKS
from treadle.core.types import Metered, Outcomes
from treadle.spec.evaluate import Cost
from treadle.stages.bootstrap import affordable, interval, metered, replicates, resamples
from treadle.stages.curves import POINTS, curves_of, wilson
from treadle.stages.fairness import fairness_of
from treadle.stages.slices import benjamini_hochberg, given_slices, parts_of, worst_slices
from treadle.stages.threshold import choose_threshold
from treadle.testing.metrics import example_outcomes

# -- intervals


def test_resamples_draw_as_many_rows_as_there_are() -> None:
    drawn = np.concatenate(list(resamples(50, 300, seed=1)))
    assert drawn.shape == (300, 50)
    assert (drawn.sum(axis=1) == 50).all()
    assert abs(drawn.var() - 1.0) < 0.1
    again = np.concatenate(list(resamples(50, 300, seed=1)))
    assert (drawn == again).all()


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "f1", "log_loss"])
def test_intervals_cover_the_truth_about_95_times_in_100(name: str) -> None:
    """Rows drawn from one big population; the interval of a sample should hold the population's value."""
    population = example_outcomes("classification", rows=60_000, seed=5)
    true = metered(population, [name], count=0)[name].value
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(120):
        figure = metered(population.take(rng.integers(0, 60_000, 250)), [name], count=250, seed=trial)[name]
        assert figure.low is not None and figure.high is not None
        assert figure.low <= figure.value <= figure.high
        held += figure.low <= true <= figure.high
    assert 104 <= held <= 120


@pytest.mark.parametrize("task", ["classification", "regression", "clustering", "anomaly"])
def test_every_default_metric_has_an_interval(task: str) -> None:
    outcomes = example_outcomes(task, rows=400)
    names = (TASKS[task].binary or TASKS[task].metrics)[:]
    for name, figure in metered(outcomes, names, count=200).items():
        assert figure.low is not None and figure.high is not None, name
        assert figure.low <= figure.value <= figure.high, name
        assert figure.low < figure.high, name


def test_intervals_repeat_and_shrink_with_more_rows() -> None:
    small, big = (example_outcomes("classification", rows=rows) for rows in (200, 5000))
    one, other = (metered(small, ["accuracy"])["accuracy"] for _ in range(2))
    assert one == other
    wide, narrow = one.high - one.low, metered(big, ["accuracy"])["accuracy"]
    assert narrow.high - narrow.low < wide / 3


def test_a_weighted_interval_is_of_the_weighted_value() -> None:
    outcomes = example_outcomes("regression", rows=300)
    heavy = Outcomes("regression", outcomes.truth, outcomes.prediction, weight=np.linspace(0.1, 5, 300))
    figure = metered(heavy, ["rmse"])["rmse"]
    expected = sk.root_mean_squared_error(heavy.truth, heavy.prediction, sample_weight=heavy.weight)
    assert figure.value == pytest.approx(expected)
    assert figure.low < figure.value < figure.high


def test_what_cannot_be_resampled_has_no_interval() -> None:
    outcomes = example_outcomes("classification", rows=50)
    one_class = outcomes.take(outcomes.truth == 1)
    assert math.isnan(metered(one_class, ["roc_auc"])["roc_auc"].value)
    assert metered(one_class, ["roc_auc"])["roc_auc"].low is None
    assert metered(outcomes.take(np.array([0])), ["accuracy"])["accuracy"].low is None
    assert metered(outcomes, ["accuracy"], count=0)["accuracy"] == Metered(
        metered(outcomes, ["accuracy"])["accuracy"].value
    )


def test_few_resamples_make_a_normal_interval_and_many_rows_fewer_resamples() -> None:
    assert affordable(6_500, 500) == 500
    assert affordable(67_000, 500) == 223
    assert affordable(10**6, 500) == 50
    drawn = np.random.default_rng(0).normal(0.5, 0.1, 60)
    low, _ = interval(0.5, drawn)
    assert low == pytest.approx(0.5 - 1.96 * drawn.std(ddof=1))
    assert interval(0.99, drawn + 0.49, 0.0, 1.0)[1] == 1.0


def test_the_fallback_without_a_vectorised_form_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.metrics.accuracy import Accuracy

    outcomes = example_outcomes("classification", rows=200)
    quick = replicates(outcomes, ["accuracy"], 50, 0)["accuracy"]

    class Plain:
        tags = Accuracy.tags

        def __init__(self) -> None:
            self.inner = Accuracy()
            self.update, self.merge, self.value = self.inner.update, self.inner.merge, self.inner.value

    monkeypatch.setattr("treadle.metrics.accuracy.COMPONENT", Plain)
    slow = replicates(outcomes, ["accuracy"], 50, 0)["accuracy"]
    assert slow == pytest.approx(quick)


# -- slices


def test_parts_by_value_by_span_and_missing() -> None:
    parts = parts_of(pl.Series("city", ["Oslo", "Rome", None, "Oslo"]))
    assert parts.rules == ("city = Oslo", "city = Rome", "city is missing")
    assert parts.codes.tolist() == [0, 1, 2, 0]
    numbers = parts_of(pl.Series("age", [*range(100), None]))
    assert numbers.rules == ("age < 25", "25 <= age < 50", "50 <= age < 75", "age >= 75", "age is missing")
    assert np.bincount(numbers.codes).tolist() == [25, 25, 25, 25, 1]
    assert parts_of(pl.Series("flag", [True, False, True])).rules == ("flag = true", "flag = false")
    assert parts_of(pl.Series("none", [None, None], dtype=pl.String)).rules == ("none is missing",)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.one_of(st.none(), st.floats(-5, 5), st.just(float("nan"))), min_size=1, max_size=80))
def test_every_row_of_a_number_is_in_one_part(values: list[float | None]) -> None:
    parts = parts_of(pl.Series("x", values, dtype=pl.Float64), values=5)
    assert len(parts.codes) == len(values)
    assert parts.codes.max() < len(parts.rules) == len(parts.labels)


def broken(rows: int = 4000, seed: int = 0) -> tuple[Outcomes, list[pl.Series]]:
    """Predictions that are good but for small flats in Rome."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["Oslo", "Rome", "Lima"], rows)
    size = rng.choice(["small", "large"], rows)
    noise = rng.normal(size=rows)
    truth = rng.integers(0, 2, rows)
    bad = (city == "Rome") & (size == "small")
    right = np.where(bad, rng.random(rows) < 0.55, rng.random(rows) < 0.9)
    prediction = np.where(right, truth, 1 - truth)
    score = np.where(prediction == 1, 0.8, 0.2)
    outcomes = Outcomes("classification", truth, prediction, np.stack([1 - score, score], axis=1), ("a", "b"))
    return outcomes, [pl.Series("city", city), pl.Series("size", size), pl.Series("noise", noise)]


def test_the_worst_slice_is_found_with_its_size_and_significance() -> None:
    outcomes, columns = broken()
    first = worst_slices(outcomes, columns, ["accuracy"], count=200)[0]
    assert first.rule == "city = Rome and size = small"
    assert first.columns == ("city", "size")
    assert first.found == "worst" and first.p_value < 1e-6 and first.difference > 0.2
    expected = ((columns[0] == "Rome") & (columns[1] == "small")).sum()
    assert first.rows == expected
    assert first.metrics["accuracy"].value == pytest.approx(0.55, abs=0.07)


def test_no_slice_is_called_worse_where_none_is() -> None:
    false = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        outcomes = example_outcomes("classification", rows=600, seed=seed)
        columns = [pl.Series(f"c{n}", rng.choice(["x", "y", "z"], 600)) for n in range(6)]
        found = worst_slices(outcomes, columns, ["accuracy"], count=0)
        assert len(found) <= 1 or found[0].p_value < 0.05
        false += bool(found) and found[0].p_value < 0.05
    assert false <= 6


def test_given_slices_have_metrics_and_adjusted_p_values() -> None:
    outcomes, columns = broken()
    found = given_slices(outcomes, columns[:1], ["accuracy", "roc_auc"], count=100)
    assert [item.rule for item in found if item.p_value < 0.001] == ["city = Rome"] or len(found) == 3
    assert sum(item.rows for item in found) == len(outcomes)
    rome = next(item for item in found if item.rule == "city = Rome")
    mask = (columns[0] == "Rome").to_numpy()
    assert rome.metrics["accuracy"].value == pytest.approx((outcomes.prediction == outcomes.truth)[mask].mean())
    assert rome.difference > 0 and rome.p_value < 0.001


def test_benjamini_hochberg() -> None:
    p_values = np.array([0.01, 0.04, 0.03, 0.5])
    assert benjamini_hochberg(p_values) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert benjamini_hochberg(np.zeros(0)).tolist() == []


# -- fairness


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), groups=st.integers(2, 4))
def test_fairness_equals_fairlearn(seed: int, groups: int) -> None:
    fairlearn = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(seed)
    group = rng.choice([f"g{n}" for n in range(groups)], 300)
    truth, prediction = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    outcomes = Outcomes("classification", truth, prediction, classes=("no", "yes"))
    found = fairness_of(outcomes, pl.Series("group", group), count=0)
    for name in (
        "demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference",
        "equalized_odds_ratio", "equal_opportunity_difference", "equal_opportunity_ratio",
    ):  # fmt: skip
        expected = getattr(fairlearn, name)(truth, prediction, sensitive_features=group)
        assert found[name]["value"] == pytest.approx(expected), name
    rates = fairlearn.MetricFrame(
        metrics={"selection_rate": fairlearn.selection_rate, "accuracy": sk.accuracy_score},
        y_true=truth, y_pred=prediction, sensitive_features=group,
    ).by_group  # fmt: skip
    for label, entry in found["groups"].items():
        assert entry["rows"] == (group == label).sum()
        assert entry["selection_rate"] == pytest.approx(rates.loc[label, "selection_rate"])
        assert entry["accuracy"] == pytest.approx(rates.loc[label, "accuracy"])


def test_fairness_has_intervals_and_counts_missing_as_a_group() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 2, 500), rng.integers(0, 2, 500)
    group = pl.Series("group", rng.choice(["a", "b"], 500)).scatter(np.arange(100), None)
    outcomes = Outcomes("classification", truth, prediction, classes=("no", "yes"))
    found = fairness_of(outcomes, group, count=300)
    assert set(found["groups"]) == {"a", "b", "missing"}
    entry = found["demographic_parity_difference"]
    assert 0 <= entry["low"] <= entry["value"] <= entry["high"] <= 1


def test_a_group_without_positives_has_no_true_positive_rate() -> None:
    outcomes = Outcomes("classification", np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), classes=("no", "yes"))
    found = fairness_of(outcomes, pl.Series("g", ["a", "a", "b", "b"]), count=50)
    assert found["groups"]["a"]["true_positive_rate"] is None
    assert found["equal_opportunity_difference"]["value"] == 0.0


def test_fairness_of_many_classes_and_of_numbers() -> None:
    many = example_outcomes("classification", classes=4, rows=400)
    group = pl.Series("g", np.arange(400) % 2).cast(pl.String)
    assert 0 <= fairness_of(many, group, count=20)["equalized_odds_difference"]["value"] <= 1
    truth = np.arange(400.0)
    shifted = Outcomes("regression", truth, truth + np.where(np.arange(400) % 2, 2.0, -1.0))
    found = fairness_of(shifted, group, count=50)
    assert found["mean_error_difference"]["value"] == pytest.approx(3.0)
    assert found["groups"]["1"]["mean_absolute_error"] == pytest.approx(2.0)


# -- curves and thresholds


def test_the_roc_curve_has_the_area_of_the_metric_and_few_points() -> None:
    outcomes = example_outcomes("classification", rows=5000)
    curves = curves_of(outcomes, threshold=0.3, cost=Cost(false_negative=2))
    roc = curves["roc"]["c1"]
    assert len(roc["x"]) <= POINTS + 2
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    assert np.trapezoid(roc["y"], roc["x"]) == pytest.approx(
        sk.roc_auc_score(outcomes.truth, outcomes.probability[:, 1]), abs=2e-3
    )
    precision = curves["precision_recall"]["c1"]
    assert precision["x"][-1] == 1 and precision["y"][-1] == pytest.approx(0.5)
    assert sum(curves["calibration"]["c1"]["rows"]) == 5000
    at = curves["threshold"]["threshold"].index(0.3)
    said = (outcomes.probability[:, 1] >= 0.3).astype(int)
    assert curves["threshold"]["recall"][at] == pytest.approx(sk.recall_score(outcomes.truth, said), abs=1e-5)
    assert curves["threshold"]["precision"][at] == pytest.approx(sk.precision_score(outcomes.truth, said), abs=1e-5)
    wrong = (said & (outcomes.truth == 0)).sum() + 2 * ((said == 0) & (outcomes.truth == 1)).sum()
    assert curves["threshold"]["cost"][at] == pytest.approx(wrong / 5000, abs=1e-5)
    assert sum(curves["scores"]["counts"]["c1"]) == 2500


def test_curves_of_other_tasks_and_of_odd_outcomes() -> None:
    many = curves_of(example_outcomes("classification", classes=4))
    assert set(many["roc"]) == {"c0", "c1", "c2", "c3"} and "top" in many["calibration"]
    residuals = curves_of(example_outcomes("regression", rows=900))["residuals"]
    assert sum(residuals["counts"]) == 900 and len(residuals["actual"]) == 500
    assert sum(item["rows"] for item in residuals["bins"]) == 900
    assert sum(curves_of(example_outcomes("anomaly"))["scores"]["counts"]["all"]) == 120
    assert curves_of(example_outcomes("clustering")) == {}
    constant = Outcomes("regression", np.arange(9.0), np.full(9, 4.0))
    assert len(curves_of(constant)["residuals"]["bins"]) == 1
    one = example_outcomes("classification").take(np.array([0]))
    assert curves_of(one)["roc"] == {}


def test_wilson() -> None:
    low, high = wilson(np.array([0.0, 0.5]), np.array([10, 100]))
    assert low[0] == 0 and high[0] == pytest.approx(0.2775, abs=1e-3)
    assert (low[1], high[1]) == (pytest.approx(0.4038, abs=1e-3), pytest.approx(0.5962, abs=1e-3))


def test_the_threshold_follows_the_cost_or_the_metric() -> None:
    outcomes = example_outcomes("classification", rows=3000)
    assert choose_threshold(outcomes, None, "roc_auc") == 0.5
    assert choose_threshold(outcomes, None, "accuracy") == 0.5
    assert choose_threshold(outcomes, Cost(false_positive=9, false_negative=1), "roc_auc") > 0.6
    assert choose_threshold(outcomes, Cost(false_positive=1, false_negative=9), "roc_auc") < 0.4
    rare = outcomes.take(
        np.concatenate([np.flatnonzero(outcomes.truth == 0), np.flatnonzero(outcomes.truth == 1)[:150]])
    )
    limit = choose_threshold(rare, None, "f1")
    assert sk.f1_score(rare.truth, rare.probability[:, 1] >= limit) > sk.f1_score(rare.truth, rare.prediction)
