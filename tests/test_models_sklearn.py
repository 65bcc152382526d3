"""The models on scikit-learn: equal to the library, sensible on plain data, and obedient."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.core import registry
from treadle.core.events import Event, Events
from treadle.core.types import Block, Context, Features, Schema
from treadle.models._intervals import residual_quantiles
from treadle.models._trees import SMALL, round_down
from treadle.testing._model_data import part_of


def table(rows: int, task: str, classes: int = 0, seed: int = 0, codes: int = 300) -> Features:
    """Four numbers with gaps and two categories, one of them wide; a target from them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 4)).astype(np.float32)
    category = np.stack([rng.integers(0, 6, rows), rng.integers(0, codes, rows)], axis=1).astype(np.int32)
    score = numbers[:, 0] + (category[:, 0] % 3) * 0.8 + (category[:, 1] % 7) * 0.3 + rng.normal(0, 0.3, rows)
    target = score.astype(np.float64)
    if task == "classification":
        target = np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.int64)
    numbers[rng.random(numbers.shape) < 0.05] = np.nan
    category[rng.random(category.shape) < 0.03] = -1
    blocks = {
        "category": Block(category, ("c", "d"), ("c", "d"), "category", (6, codes)),
        "number": Block(numbers, tuple("wxyz"), tuple("wxyz")),
    }
    return Features(blocks, pl.DataFrame({"w": numbers[:, 0]}), Schema((), "y"), target)


def plain(features: Features) -> Features:
    """Numbers alone, without gaps, standardized: for models that take nothing else."""
    values = np.nan_to_num(features.matrix())
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    block = Block(values.astype(np.float32), features.names, features.names)
    return replace(features, blocks={"number": block})


def answers(model: Any, features: Features) -> np.ndarray:
    return model.predict(replace(features, target=None)).to_numpy()


def blobs(rows: int = 300, seed: int = 0) -> tuple[Features, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, rows)
    values = (np.array([[0, 0], [8, 0], [0, 8]])[group] + rng.normal(0, 0.6, (rows, 2))).astype(np.float32)
    block = Block(values, ("x", "y"), ("x", "y"))
    return Features({"number": block}, pl.DataFrame({"x": values[:, 0]}), Schema(())), group


@pytest.mark.parametrize(("task", "classes"), [("classification", 2), ("classification", 4), ("regression", 0)])
def test_boosting_answers_as_the_library_does(task: str, classes: int) -> None:
    from sklearn import ensemble

    train, fresh = table(1500, task, classes), table(1200, task, classes, seed=1)
    model = registry.build("models", "hist_boosting", {"max_iter": 30})
    model.fit(train, None, Context(task, classes))
    kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
    library = kind(
        learning_rate=0.08, max_iter=30, l2_regularization=1.0, early_stopping=False, random_state=0,
        categorical_features=[True, True, False, False, False, False],
    )  # fmt: skip

    def pooled(features: Features) -> np.ndarray:
        matrix = features.matrix().astype(np.float64)
        matrix[:, 1] = np.minimum(matrix[:, 1], 254)
        return matrix

    library.fit(pooled(train), train.target)
    expected = library.predict_proba(pooled(fresh)) if classes else library.predict(pooled(fresh))[:, None]
    assert np.abs(answers(model, fresh) - expected).max() < 1e-9
    few = part_of(fresh, np.arange(20))  # few rows go another way than many
    assert fresh.rows * 30 > SMALL > 20 * 30
    assert np.array_equal(answers(model, few), answers(model, fresh)[:20])


@pytest.mark.parametrize("name", ["random_forest", "extra_trees"])
@pytest.mark.parametrize(("task", "classes"), [("classification", 2), ("classification", 3), ("regression", 0)])
def test_forests_answer_as_the_library_does(name: str, task: str, classes: int) -> None:
    from sklearn import ensemble

    train, fresh = table(800, task, classes), table(500, task, classes, seed=1)
    model = registry.build("models", name, {"trees": 30, "max_features": 0.5})
    model.fit(train, None, Context(task, classes))
    kind = name.title().replace("_", "") + ("Classifier" if classes else "Regressor")
    library = getattr(ensemble, kind)(
        max_features=0.5, min_samples_leaf=3, max_depth=40, random_state=0, warm_start=True
    )
    for trees in (10, 20, 30):
        library.set_params(n_estimators=trees).fit(train.matrix(), train.target)
    matrix = fresh.matrix()
    expected = library.predict_proba(matrix) if classes else library.predict(matrix)[:, None]
    assert np.abs(answers(model, fresh) - expected).max() < 1e-9
    few = part_of(fresh, np.arange(20))
    assert np.abs(answers(model, few) - expected[:20]).max() < 1e-9
    assert np.allclose(model.importance(), library.feature_importances_)


