"""Our attributions beside those of the shap library, for the same model and rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import toy_frame
from treadle.core import registry
from treadle.core.labels import classes_of
from treadle.core.predictor import Predictor
from treadle.core.types import Context, Field, Schema


def fitted(model: str) -> tuple[Predictor, pl.DataFrame]:
    frame = toy_frame(600)
    fields = [Field("age", "number", "Int64"), Field("income", "number", "Float64")]
    schema = Schema((*fields, Field("label", "category", "String", "target")), "label")
    predictor = Predictor(
        schema=schema, task="classification", model_name=model, classes=classes_of(frame["label"]),
        options={"rounds": 40} if model != "linear" else {},
    )  # fmt: skip
    return predictor.fit(predictor.align(frame, target=True), None, Context("classification")), frame[:50]


def test_exact_tree_values_are_those_of_the_shap_library(tmp_path: Path):
    shap, lightgbm = pytest.importorskip("shap"), pytest.importorskip("lightgbm")
    predictor, rows = fitted("lightgbm")
    ours = registry.load("explain", "shap")(predictor, rows, rows)
    predictor.model.save(tmp_path)
    texts = sorted(path for path in tmp_path.iterdir() if path.suffix == ".txt")
    booster = lightgbm.Booster(model_file=str(texts[0]))
    matrix = predictor.features(predictor.align(rows)).matrix().astype(np.float64)
    theirs = np.asarray(shap.TreeExplainer(booster).shap_values(matrix))
    theirs = theirs[..., 1] if theirs.ndim == 3 else theirs[1] if theirs.shape[0] == 2 else theirs
    assert ours.columns == ("age", "income")
    assert np.allclose(ours.values, theirs, atol=1e-5)


def test_linear_values_are_those_of_the_shap_library():
    shap = pytest.importorskip("shap")
    predictor, rows = fitted("linear")
    ours = registry.load("explain", "shap")(predictor, rows, rows)
    model = predictor.model
    encoded = predictor.features(predictor.align(toy_frame(600))).matrix().astype(np.float64)
    masker = shap.maskers.Independent(encoded, max_samples=len(encoded))
    explainer = shap.LinearExplainer((model.weights[0], float(model.bias[0])), masker)
    theirs = explainer.shap_values(predictor.features(predictor.align(rows)).matrix().astype(np.float64))
    columns = predictor.features(predictor.align(rows)).columns
    summed = np.stack([theirs[:, [c == name for c in columns]].sum(axis=1) for name in ours.columns], axis=1)
    assert np.allclose(ours.values, summed, atol=1e-3), json.dumps(columns)
