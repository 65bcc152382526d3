"""Fixtures that many tests share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that lies beside the project on some machines."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data is not on this machine")
    return folder


def toy_frame(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """A small mixed table with a signal: two numbers, a category, a flag, gaps, a binary label and a value."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    income = rng.normal(50, 15, rows).round(2)
    city = rng.choice(["Oslo", "Rome", "Lima"], rows, p=[0.5, 0.3, 0.2])
    member = rng.random(rows) < 0.4
    score = 0.05 * (age - 45) + 0.04 * (income - 50) + np.where(city == "Rome", 1.0, 0.0) + 0.8 * member
    label = np.where(score + rng.normal(0, 0.7, rows) > 0.4, "yes", "no")
    value = 10 + 3 * score + rng.normal(0, 0.5, rows)
    frame = pl.DataFrame({"age": age, "income": income, "city": city, "member": member, "label": label, "value": value})
    gaps = pl.Series(rng.random(rows) < 0.05)
    return frame.with_columns(income=pl.when(gaps).then(None).otherwise(pl.col("income")))


@pytest.fixture
def toy() -> pl.DataFrame:
    """`toy_frame` with its defaults."""
    return toy_frame()


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes ``treadle.yaml`` and CSV files into a fresh folder and returns it.

    ``make_project("data: {source: toy.csv, target: label}", toy=toy_frame())``
    """

    def make(spec: str, **frames: pl.DataFrame) -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "treadle.yaml").write_text(spec)
        for name, frame in frames.items():
            frame.write_csv(folder / f"{name}.csv")
        return folder

    return make


def treadle(*arguments: str, cwd: Path, check: bool | None = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; ``check=None`` accepts any exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "treadle", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **env},
    )
    if check is not None and (done.returncode == 0) != check:
        raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def adult(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adult's training rows as a CSV file."""
    path = tmp_path_factory.mktemp("adult") / "adult.csv"
    path.write_bytes(gzip.decompress((shared_data / "tabular" / "adult_train.csv.gz").read_bytes()))
    return path
