"""Batch prediction: rows stream from a source through a model to a file, a batch at a time.

Reading, predicting and writing overlap; memory holds three batches at most, however long the input is. The output
appears under its name only when it is whole.
"""

from __future__ import annotations

import contextlib
import gzip
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.events import Events
from treadle.core.files import disk_error, new_file
from treadle.core.predictor import Predictor

if TYPE_CHECKING:
    import polars as pl

BATCH = 50_000
ROW = "row"
ENDINGS = {
    ".csv": "csv", ".csv.gz": "csv", ".tsv": "tsv", ".tsv.gz": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".ndjson": "jsonl", ".ndjson.gz": "jsonl",
}  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """What a batch prediction came to.

    Attributes:
        rows: predicted.
        columns: of the output.
        output: the file, or ``-`` for stdout.
        seconds: from the first read to the last byte.
    """

    rows: int
    columns: tuple[str, ...]
    output: str
    seconds: float


class Sink(Protocol):
    """Takes frames of one schema, one after the other."""

    def write(self, frame: pl.DataFrame) -> None:
        """Append the rows."""
        ...

    def close(self) -> None:
        """Write what ends the file; the handle below stays open."""
        ...


def score(
    predictor: Predictor,
    lazy: pl.LazyFrame,
    output: Path | IO[bytes],
    *,
    format: str | None = None,
    batch: int = BATCH,
    keep: Sequence[str] = (),
    keep_all: bool = False,
    name: str = "the input",
    events: Events | None = None,
) -> Scored:
    """Predict every row of ``lazy`` and write the predictions in the same order.

    Args:
        predictor: the model.
        lazy: the rows.
        output: a file, which is replaced in one step at the end, or an open binary stream.
        format: ``csv``, ``tsv``, ``jsonl`` or ``parquet``; by default what the file's ending says.
        batch: rows held at a time.
        keep: columns of the input that go before the predictions; without any, the row's number (from 1) does.
        keep_all: keep every column.
        name: what to call the input in an error.
        events: told how many rows are done.
    """
    started = time.perf_counter()
    path = output if isinstance(output, Path) else None
    form = format or (format_of(path) if path else "csv")
    schema = _schema(lazy, name)
    kept = _kept(predictor, schema, list(schema) if keep_all else list(dict.fromkeys(keep)))
    wanted = [item.name for item in predictor.schema.features]
    lazy = lazy.select([column for column in schema if column in {*wanted, *kept}])
    predictor.align(_empty(lazy))

    def predict(frame: pl.DataFrame, done: int) -> pl.DataFrame:
        import polars as pl

        try:
            told = predictor.predict(frame)
        except TreadleError as error:
            place = f"{name}, rows {done + 1:,} to {done + frame.height:,}"
            where = place if error.where is None else f"{place}: {error.where}"
            raise TreadleError(error.problem, where=where, expected=error.expected, remedy=error.remedy) from None
        if kept:
            return pl.concat([frame.select(kept), told], how="horizontal")
        return told.insert_column(0, pl.int_range(done + 1, done + 1 + frame.height, eager=True).alias(ROW))

    with _opened(output) as handle, contextlib.closing(_sink(handle, form, path)) as sink:
        rows, columns = _pump(_batches(lazy, batch, name), predict, sink, events or Events())
    return Scored(rows, columns, str(path) if path else "-", time.perf_counter() - started)