def test_isolation_forest_scores_as_the_library_does() -> None:
    from sklearn.ensemble import IsolationForest

    rows = plain(table(700, "regression"))
    model = registry.build("models", "isolation_forest", {"trees": 40, "contamination": 0.1})
    model.fit(rows, None, Context("anomaly"))
    library = IsolationForest(n_estimators=20, max_samples=256, random_state=0, warm_start=True).fit(rows.matrix())
    library.set_params(n_estimators=40).fit(rows.matrix())
    found = answers(model, rows)[:, 0]
    assert np.abs(found + library.score_samples(rows.matrix()) + model.offset).max() < 1e-9
    assert abs((found > 0).mean() - 0.1) < 0.02


def test_thresholds_in_float32_part_float32_numbers_as_before() -> None:
    rng = np.random.default_rng(0)
    values = np.sort(rng.normal(size=1000).astype(np.float32))
    middles = (values[:-1].astype(np.float64) + values[1:]) / 2
    thresholds = round_down(np.concatenate([middles, middles * 3.1, [1e300, -1e300, np.inf]]))
    exact = np.concatenate([middles, middles * 3.1, [1e300, -1e300, np.inf]])
    assert np.array_equal(values[:, None] <= thresholds[None, :], values[:, None].astype(np.float64) <= exact[None, :])


@pytest.mark.parametrize("name", ["hist_boosting", "random_forest", "extra_trees", "linear", "knn", "svm"])
def test_intervals_hold_about_the_promised_share(name: str) -> None:
    train, fresh = table(1200, "regression", codes=7), table(800, "regression", seed=1, codes=7)
    if name in ("linear", "knn", "svm"):
        train, fresh = plain(train), plain(fresh)
    model = registry.load("models", name).example() if hasattr(registry.load("models", name), "example") else None
    model = model or registry.build("models", name)
    model.fit(train, None, Context("regression", quantiles=(0.05, 0.95)))
    frame = model.predict(replace(fresh, target=None))
    inside = (fresh.target >= frame["quantile_0.05"].to_numpy()) & (fresh.target <= frame["quantile_0.95"].to_numpy())
    assert 0.82 <= inside.mean() <= 0.995


def test_residual_quantiles_are_corrected_for_a_finite_sample() -> None:
    residuals = np.arange(1.0, 20.0)  # 19 values: the 0.05 and 0.95 points are the first and the last
    assert residual_quantiles(residuals, [0.05, 0.5, 0.95]) == [1.0, 10.0, 19.0]
    assert residual_quantiles(np.zeros(0), [0.1]) == [0.0]


@pytest.mark.parametrize("name", ["hist_boosting", "random_forest", "extra_trees", "linear", "knn", "svm"])
def test_one_class_and_absent_classes(name: str, tmp_path: Path) -> None:
    train = table(60, "classification", 3)
    train = plain(train) if name in ("linear", "knn", "svm") else train
    one = replace(train, target=np.full(60, 2))
    model = registry.build("models", name).fit(one, None, Context("classification", 4))
    model.save(tmp_path)
    loaded = registry.build("models", name).load(tmp_path)
    for each in (model, loaded):
        assert np.array_equal(answers(each, train), np.tile([0.0, 0.0, 1.0, 0.0], (60, 1)))


@pytest.mark.parametrize(
    ("name", "options"), [("hist_boosting", {}), ("random_forest", {}), ("extra_trees", {}), ("isolation_forest", {})]
)
def test_a_wish_to_stop_and_a_budget_end_a_long_fit(name: str, options: dict[str, Any]) -> None:
    size = "max_iter" if name == "hist_boosting" else "trees"
    task = "anomaly" if name == "isolation_forest" else "classification"
    train = plain(table(1000, "classification", 2)) if task == "anomaly" else table(1000, "classification", 2)

    def stop_soon(event: Event) -> None:
        if event.name == "progress" and event.done >= 20:
            events.stop()

    events = Events(stop_soon)
    for context in (Context(task, 2, events=events), Context(task, 2, budget=0.3)):
        started = time.monotonic()
        model = registry.build("models", name, {size: 5000, **options}).fit(train, None, context)
        assert time.monotonic() - started < 20
        grown = model.rounds if name == "hist_boosting" else model.forest.count
        assert 1 <= grown < 5000
        assert len(answers(model, train)) == 1000


