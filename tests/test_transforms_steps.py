"""What each named step does, on numbers that can be checked by hand; and how mistakes in `features` are told."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import toy_frame, treadle
from treadle.core import registry
from treadle.core.encoding import Encoding
from treadle.core.errors import TreadleError
from treadle.core.types import Field, Needs, Schema
from treadle.spec.features import check_steps
from treadle.spec.read import parse_spec

NUMBER = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 100.0, None]})


def step(name: str, frame: pl.DataFrame, after: pl.DataFrame | None = None, **options: Any) -> list[list[Any]]:
    found = registry.build("transforms", name, options).fit(frame).apply(frame if after is None else after)
    return [found[column].to_list() for column in found.columns]


def test_numbers() -> None:
    assert step("clip", NUMBER, low=2, high=4) == [[2.0, 2.0, 3.0, 4.0, 4.0, None]]
    assert step("clip", NUMBER, quantile=0.25) == [[2.0, 2.0, 3.0, 4.0, 4.0, None]]
    assert step("log", pl.DataFrame({"x": [-math.e + 1, 0.0, None]}))[0] == pytest.approx(
        [-1.0, 0.0, None], nan_ok=True
    )
    assert step("impute", NUMBER) == [[1.0, 2.0, 3.0, 4.0, 100.0, 3.0]]
    assert step("impute", NUMBER, how="mean", flag=True) == [[1, 2, 3, 4, 100, 22], [0, 0, 0, 0, 0, 1]]
    assert step("impute", NUMBER, how="constant", value=-1)[0][-1] == -1.0
    assert step("robust_scale", NUMBER)[0][:3] == [-1.0, -0.5, 0.0]
    assert max(step("robust_scale", NUMBER, smooth=True)[0][:-1]) < 3
    assert step("bin", NUMBER, bins=2)[0] == ["[-inf, 3)", "[-inf, 3)", "[3, inf)", "[3, inf)", "[3, inf)", None]
    standard = np.array(step("standardize", NUMBER)[0][:-1])
    assert standard.mean() == pytest.approx(0)
    assert standard.std() == pytest.approx(1)


@pytest.mark.parametrize("name", ["power", "quantile"])
def test_skew_goes(name: str) -> None:
    values = np.random.default_rng(0).lognormal(0, 1, 2000)
    made = np.array(step(name, pl.DataFrame({"x": values}))[0])
    assert abs(((made - made.mean()) ** 3).mean() / made.std() ** 3) < 0.25
    assert (np.diff(made[np.argsort(values)]) >= 0).all()


def test_categories() -> None:
    frame = pl.DataFrame({"c": ["a", "a", "a", "b", "b", "z", None]})
    assert step("rare", frame, share=0.2) == [["a", "a", "a", "b", "b", "(rare)", None]]
    assert step("rare", frame, pl.DataFrame({"c": ["new"]}), top=1) == [["(rare)"]]
    assert step("count", frame, log=False) == [[3.0, 3.0, 3.0, 2.0, 2.0, 1.0, None]]
    assert step("ordinal", frame, order=["z", "a", "b"]) == [[1.0, 1.0, 1.0, 2.0, 2.0, 0.0, None]]
    assert step("ordinal", pl.DataFrame({"c": ["10", "9"]})) == [[1.0, 0.0]]
    assert step("impute", frame)[0][-1] == "a"
    block = registry.build("transforms", "one_hot", {"top": 1}).fit(frame).apply(frame)
    assert block.names == ("c=a", "c=(other)")
    assert block.values.tolist()[2:] == [[1, 0], [0, 1], [0, 1], [0, 1], [0, 0]]


def test_times() -> None:
    frame = pl.DataFrame({"t": [datetime.datetime(2024, 3, 2, 12), datetime.datetime(2024, 3, 4), None]})
    assert step("calendar", frame, of=["weekday", "weekend"]) == [[6.0, 1.0, None], [1.0, 0.0, None]]
    assert step("elapsed", frame) == [[0.0, 1.5, None]]
    assert step("elapsed", frame, since="2024-03-01", unit="hours") == [[36.0, 72.0, None]]
    sine, cosine = step("calendar", frame, of=["hour"], cyclic=True)
    assert (sine[0], cosine[0]) == (pytest.approx(0, abs=1e-9), pytest.approx(-1))


def test_words() -> None:
    frame = pl.DataFrame({"w": ["  Big  Dog ", "big cat 7", "", None]})
    assert step("lowercase", frame)[0] == ["  big  dog ", "big cat 7", "", None]
    assert step("strip", frame)[0] == ["Big Dog", "big cat 7", None, None]
    assert step("replace", frame, pattern=r"\d", by="#")[0][1] == "big cat #"
    encoder = registry.build("transforms", "tfidf", {"least": 1, "ngrams": 2}).fit(frame)
    block = encoder.apply(frame)
    assert block.names == tuple(f"w: {word}" for word in ("7", "big", "big cat", "big dog", "cat", "cat 7", "dog"))
    assert np.linalg.norm(block.values, axis=1).round(6).tolist() == [1.0, 1.0, 0.0, 0.0]
    rare, common = block.values[1][0], block.values[1][1]
    assert rare / common == pytest.approx((math.log(5 / 2) + 1) / (math.log(5 / 3) + 1))


def test_a_value_without_a_name_is_the_first_option() -> None:
    spec = parse_spec(
        "data: {source: a.csv}\nfeatures: {note: [{tfidf: {ngrams: 2}}], x: {clip: 3}, t: {calendar: [hour]}}"
    )
    steps = spec.steps()
    assert steps["x"] == [("clip", {"_": 3})]
    assert registry.build("transforms", "clip", {"_": 3}).low == 3
    assert registry.build("transforms", "calendar", dict(steps["t"][0][1])).of == ("hour",)
    with pytest.raises(TreadleError, match="log cannot take 3"):
        registry.build("transforms", "log", {"_": 3})


SCHEMA = Schema(
    (
        Field("age", "number", "Int64"),
        Field("city", "category", "String"),
        Field("id", "id", "Int64", role="dropped", reason="an identifier"),
        Field("y", "category", "String", role="target"),
    ),
    target="y",
)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ({"agee": [("clip", {})]}, r"features.agee: there is no column 'agee' \(did you mean 'age'\?\)"),
        ({"y": [("rare", {})]}, r"features.y: 'y' is not learned from .it is the target."),
        ({"id": [("clip", {})]}, "features.id: 'id' is not learned from"),
        ({"age": [("clp", {})]}, r"features.age: unknown transform 'clp' \(did you mean 'clip'\?\)"),
        (
            {"age": [("clip", {"hihg": 1})]},
            r"features.age.clip.hihg: clip has no option 'hihg' \(did you mean 'high'\?\)",
        ),
        ({"age": [("lowercase", {})]}, "features.age.lowercase: lowercase cannot be applied: 'age' is of kind number"),
        ({"age": [("bin", {}), ("log", {})]}, "what comes before it is of kind category"),
        ({"city": [("one_hot", {}), ("rare", {})]}, "one_hot makes numbers of the column and must be the last step"),
    ],
)
def test_mistakes_in_features_are_told_before_data_is_touched(steps: dict[str, Any], says: str) -> None:
    with pytest.raises(TreadleError, match=says):
        check_steps(steps, SCHEMA)


def test_all_mistakes_come_at_once_and_good_steps_pass() -> None:
    check_steps(
        {"age": [("clip", {"_": 0}), ("bin", {}), ("one_hot", {})], "city": [("count", {}), ("log", {})]}, SCHEMA
    )
    with pytest.raises(TreadleError) as caught:
        check_steps({"nope": [], "age": [("clp", {})]}, SCHEMA)
    assert len(str(caught.value).split("features.")) == 3


def test_a_chain_names_the_users_own_column(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": [datetime.datetime(2024, month, 1) for month in range(1, 13)]})
    schema = Schema((Field("t", "time", "Datetime(time_unit='us', time_zone=None)"),))
    steps = {"t": [("calendar", {"of": ["month", "weekday"]}), ("clip", {"high": 6})]}
    encoding = Encoding(schema, Needs(), steps).fit(frame)
    (block,) = encoding.apply(frame).values()
    assert block.columns == ("t", "t")
    encoding.save(tmp_path)
    (again,) = Encoding(schema, Needs(), steps).load(tmp_path).apply(frame).values()
    assert (again.values == block.values).all()


def test_a_run_with_steps(make_project: Callable[..., Path]) -> None:
    spec = """
    data: {source: toy.csv, target: label, drop: [value]}
    features: {age: [{clip: {quantile: 0.01}}, standardize], income: [{impute: {flag: true}}, log], city: [one_hot]}
    model: {name: linear}
    evaluate: {metrics: [roc_auc], bootstrap: 0}
    """
    folder = make_project(spec, toy=toy_frame(300))
    done = treadle("run", "--json", cwd=folder)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["metrics"]["roc_auc"]["value"] > 0.8
    wrong = treadle("check", "--set", "features.age=[clipp]", cwd=folder, check=False)
    assert wrong.returncode == 2
    assert "did you mean 'clip'?" in wrong.stderr
