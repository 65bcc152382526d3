"""Batch prediction: the same answers as in one piece, in order, whole or not at all, in bounded memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from conftest import toy_frame
from treadle.core.errors import TreadleError
from treadle.core.events import Event, Events
from treadle.core.predictor import Predictor
from treadle.core.types import Context
from treadle.spec.data import Data
from treadle.stages.ingest import sources
from treadle.stages.score import format_of, score


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A linear model of the toy data."""
    from treadle.core.types import Field, Schema

    kinds = {"age": "number", "income": "number", "city": "category", "member": "boolean"}
    frame = toy_frame(200)
    fields = [Field(name, kind, str(frame.schema[name])) for name, kind in kinds.items()]
    target = Field("label", "boolean", "String", role="target", categories=("no", "yes"))
    schema = Schema((*fields, target), "label")
    found = Predictor(schema=schema, task="classification", model_name="linear", classes=("no", "yes"))
    return found.fit(found.align(frame, target=True), None, Context("classification"))


def scan(path: Path) -> pl.LazyFrame:
    return sources(Data(source=str(path)), Path())[0].scan()


def read(path: Path) -> pl.DataFrame:
    if path.name.endswith(".parquet"):
        return pl.read_parquet(path)
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.name.endswith(".gz") else raw
    if ".jsonl" in path.name:
        return pl.read_ndjson(io.BytesIO(raw))
    return pl.read_csv(io.BytesIO(raw), separator="\t" if ".tsv" in path.name else ",")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet", "jsonl", "jsonl.gz"])
def test_every_form_holds_the_same(ending: str, predictor: Predictor, tmp_path: Path) -> None:
    frame = toy_frame(101, seed=3)
    frame.write_csv(tmp_path / "in.csv")
    done = score(predictor, scan(tmp_path / "in.csv"), tmp_path / f"out.{ending}", batch=20)
    whole = predictor.predict(frame)
    found = read(tmp_path / f"out.{ending}")
    assert done.rows == 101 and list(done.columns) == found.columns == ["row", *whole.columns]
    assert found["row"].to_list() == list(range(1, 102))
    assert_frame_equal(found.drop("row"), whole, abs_tol=1e-12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(0, 60), batch=st.integers(1, 70), seed=st.integers(0, 5))
def test_batches_do_not_show(rows: int, batch: int, seed: int, predictor: Predictor, tmp_path: Path) -> None:
    frame = toy_frame(60, seed=seed).head(rows)
    done = score(predictor, frame.lazy(), tmp_path / "out.parquet", batch=batch, keep=["value", "city"])
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert done.rows == found.height == rows
    assert_frame_equal(found.select("value", "city"), frame.select("value", "city"))
    assert_frame_equal(found.drop("value", "city"), predictor.predict(frame), abs_tol=1e-9)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_no_rows_give_the_columns(ending: str, predictor: Predictor, tmp_path: Path) -> None:
    done = score(predictor, toy_frame(5).head(0).lazy(), tmp_path / f"out.{ending}")
    assert done.rows == 0 and done.columns[:2] == ("row", "prediction")
    if ending == "csv":
        assert (tmp_path / "out.csv").read_text().strip() == ",".join(done.columns)


def test_an_error_names_its_rows_and_leaves_the_old_output(predictor: Predictor, tmp_path: Path) -> None:
    frame = toy_frame(50).with_columns(pl.col("age").cast(pl.String))
    frame[37, "age"] = "old"
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(TreadleError, match=r"rows 31 to 40.*old") as raised:
        score(predictor, frame.lazy(), tmp_path / "out.csv", batch=10, name="new.csv")
    assert "new.csv" in str(raised.value)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_an_interrupt_leaves_nothing_half(predictor: Predictor, tmp_path: Path) -> None:
    class Interrupting(Events):
        def emit(self, event: Event) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(predictor, toy_frame(50).lazy(), tmp_path / "out.parquet", batch=10, events=Interrupting())
    assert list(tmp_path.iterdir()) == []


def test_columns_are_checked_before_anything_is_written(predictor: Predictor, tmp_path: Path) -> None:
    frame = toy_frame(20)
    for wrong, told in (
        (frame.drop("age").lazy(), "age"),
        (frame.with_columns(prediction=pl.lit(1)).lazy(), "so has the output"),
    ):
        with pytest.raises(TreadleError, match=told):
            score(predictor, wrong, tmp_path / "out.csv", keep_all=True)
    with pytest.raises(TreadleError, match="did you mean 'city'"):
        score(predictor, frame.lazy(), tmp_path / "out.csv", keep=["ctiy"])
    with pytest.raises(TreadleError, match="names no known form"):
        format_of(tmp_path / "out.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_the_progress_counts_rows(predictor: Predictor, tmp_path: Path) -> None:
    seen: list[float] = []
    events = Events(lambda event: seen.append(event.done))
    score(predictor, toy_frame(50).lazy(), tmp_path / "out.csv", batch=20, events=events)
    assert seen == [20, 40, 50]


def test_the_model_sees_a_batch_at_a_time(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heights: list[int] = []
    original = predictor.predict

    def watched(frame: pl.DataFrame) -> pl.DataFrame:
        heights.append(frame.height)
        return original(frame)

    monkeypatch.setattr(predictor, "predict", watched)
    score(predictor, pl.concat([toy_frame(70, seed=seed) for seed in range(30)]).lazy(), tmp_path / "out.csv", batch=64)
    assert max(heights) <= 64 and sum(heights) == 2100


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Ten times the rows may not take more than a little more memory (peak of a process of its own)."""
    peaks = []
    for copies in (1, 10):
        path = tmp_path / f"in{copies}.parquet"
        pl.concat([toy_frame(50_000, seed=seed) for seed in range(copies)]).write_parquet(path, row_group_size=20_000)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(path), str(tmp_path / "out.parquet")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 120 * 1024, peaks


PEAK = """
import re, sys
import polars as pl
from pathlib import Path
from treadle.core.predictor import Predictor
from treadle.core.types import Context, Field, Schema
from treadle.stages.score import score
names = ("age", "income", "value")
fields = tuple(Field(name, "number", "Float64", "target" if name == "value" else "feature") for name in names)
lazy = pl.scan_parquet(sys.argv[1])
head = lazy.head(2000).collect()
model = Predictor(schema=Schema(fields, "value"), task="regression", model_name="linear")
model.fit(model.align(head, target=True), None, Context("regression"))
score(model, lazy, Path(sys.argv[2]), batch=20_000)
# Not `getrusage`, whose maximum a process inherits from its parent.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