def test_boosting_stops_early_and_says_where() -> None:
    train, valid = table(800, "classification", 2), table(400, "classification", 2, seed=1)
    model = registry.build("models", "hist_boosting", {"learning_rate": 0.3, "patience": 10})
    model.fit(train, valid, Context("classification", 2))
    assert model.settled() == {"max_iter": model.rounds}
    assert model.trees[0].count == model.rounds < 500


def test_probabilities_of_the_svm_are_calibrated() -> None:
    train, fresh = plain(table(900, "classification", 2, codes=7)), plain(table(900, "classification", 2, 1, 7))
    found = answers(registry.build("models", "svm").fit(train, None, Context("classification", 2)), fresh)[:, 1]
    sure = found > 0.8
    assert sure.sum() > 100
    assert abs(found[sure].mean() - fresh.target[sure].mean()) < 0.08


def test_neighbours_are_those_of_the_library() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    train, fresh = plain(table(500, "classification", 3)), plain(table(200, "classification", 3, seed=1))
    model = registry.build("models", "knn", {"neighbors": 7}).fit(train, None, Context("classification", 3))
    library = KNeighborsClassifier(7, weights="distance", algorithm="brute")
    library.fit(train.matrix().astype(np.float64), train.target)
    assert np.allclose(answers(model, fresh), library.predict_proba(fresh.matrix().astype(np.float64)), atol=1e-9)


@pytest.mark.parametrize("name", ["kmeans", "agglomerative", "dbscan"])
def test_clusters_are_found_without_being_told_how_many(name: str) -> None:
    from sklearn.metrics import adjusted_rand_score

    rows, group = blobs()
    model = registry.build("models", name).fit(rows, None, Context("clustering"))
    fresh, other = blobs(seed=1)
    for features, truth in ((rows, group), (fresh, other)):
        labels = answers(model, features)[:, 0]
        assert adjusted_rand_score(truth, labels) > (0.8 if name == "dbscan" else 0.99)


def test_a_row_far_away_is_noise_for_dbscan_and_an_anomaly_for_the_forest() -> None:
    rows, _ = blobs()
    far = replace(rows, blocks={"number": replace(rows.blocks["number"], values=np.full((300, 2), 90, np.float32))})
    assert (answers(registry.build("models", "dbscan").fit(rows, None, Context("clustering")), far) == -1).all()
    assert (answers(registry.build("models", "isolation_forest").fit(rows, None, Context("anomaly")), far) > 0).all()


@pytest.mark.parametrize("name", ["knn", "svm", "agglomerative", "dbscan"])
def test_many_rows_are_sampled_and_that_is_said(name: str) -> None:
    said: list[str] = []
    events = Events(lambda event: said.append(event.text))
    rows = plain(table(400, "classification", 2))
    task = "classification" if name in ("knn", "svm") else "clustering"
    model = registry.build("models", name, {"max_rows": 150}).fit(rows, None, Context(task, 2, events=events))
    assert any("150 of 400" in text for text in said)
    assert len(answers(model, rows)) == 400


def test_linear_settles_without_warnings_and_matches_the_library(recwarn: pytest.WarningsRecorder) -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    for task, classes in (("classification", 2), ("classification", 4), ("regression", 0)):
        train = plain(table(900, task, classes))
        model = registry.build("models", "linear").fit(train, None, Context(task, classes))
        matrix = train.matrix().astype(np.float64)
        if classes:
            expected = LogisticRegression(max_iter=2000, tol=1e-8).fit(matrix, train.target).predict_proba(matrix)
        else:
            expected = Ridge().fit(matrix, train.target).predict(matrix)[:, None]
        assert np.abs(answers(model, train) - expected).max() < 2e-3
    assert not [item for item in recwarn if "converge" in str(item.message)]
