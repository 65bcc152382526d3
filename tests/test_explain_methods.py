"""Explainers: they add up, they speak of the user's columns, and they find what matters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.options import options_of
from treadle.core.predictor import Predictor
from treadle.core.types import TARGET, Context, Field, Schema
from treadle.explain._permutation import permutation_values
from treadle.explain._swap import Chosen, Swap, by_user_column
from treadle.stages.explain import explain_rows
from treadle.testing.explain import check_explainer, example_predictor, example_rows

FRAME = example_rows()
USER = ("number", "noise", "city", "member", "note")
QUICK = {"trees": 10, "n_estimators": 20, "rounds": 20, "iterations": 20, "max_iter": 50, "epochs": 2, "max_epochs": 2}
DEEP = {"torch", "keras", "tensorflow"}


def quick_options(model: str) -> dict[str, object]:
    known = options_of(registry.load("models", model))
    return {name: value for name, value in QUICK.items() if name in known}


def supervised() -> list[Any]:
    cases = []
    for name in registry.names("models"):
        component = registry.load("models", name)
        if registry.missing(component):
            continue
        for task, targets in (("classification", ("two", "three")), ("regression", ("value",))):
            if task in component.tags.tasks:
                marks = pytest.mark.slow if DEEP & set(component.tags.requires) else ()
                cases += [pytest.param(name, target, marks=marks) for target in targets]
    return cases


@pytest.mark.parametrize("name", registry.names("explain"))
def test_every_explainer_keeps_the_contract(name: str) -> None:
    component = registry.load("explain", name)
    if registry.missing(component):
        pytest.skip(f"{name} needs {registry.missing(component)}")
    check_explainer(component)


@pytest.mark.parametrize(("model", "target"), supervised())
def test_shap_adds_up_to_what_the_model_predicts(model: str, target: str) -> None:
    """Against the predictions themselves, on whatever scale the method says it uses."""
    predictor = example_predictor(model, target, FRAME, **quick_options(model))
    rows = FRAME.head(6)
    predicted = predictor.predict_codes(predictor.align(rows))
    for how in ("auto", "permutation"):
        found = explain_rows(predictor, rows, FRAME, options={"how": how, "rounds": 4})
        assert set(found.columns) == set(USER)
        assert found.bases is not None
        told = found.bases + found.values.sum(axis=1)
        np.testing.assert_allclose(told, found.output, atol=1e-4)
        if found.scale == "value":
            np.testing.assert_allclose(told, predicted.prediction, rtol=1e-4, atol=1e-4)
            continue
        assert predicted.probability is not None
        labels = found.details.get("labels") or [found.label] * rows.height
        meant = predicted.probability[np.arange(6), [predictor.classes.index(label) for label in labels]]
        if found.scale == "probability":
            np.testing.assert_allclose(told, meant, atol=1e-4)
        elif target == "two":
            np.testing.assert_allclose(1 / (1 + np.exp(-told)), meant, atol=1e-3)
        else:
            raw = np.stack([_told(predictor, rows, label, how) for label in predictor.classes], axis=1)
            odds = np.exp(raw - raw.max(axis=1, keepdims=True))
            np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), predicted.probability, atol=1e-3)


def _told(predictor: Predictor, rows: pl.DataFrame, label: str, how: str) -> np.ndarray:
    found = explain_rows(predictor, rows, FRAME, label=label, options={"how": how})
    assert found.bases is not None
    return found.bases + found.values.sum(axis=1)


def test_both_labels_of_two_mirror_each_other() -> None:
    predictor = example_predictor("linear", "two", FRAME)
    for how in ("native", "permutation"):
        yes = explain_rows(predictor, FRAME.head(4), FRAME, label="yes", options={"how": how})
        no = explain_rows(predictor, FRAME.head(4), FRAME, label="no", options={"how": how})
        np.testing.assert_allclose(yes.values, -no.values, atol=1e-9)


def test_permutation_shap_of_a_linear_model_is_its_closed_form() -> None:
    """For f(x) = w.x + b against one background row, the Shapley value is w_j (x_j - b_j), whatever the order."""
    predictor = example_predictor("linear", "value", FRAME)
    swap = Swap(predictor, FRAME.head(3), FRAME.slice(10, 1))
    players = [[position] for position in range(len(swap.columns))]
    values, base = permutation_values(swap, Chosen(np.zeros(3, dtype=np.int64), None), players, seed=1)
    matrix = swap.features.matrix().astype(np.float64)
    exact = (matrix[:3] - matrix[3]) * predictor.model.weights[0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(values, by_user_column(exact, swap.features.columns, swap.columns), atol=1e-5)
    assert base == pytest.approx(predictor.predict(FRAME.slice(10, 1))["prediction"][0])


def test_permutation_shap_agrees_with_counting_all_coalitions() -> None:
    """Shapley's formula over all 2^5 coalitions, each averaged over the background (Shapley 1953)."""
    predictor = example_predictor("hist_boosting", "value", FRAME)
    rows, typical = FRAME.head(3), FRAME.slice(20, 5)
    swap = Swap(predictor, rows, typical)
    width = len(swap.columns)
    worth = {}
    for mask in range(2**width):
        inside = np.array([bool(mask >> place & 1) for place in range(width)])
        index = np.where(inside, np.arange(3)[:, None, None], (3 + np.arange(5))[None, :, None])
        worth[mask] = swap.outputs(index.reshape(-1, width)).reshape(3, 5).mean(axis=1)
    exact = np.zeros((3, width))
    for place in range(width):
        for mask in worth:
            if not mask >> place & 1:
                size = mask.bit_count()
                weight = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
                exact[:, place] += weight * (worth[mask | 1 << place] - worth[mask])
    many = pl.concat([typical] * 60)
    found = explain_rows(predictor, rows, many, options={"how": "permutation", "rounds": many.height})
    np.testing.assert_allclose(found.values, exact, atol=0.05)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(0, 4), rounds=st.integers(1, 5))