def _pump(
    batches: Iterator[pl.DataFrame],
    predict: Callable[[pl.DataFrame, int], pl.DataFrame],
    sink: Sink,
    events: Events,
) -> tuple[int, tuple[str, ...]]:
    """Read the next batch and write the last one while this one is predicted."""
    rows = 0
    columns: tuple[str, ...] = ()
    with ThreadPoolExecutor(2, thread_name_prefix="treadle-score") as pool:
        coming: Future[pl.DataFrame | None] = pool.submit(next, batches, None)
        writing: Future[None] | None = None
        while (frame := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            told = predict(frame, rows)
            columns = tuple(told.columns)
            rows += frame.height
            if writing is not None:
                writing.result()
            writing = pool.submit(sink.write, told)
            events.progress(f"{rows:,} rows", rows)
        if writing is not None:
            writing.result()
    return rows, columns


def _schema(lazy: pl.LazyFrame, name: str) -> pl.Schema:
    with readable(name):
        return lazy.collect_schema()


def _batches(lazy: pl.LazyFrame, size: int, name: str) -> Iterator[pl.DataFrame]:
    """Frames of ``size`` rows (the last one of fewer); one empty frame for an input without rows."""
    empty = True
    with readable(name):
        for frame in lazy.collect_batches(chunk_size=size, maintain_order=True):
            if frame.height:
                empty = False
                yield frame
    if empty:
        yield _empty(lazy)


def _empty(lazy: pl.LazyFrame) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(schema=lazy.collect_schema())


@contextlib.contextmanager
def readable(name: str) -> Iterator[None]:
    """What Polars says of bad input, in Treadle's one form."""
    import polars as pl

    try:
        yield
    except OSError as error:
        raise disk_error(error, name) from None
    except pl.exceptions.PolarsError as error:
        raise TreadleError(f"the input cannot be read: {str(error).splitlines()[0]}", where=name) from None


def _kept(predictor: Predictor, schema: pl.Schema, kept: list[str]) -> list[str]:
    absent = [column for column in kept if column not in schema]
    if absent:
        raise TreadleError(
            f"there is no column {absent[0]!r}{did_you_mean(absent[0], schema)}", where="--keep",
            expected=f"one of {listing(schema)}",
        )  # fmt: skip
    ours = {"prediction", "low", "high", "score", *(f"probability_{label}" for label in predictor.classes)}
    taken = [column for column in kept if column in ours]
    if taken:
        raise TreadleError(
            f"the input has a column {taken[0]!r}, and so has the output", where="--keep",
            remedy="name the columns to keep, without that one",
        )  # fmt: skip
    return kept


def format_of(path: Path) -> str:
    """The form that a file's ending names."""
    found = [form for ending, form in ENDINGS.items() if path.name.lower().endswith(ending)]
    if not found:
        raise TreadleError(
            f"the ending of {path.name!r} names no known form", where=path,
            expected=f"one of {listing(ENDINGS)}",
        )  # fmt: skip
    return found[0]


@contextlib.contextmanager
def _opened(output: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if not isinstance(output, Path):
        yield output
        output.flush()
        return
    if output.is_dir():
        raise TreadleError("this is a folder, not a file", where=output, remedy="name a file")
    with new_file(output) as temporary, temporary.open("wb") as handle:
        yield handle


def _sink(handle: IO[bytes], form: str, path: Path | None) -> Sink:
    if form == "parquet":
        return _ParquetSink(handle)
    packed = path is not None and path.name.lower().endswith(".gz")
    return _TextSink(handle, form, packed=packed)


class _TextSink:
    """Lines: separated values with a header, or a JSON object each."""

    def __init__(self, handle: IO[bytes], form: str, *, packed: bool) -> None:
        self.handle: Any = gzip.GzipFile(fileobj=handle, mode="wb", compresslevel=6) if packed else handle
        self.packed = packed
        self.form = form
        self.first = True

    def write(self, frame: pl.DataFrame) -> None:
        if self.form == "jsonl":
            frame.write_ndjson(self.handle)
        else:
            separator = "\t" if self.form == "tsv" else ","
            frame.write_csv(self.handle, include_header=self.first, separator=separator)
        self.first = False

    def close(self) -> None:
        if self.packed:
            self.handle.close()


class _ParquetSink:
    """Parquet, a row group a batch."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        self.writer: Any = None

    def write(self, frame: pl.DataFrame) -> None:
        import pyarrow.parquet

        table = frame.to_arrow()
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.handle, table.schema, compression="zstd")
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@contextlib.contextmanager
def stdin_as_file(format: str | None = None) -> Iterator[Path]:
    """Stdin in a temporary file whose ending says what it holds: Parquet and JSON lines are known by their start."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="treadle-") as folder:
        raw = Path(folder) / "stdin"
        with raw.open("wb") as handle:
            shutil.copyfileobj(sys.stdin.buffer, handle, 1024 * 1024)
        with raw.open("rb") as handle:
            head = handle.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        kinds = {b"PAR1": "parquet", b"\x1f\x8b": "csv.gz", b"{": "jsonl"}
        guess = next((ending for start, ending in kinds.items() if head.startswith(start)), "csv")
        yield raw.rename(raw.with_name(f"stdin.{format or guess}"))
