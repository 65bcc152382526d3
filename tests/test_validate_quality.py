"""Expectations stop a run with every violation at once; quality findings inform and stop nothing."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.core.errors import TreadleError
from treadle.core.types import Field, Schema
from treadle.spec.data import Expectation
from treadle.stages import quality
from treadle.stages.validate import violations
from treadle.stages.values import Dataset, Finding

from conftest import toy_frame, treadle  # isort: skip

DAY = datetime.date(2024, 1, 1)


def broken(values: list[Any], kind: str = "number", **rules: Any) -> list[Finding]:
    column = pl.Series("x", values)
    return violations(column, Field("x", kind, str(column.dtype)), Expectation(**rules))


@pytest.mark.parametrize(
    ("values", "kind", "rules", "check", "rows", "first"),
    [
        ([1, 5, None, 9, 11], "number", {"min": 2, "max": 10}, "range", 2, (1, 5)),
        ([DAY, DAY.replace(year=2023), None], "time", {"min": "2024-01-01"}, "range", 1, (2,)),
        ([1.0, None, float("nan")], "number", {"missing": 0.5}, "missing", 2, (2, 3)),
        (["a", "b", None, " c "], "category", {"categories": ["a", "b"]}, "categories", 1, (4,)),
        ([1, 2, 3], "category", {"categories": [1, 2]}, "categories", 1, (3,)),
        ([True, False], "boolean", {"categories": [True]}, "categories", 1, (2,)),
        ([1, 2, 1, None, None, 1], "id", {"unique": True}, "unique", 2, (3, 6)),
        (["a1", "b22", None, "xa1"], "category", {"regex": r"[a-z]\d"}, "regex", 2, (2, 4)),
    ],
)
def test_each_rule_counts_and_names_its_rows(
    values: list[Any], kind: str, rules: dict[str, Any], check: str, rows: int, first: tuple[int, ...]
) -> None:
    (finding,) = broken(values, kind, **rules)
    assert (finding.check, finding.severity, finding.rows, finding.examples) == (check, "error", rows, first)
    assert "'x'" in finding.text


def test_what_holds_is_silent() -> None:
    assert not broken([1, 2, None], min=1, max=2, missing=0.4, unique=True, categories=[1, 2])
    assert not broken([DAY, None], "time", min="2024-01-01", max="2024-12-31T00:00:00")
    assert not broken(["ab", None], "category", regex="a.")


@pytest.mark.parametrize(
    ("values", "rules", "says"),
    [
        (["a"], {"min": 1}, r"data.expect.x.min: 'x' is of kind .* which has no order"),
        ([1], {"max": "high"}, r"data.expect.x.max: 'high' is not a number"),
        ([DAY], {"min": "soon"}, r"data.expect.x.min: 'soon' is not a date"),
        (["a"], {"regex": "("}, r"data.expect.x.regex: not a regular expression"),
    ],
)
def test_rules_that_make_no_sense_say_so(values: list[Any], rules: dict[str, Any], says: str) -> None:
    with pytest.raises(TreadleError, match=says):
        broken(values, **rules)


def test_all_violations_come_at_once_and_nothing_is_trained(make_project: Callable[..., Path]) -> None:
    spec = """
    data:
      source: toy.csv
      target: label
      rows: {min: 1000}
      expect: {age: {min: 30}, city: {categories: [Oslo, Rome]}, income: {missing: 0.0}}
    """
    folder = make_project(spec, toy=toy_frame(200))
    done = treadle("run", cwd=folder, check=False)
    assert done.returncode == 2
    for place in (
        "data.rows.min",
        "data.expect.age.range",
        "data.expect.city.categories",
        "data.expect.income.missing",
    ):
        assert place in done.stderr
    assert "(rows " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((folder / ".treadle").rglob("predictor.json"))


def look(frame: pl.DataFrame, target: str | None, task: str, **given: Any) -> dict[str, list[Finding]]:
    fields = []
    roles = {target: "target", given.get("time"): "time"}
    for name, dtype in frame.schema.items():
        kind = "time" if dtype.is_temporal() else "number" if dtype.is_numeric() else "category"
        column = frame[name]
        fields.append(
            Field(
                name, kind, str(dtype), roles.get(name, "feature"),
                missing=column.null_count() / frame.height, unique=column.drop_nulls().n_unique(),
            )
        )  # fmt: skip
    dataset = Dataset("v", frame.height, Schema(tuple(fields), target, **given), ("x",))
    found: dict[str, list[Finding]] = {}
    for finding in quality.inspect(frame.with_row_index("row number", offset=1), dataset, task):
        assert finding.severity in ("note", "warning")
        found.setdefault(finding.check, []).append(finding)
    return found


def sample(rows: int = 1000, seed: int = 0) -> pl.DataFrame:
    return toy_frame(rows, seed).drop("value").with_columns(pl.col("member").cast(pl.Int8))


def test_a_clean_table_has_no_warning() -> None:
    found = look(sample(), "label", "classification")
    assert not [finding for every in found.values() for finding in every if finding.severity == "warning"]
    assert "label_noise" not in found
    assert "leakage" not in found


def test_a_column_that_knows_the_target_is_told() -> None:
    frame = sample()
    coded = frame["label"].replace_strict({"yes": "x1", "no": "x2"})
    rng = np.random.default_rng(0)
    near = (frame["label"] == "yes").to_numpy() * 10 + rng.normal(size=frame.height)
    found = look(frame.with_columns(coded=coded, near=near), "label", "classification")
    assert {finding.columns[0] for finding in found["leakage"]} == {"coded", "near"}
    value = (
        toy_frame(1000).drop("label").with_columns(again=pl.col("value") * 2 + 1, member=pl.col("member").cast(pl.Int8))
    )
    assert {finding.columns[0] for finding in look(value, "value", "regression")["leakage"]} == {"again"}


def test_flipped_labels_are_found_and_listed() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 4))
    label = (x.sum(axis=1) + rng.normal(0, 0.3, 3000) > 0).astype(int)
    flipped = rng.random(3000) < 0.05
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(4)})
    clean = look(frame.with_columns(y=pl.Series(label).cast(pl.String)), "y", "classification")
    assert "label_noise" not in clean
    noisy = np.where(flipped, 1 - label, label)
    (finding,) = look(frame.with_columns(y=pl.Series(noisy).cast(pl.String)), "y", "classification")["label_noise"]
    assert np.mean([flipped[row - 1] for row in finding.examples]) >= 0.9


def test_repeated_rows_variants_gaps_and_imbalance() -> None:
    frame = sample(400)
    double = pl.concat([frame, frame.head(40)])
    assert look(double, "label", "classification")["duplicates"][0].rows in (40, 41, 42)
    other = frame.head(3).with_columns(label=pl.lit("maybe"))
    assert look(pl.concat([frame, other]), "label", "classification")["contradictions"][0].rows == 6
    near = frame.head(5).with_columns(pl.col("income") + 0.001, city=pl.col("city").str.to_uppercase())
    found = look(pl.concat([frame, near]), "label", "classification")
    assert found["near_duplicates"][0].rows in (4, 5, 6)
    assert "'OSLO' / 'Oslo'" in found["variants"][0].text
    gaps = frame.with_columns(
        a=pl.when(pl.col("age") > 40).then(1.0), b=pl.when(pl.col("age") > 40).then(pl.col("age")), c=pl.lit(1)
    ).with_columns(label=pl.when(pl.int_range(pl.len()) < 4).then(pl.lit("yes")).otherwise(pl.lit("no")))
    found = look(gaps, "label", "classification")
    assert found["missing_together"][0].columns == ("a", "b")
    assert found["imbalance"][0].severity == "warning"
    assert "c" in found["constant"][0].columns
    unlabelled = frame.with_columns(label=pl.when(pl.int_range(pl.len()) > 9).then(pl.col("label")))
    assert look(unlabelled, "label", "classification")["target_missing"][0].rows == 10


def test_drift_over_time_is_noted() -> None:
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 12, 1), "6h", eager=True).alias("t")
    rng = np.random.default_rng(0)
    moved = rng.normal(size=len(days)) + (np.arange(len(days)) > len(days) / 2)
    frame = pl.DataFrame({"t": days, "moved": moved, "still": rng.normal(size=len(days))})
    found = look(frame.with_columns(y=pl.Series(rng.choice(["a", "b"], len(days)))), "y", "classification", time="t")
    assert found["drift"][0].columns == ("moved",)


def test_it_costs_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {f"n{i}": rng.normal(size=50_000) for i in range(6)}
        | {f"c{i}": rng.choice(list("abcdefgh"), 50_000) for i in range(8)}
        | {"y": rng.choice(["a", "b"], 50_000)}
    )
    started = time.process_time()
    look(frame, "y", "classification")
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("label", "says"), [(["a"] * 60, "one value only"), ([None] * 60, "missing"), (["a"] * 59 + ["b"], "single row")]
)
def test_a_target_that_cannot_be_learned(make_project: Callable[..., Path], label: list[Any], says: str) -> None:
    folder = make_project(
        "data: {source: t.csv, target: y}\ntask: classification\n",
        t=pl.DataFrame({"x": list(range(0, 120, 2)), "z": [0.5, 1.5] * 30, "y": pl.Series(label, dtype=pl.String)}),
    )
    done = treadle("run", "--json", cwd=folder, check=False)
    assert done.returncode == 2
    assert says in json.dumps(json.loads(done.stdout.splitlines()[-1]))
