"""`auto` beside its peers: the same rows, the same hold-out, the same budget, one run.

    python benchmarks/auto.py --data ../shared/data/tabular --budget 60 [--only adult] [--peers single flaml]

For each data set 75 % of the rows train and 25 % judge (seed 42). Beside `auto` stand single models with their
defaults, FLAML where it is installed, and AutoGluon by an interpreter of its own. Printed: the metric on the hold-out,
seconds to train, size of the bundle, and the median milliseconds that the loaded bundle takes for one row.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import treadle
from treadle.store.bundle import Bundle, load_bundle

SETS = {
    "adult": (("adult_train.csv.gz", "adult_test.csv.gz"), "income", "roc_auc"),
    "telco": (("telco_churn.csv.gz",), "Churn", "roc_auc"),
    "california": (("california_housing.csv.gz",), "median_house_value", "rmse"),
}
SINGLE = ("linear", "hist_boosting", "lightgbm", "catboost", "xgboost")


def table(folder: Path, files: tuple[str, ...], target: str) -> pl.DataFrame:
    """The rows of all files, blanks and question marks cleaned away."""
    parts = [pl.read_csv(folder / name, infer_schema_length=None, null_values=["?", " ?", " ", ""]) for name in files]
    frame = pl.concat(parts).with_columns(pl.col(pl.String).str.strip_chars().str.strip_chars_end("."))
    return frame.drop_nulls(target)


def project(folder: Path, train: pl.DataFrame, test: pl.DataFrame, target: str) -> treadle.Project:
    """A project whose split is a column of the data: every row that is not for judging is there to learn from."""
    folder.mkdir()
    rows = [train.with_columns(part=pl.lit("train")), test.with_columns(part=pl.lit("test"))]
    pl.concat(rows).write_csv(folder / "rows.csv")
    (folder / "treadle.yaml").write_text(
        f"data: {{source: rows.csv, target: {target}}}\nsplit: {{method: column, column: part, valid: 0}}\n"
    )
    return treadle.open(folder)


def one_row_ms(model: Bundle, frame: pl.DataFrame) -> float:
    """Median milliseconds of one row."""
    times = []
    for position in range(60):
        row = frame[position : position + 1]
        started = time.perf_counter()
        model.predict(row)
        times.append(time.perf_counter() - started)
    return statistics.median(times[10:]) * 1000


def ours(place: treadle.Project, model: str, test: pl.DataFrame, metric: str, budget: float) -> str:
    """One line about one of our models, by way of a whole run."""
    wanted = [f"model.name={model}", f"evaluate.metrics=[{metric}]", "evaluate.bootstrap=0", f"name={model}"]
    run = place.run([*wanted, *([f"model.budget={budget:g}s"] if model == "auto" else [])])
    facts = run.summary()
    seconds = next(item["seconds"] for item in facts["stages"] if item["name"] == "train")
    bundle = Path(facts["bundle"])
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) / 1e6
    score, latency = facts["metrics"][metric]["value"], one_row_ms(load_bundle(bundle), test)
    return f"{model:14} {score:12.4f} {seconds:8.1f} s {size:8.1f} MB {latency:8.2f} ms"


def flaml(train: pl.DataFrame, test: pl.DataFrame, target: str, metric: str, budget: float) -> str:
    """One line about FLAML."""
    from flaml import AutoML
    from sklearn.metrics import roc_auc_score, root_mean_squared_error

    automl = AutoML()
    one, two = train.to_pandas(), test.to_pandas()
    started = time.perf_counter()
    task = "regression" if metric == "rmse" else "classification"
    automl.fit(
        one.drop(columns=target),
        one[target],
        task=task,
        metric=metric,
        time_budget=budget,
        n_jobs=2,
        verbose=0,
        seed=42,
    )
    seconds = time.perf_counter() - started
    rest = two.drop(columns=target)
    if metric == "rmse":
        score = root_mean_squared_error(two[target], automl.predict(rest))
    else:
        positive = sorted(one[target].unique())[1]
        score = roc_auc_score(two[target] == positive, automl.predict_proba(rest)[:, 1])
    return f"{'FLAML':14} {score:12.4f} {seconds:8.1f} s"


AUTOGLUON = """
import os, sys, time
import pandas as pd
from autogluon.tabular import TabularPredictor
folder, target, metric, budget = sys.argv[1:5]
train, test = pd.read_csv(folder + "/train.csv"), pd.read_csv(folder + "/test.csv")
started = time.perf_counter()
kind = {"roc_auc": "roc_auc", "rmse": "root_mean_squared_error"}[metric]
model = TabularPredictor(target, eval_metric=kind, path=folder + "/ag", verbosity=0)
model.fit(train, time_limit=float(budget), presets="medium_quality", num_cpus=2)
seconds = time.perf_counter() - started
score = abs(model.evaluate(test, silent=True)[kind])
times = []
for position in range(20):
    begun = time.perf_counter()
    row = test[position:position + 1]
    model.predict_proba(row) if metric == "roc_auc" else model.predict(row)
    times.append(time.perf_counter() - begun)
size = sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(folder + "/ag") for name in names)
print(f"RESULT {'AutoGluon':14} {score:12.4f} {seconds:8.1f} s {size / 1e6:8.1f} MB {sorted(times)[10] * 1000:8.2f} ms")
"""


def autogluon(python: Path, train: pl.DataFrame, test: pl.DataFrame, target: str, metric: str, budget: float) -> str:
    """One line about AutoGluon (medium preset), run by an interpreter that has it: it does not share our versions."""
    with tempfile.TemporaryDirectory() as folder:
        train.write_csv(Path(folder) / "train.csv")
        test.write_csv(Path(folder) / "test.csv")
        done = subprocess.run(
            [str(python), "-c", AUTOGLUON, folder, target, metric, str(budget)], capture_output=True, text=True
        )
    lines = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return lines[0] if lines else f"{'AutoGluon':14} failed: {done.stderr[-300:]}"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--only", choices=SETS, action="append")
    parser.add_argument("--peers", nargs="*", default=["single", "flaml"])
    parser.add_argument("--autogluon", type=Path, help="an interpreter that has autogluon.tabular")
    given = parser.parse_args()
    for name in given.only or SETS:
        files, target, metric = SETS[name]
        frame = table(given.data, files, target)
        order = np.random.default_rng(42).permutation(frame.height)
        cut = round(frame.height * 0.75)
        train, test = frame[order[:cut]], frame[order[cut:]]
        print(f"\n{name}: {metric}, {train.height:,} rows to train, {test.height:,} to judge", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            place = project(Path(folder) / name, train, test, target)
            for model in (*(SINGLE if "single" in given.peers else ()), "auto"):
                print(ours(place, model, test, metric, given.budget), flush=True)
        if "flaml" in given.peers:
            print(flaml(train, test, target, metric, given.budget), flush=True)
        if given.autogluon:
            print(autogluon(given.autogluon, train, test, target, metric, given.budget), flush=True)


if __name__ == "__main__":
    main()