def test_permutation_shap_adds_up_for_any_sample(seed: int, rows: int, rounds: int) -> None:
    predictor = LINEAR
    found = explain_rows(
        predictor, FRAME.sample(rows, seed=seed), FRAME, options={"how": "permutation", "rounds": rounds, "seed": seed}
    )
    assert found.values.shape == (rows, len(USER))
    if rows:
        np.testing.assert_allclose(found.bases + found.values.sum(axis=1), found.output, atol=1e-9)


LINEAR = example_predictor("linear", "three", FRAME)


def test_what_matters_comes_first() -> None:
    predictor = example_predictor("hist_boosting", "value", FRAME)
    for method, options in (("importance", {"metric": "rmse"}), ("importance", {}), ("partial_dependence", {})):
        found = explain_rows(predictor, FRAME, FRAME, method, options=options)
        assert found.columns[int(np.argmax(found.values))] == "number", (method, options)
    shap = explain_rows(predictor, FRAME.head(40), FRAME)
    assert shap.columns[int(np.abs(shap.values).mean(axis=0).argmax())] == "number"


def test_importance_has_an_interval_and_the_metric() -> None:
    predictor = example_predictor("linear", "two", FRAME)
    found = explain_rows(predictor, FRAME, FRAME, "importance", options={"metric": "roc_auc", "repeats": 8})
    assert found.low is not None and found.high is not None
    assert (found.low <= found.values).all() and (found.values <= found.high).all()
    truth = predictor.predict_codes(predictor.align(FRAME, target=True))
    metric = registry.load("metrics", "roc_auc")()
    metric.update(truth)
    assert found.base == pytest.approx(metric.value())
    assert found.scale == "roc_auc"


def test_importance_in_pieces_is_importance_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = example_predictor("linear", "value", FRAME)
    whole = explain_rows(predictor, FRAME, FRAME, "importance", options={"metric": "mae"})
    for module in ("_swap", "importance", "_permutation"):
        monkeypatch.setattr(f"treadle.explain.{module}.CELLS", 500)
    pieces = explain_rows(predictor, FRAME, FRAME, "importance", options={"metric": "mae"})
    np.testing.assert_allclose(whole.values, pieces.values)


