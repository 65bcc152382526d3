"""Every metric keeps its promises, and gives scikit-learn's values."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core import registry
from treadle.core.types import Outcomes
from treadle.testing.metrics import check_metric, example_outcomes, measure

NAMES = registry.names("metrics")


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    check_metric(registry.load("metrics", name))


def value(name: str, outcomes: Outcomes) -> float:
    return measure(registry.load("metrics", name), outcomes)


LABELS = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": sk.f1_score,
    "f1_macro": lambda y, p, sample_weight: sk.f1_score(y, p, average="macro", sample_weight=sample_weight),
    "f1_micro": lambda y, p, sample_weight: sk.f1_score(y, p, average="micro", sample_weight=sample_weight),
    "f1_weighted": lambda y, p, sample_weight: sk.f1_score(y, p, average="weighted", sample_weight=sample_weight),
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "precision_macro": lambda y, p, sample_weight: sk.precision_score(
        y, p, average="macro", sample_weight=sample_weight, zero_division=0
    ),
    "recall_macro": lambda y, p, sample_weight: sk.recall_score(
        y, p, average="macro", sample_weight=sample_weight, zero_division=0
    ),
    "mcc": sk.matthews_corrcoef,
    "cohen_kappa": lambda y, p, sample_weight: sk.cohen_kappa_score(y, p, sample_weight=sample_weight),
}
SCORES = {
    "roc_auc": lambda y, p, sample_weight: sk.roc_auc_score(
        y, p[:, 1] if p.shape[1] == 2 else p, multi_class="ovr", sample_weight=sample_weight
    ),
    "average_precision": lambda y, p, sample_weight: sk.average_precision_score(
        y, p[:, 1] if p.shape[1] == 2 else p, sample_weight=sample_weight
    ),
    "log_loss": lambda y, p, sample_weight: sk.log_loss(y, p, sample_weight=sample_weight),
    "brier": lambda y, p, sample_weight: sk.brier_score_loss(y, p, sample_weight=sample_weight),
    "top_3_accuracy": lambda y, p, sample_weight: sk.top_k_accuracy_score(y, p, k=3, sample_weight=sample_weight),
}
VALUES = {
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "median_ae": sk.median_absolute_error,
    "r2": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
    "explained_variance": sk.explained_variance_score,
}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 5), weighted=st.booleans(), coarse=st.booleans())
def test_classification_equals_sklearn(seed: int, classes: int, weighted: bool, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(4 * classes, 80))
    truth = rng.permutation(np.arange(rows) % classes)
    probability = rng.dirichlet(np.ones(classes), rows)
    if coarse:
        probability = rng.multinomial(4, np.ones(classes) / classes, rows) / 4
    prediction = probability.argmax(axis=1)
    weight = rng.random(rows) * 3 if weighted else None
    outcomes = Outcomes("classification", truth, prediction, probability, tuple("abcde"[:classes]), weight=weight)
    for name, reference in LABELS.items():
        if name in ("f1", "precision", "recall") and classes > 2:
            assert np.isnan(value(name, outcomes))
            continue
        expected = reference(truth, prediction, sample_weight=weight)
        assert value(name, outcomes) == pytest.approx(expected, abs=1e-10), name
    for name, reference in SCORES.items():
        if name == "top_3_accuracy" and classes == 2:
            continue
        expected = reference(truth, probability, sample_weight=weight)
        assert value(name, outcomes) == pytest.approx(expected, abs=1e-10), name


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), weighted=st.booleans(), shift=st.sampled_from([0.0, 1e6]))
def test_regression_equals_sklearn(seed: int, weighted: bool, shift: float) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(2, 60))
    truth = rng.normal(size=rows).round(1) + shift
    prediction = truth + rng.normal(0.3, 0.5, rows).round(1)
    weight = rng.random(rows) + 0.1 if weighted else None
    outcomes = Outcomes("regression", truth, prediction, weight=weight)
    for name, reference in VALUES.items():
        if name in ("r2", "explained_variance") and np.ptp(truth) < 0.05:
            continue
        expected = reference(truth, prediction, sample_weight=weight)
        assert value(name, outcomes) == pytest.approx(expected, rel=1e-6, abs=1e-9), name
    assert value("max_error", outcomes) == pytest.approx(sk.max_error(truth, prediction))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), clusters=st.integers(2, 5))
def test_clustering_equals_sklearn(seed: int, clusters: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(3 * clusters, 90))
    labels = rng.integers(0, 3, rows)
    found = rng.permutation(np.arange(rows) % clusters) - 1
    features = rng.normal(size=(rows, 3)) + found[:, None]
    outcomes = Outcomes("clustering", labels, found, extra={"features": features})
    for name, expected in {
        "ari": sk.adjusted_rand_score(labels, found),
        "nmi": sk.normalized_mutual_info_score(labels, found),
        "v_measure": sk.v_measure_score(labels, found),
        "silhouette": sk.silhouette_score(features, found),
        "calinski_harabasz": sk.calinski_harabasz_score(features, found),
        "davies_bouldin": sk.davies_bouldin_score(features, found),
    }.items():
        assert value(name, outcomes) == pytest.approx(expected, rel=1e-7, abs=1e-7), name


def test_pinball_is_the_mean_of_both_bounds() -> None:
    outcomes = example_outcomes("regression")
    expected = [
        sk.mean_pinball_loss(outcomes.truth, bound, alpha=level)
        for level, bound in ((0.05, outcomes.low), (0.95, outcomes.high))
    ]
    assert value("pinball", outcomes) == pytest.approx(np.mean(expected))
    assert value("interval_width", outcomes) == pytest.approx(4.0)


def test_ece_by_hand() -> None:
    truth = np.array([0, 1, 1, 1])
    score = np.array([0.1, 0.9, 0.9, 0.5])
    outcomes = Outcomes("classification", truth, (score >= 0.5).astype(int), np.stack([1 - score, score], axis=1))
    assert value("ece", outcomes) == pytest.approx((0.1 + 0.2 + 0.5) / 4)


def test_one_class_only_is_not_defined_where_it_is_not() -> None:
    outcomes = example_outcomes("classification").take(np.arange(120))
    one = outcomes.take(outcomes.truth == 1)
    assert np.isnan(value("roc_auc", one))
    assert value("accuracy", one) > 0
    alone = example_outcomes("regression").take(np.array([0]))
    assert np.isnan(value("r2", alone))


def test_what_is_not_predicted_is_not_measured() -> None:
    plain = Outcomes("regression", np.arange(5.0), np.arange(5.0))
    for name in ("pinball", "interval_coverage", "interval_width"):
        assert np.isnan(value(name, plain))
    bare = Outcomes("classification", np.array([0, 1]), np.array([0, 1]), classes=("a", "b"))
    for name in ("roc_auc", "log_loss", "brier", "ece", "average_precision", "top_3_accuracy"):
        assert np.isnan(value(name, bare))


def test_nan_predictions_give_nan() -> None:
    outcomes = Outcomes("regression", np.arange(5.0), np.array([0, 1, np.nan, 3, 4]))
    for name in VALUES:
        assert np.isnan(value(name, outcomes)), name


def test_metrics_do_not_import_sklearn() -> None:
    code = (
        "import sys\n"
        "from treadle.core import registry\n"
        "from treadle.testing.metrics import example_outcomes, measure\n"
        "for name in registry.names('metrics'):\n"
        "    metric = registry.load('metrics', name)\n"
        "    for task in metric.tags.tasks: measure(metric, example_outcomes(task))\n"
        "sys.exit('sklearn' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