def test_lime_agrees_with_a_model_that_is_a_sum() -> None:
    pytest.importorskip("lime")
    predictor = example_predictor("linear", "value", FRAME)
    rows = FRAME.sort("number").tail(3)
    found = explain_rows(predictor, rows, FRAME, "lime")
    assert (found.values[:, found.columns.index("number")] > 1.0).all()
    assert found.details["local"] == pytest.approx((np.asarray(found.bases) + found.values.sum(axis=1)).tolist())


def test_partial_dependence_of_each_kind() -> None:
    predictor = example_predictor("linear", "three", FRAME)
    found = explain_rows(predictor, FRAME, FRAME, "partial_dependence", options={"names": ("city", "number", "member")})
    partial = found.details["partial"]
    assert list(partial) == ["city", "number", "member"]
    assert set(partial["city"]["grid"]) == {"Lima", "Oslo", "Rome"}
    assert partial["number"]["grid"] == sorted(partial["number"]["grid"])
    totals = np.sum([partial["number"]["curves"][label] for label in predictor.classes], axis=0)
    np.testing.assert_allclose(totals, 1.0, atol=1e-6)
    one = explain_rows(predictor, FRAME, FRAME, "partial_dependence", label="2", options={"lines": 7})
    assert len(one.details["partial"]["number"]["ice"]) == 7


def wide(columns: int, rows: int = 60) -> tuple[Predictor, pl.DataFrame]:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"c{number}": rng.normal(size=rows) for number in range(columns)})
    frame = frame.with_columns(y=10 * pl.col("c7") + pl.col("c3"))
    fields = [Field(name, "number", "Float64") for name in frame.columns[:-1]]
    schema = Schema((*fields, Field("y", "number", "Float64", TARGET)), "y")
    predictor = Predictor(schema=schema, task="regression", model_name="linear")
    return predictor.fit(frame, None, Context(task="regression")), frame


def test_a_thousand_columns() -> None:
    predictor, frame = wide(1000)
    found = explain_rows(predictor, frame.head(3), frame, options={"how": "permutation", "columns": 10})
    assert found.columns[-1] == "(990 other columns)" and "c7" in found.columns
    np.testing.assert_allclose(found.bases + found.values.sum(axis=1), found.output, atol=1e-6)
    assert any("990" in note for note in found.notes)
    for method in ("lime", "importance", "partial_dependence"):
        if not registry.missing(registry.load("explain", method)):
            short = explain_rows(predictor, frame.head(2), frame, method, options={"columns": 5})
            assert len(short.columns) == 5 and "c7" in short.columns, method


@pytest.mark.parametrize("task", ["clustering", "anomaly"])
def test_tasks_without_labels(task: str) -> None:
    for name in registry.names("models"):
        component = registry.load("models", name)
        if task not in component.tags.tasks or registry.missing(component):
            continue
        fields = tuple(Field(c, "number", "Float64") for c in ("number", "noise"))
        frame = FRAME.select("number", "noise")
        predictor = Predictor(schema=Schema(fields), task=task, model_name=name)
        predictor.fit(predictor.align(frame), None, Context(task=task))
        found = explain_rows(predictor, frame.head(3), frame, options={"rounds": 5})
        np.testing.assert_allclose(found.bases + found.values.sum(axis=1), found.output, atol=1e-9)
        assert explain_rows(predictor, frame, frame, "importance").values.shape == (2,)


def test_mistakes_are_told() -> None:
    predictor = example_predictor("linear", "three", FRAME)
    with pytest.raises(TreadleError, match="did you mean 'shap'"):
        explain_rows(predictor, FRAME, FRAME, "sharp")
    with pytest.raises(TreadleError, match="no option 'row'"):
        explain_rows(predictor, FRAME, FRAME, options={"row": 3})
    with pytest.raises(TreadleError, match="unknown label '9'"):
        explain_rows(predictor, FRAME, FRAME, label="9")
    with pytest.raises(TreadleError, match="a column is missing: city"):
        explain_rows(predictor, FRAME.drop("city"), FRAME)
    with pytest.raises(TreadleError, match="needs background rows"):
        explain_rows(predictor, FRAME, FRAME.head(0), options={"how": "permutation"})
    with pytest.raises(TreadleError, match="no feature 'cty'"):
        explain_rows(predictor, FRAME, FRAME, "partial_dependence", options={"names": ("cty",)})
