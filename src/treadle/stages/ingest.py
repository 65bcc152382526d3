"""Read the source once, settle what its columns mean, keep it as Parquet under a version made of its content.

The way of the data: the sources' rows go in batches into a spool of Parquet files (sources that are Parquet already are
read where they lie); a sample spread over all of it says what the columns may mean, a query over all rows says whether
that holds everywhere; then the batches are converted into ``data.parquet``, and facts are counted there. Memory holds
some batches and never the table.

The version is made of the content alone: of one file the hash of its bytes, of several the hash of their names and
hashes, of anything else (databases, samples, hubs) a hash over the rows in their order. The way in which a file is read
(separator, kinds of columns) does not change the version, how many rows of it are used (``data.limit``) does.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import Interrupted, TreadleError
from treadle.core.events import Events
from treadle.core.files import disk_error
from treadle.core.frames import RowHash, joined
from treadle.core.urls import redact
from treadle.spec.data import Data
from treadle.spec.spec import Spec
from treadle.stages.opening import file_version, place_of, secrets_of, source_fingerprint, sources, tags_of, written
from treadle.stages.settling import check_columns, convert, describe, plain, settle
from treadle.stages.values import Dataset, Job

if TYPE_CHECKING:
    import polars as pl

__all__ = ["run", "source_fingerprint", "sources"]

INPUTS: tuple[str, ...] = ()
VALUE = Dataset
SAMPLE = 20_000
CELLS = 4_000_000
BATCH = 250_000


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {**spec.data.model_dump(mode="json", exclude={"expect", "rows"}), "split": spec.split.column}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The components whose code and libraries this stage depends on."""
    return [(group, name) for group in ("modalities", "sources") for name in registry.names(group)]


@dataclass(frozen=True)
class Raw:
    """The rows as the sources gave them.

    Attributes:
        frame: over all of them.
        rows: how many.
        sample: some of them, evenly spread over all.
        digest: their hash, where it was asked for.
        parts: the files of the spool, none where the source itself is read again.
    """

    frame: pl.LazyFrame
    rows: int
    sample: pl.DataFrame
    digest: str | None = None
    parts: tuple[Path, ...] = ()

    def batches(self, events: Events) -> Iterator[pl.DataFrame]:
        """The rows in order; of the spool one file after the other, so that nothing is read ahead."""
        import polars as pl

        if not self.parts:
            yield from batches(self.frame, events)
        for path in self.parts:
            check_stop(events)
            yield pl.read_parquet(path)


def run(job: Job) -> Dataset:
    """Read, settle, convert; write ``data.parquet``."""
    data = job.spec.data
    with secrets_of(data):
        found = sources(data, job.project, job.workspace)
        with told(data):
            version = file_version(found, data.limit, job.workspace)
            lazy = joined([(redact(url), source.scan()) for url, source in zip(written(data), found, strict=True)])
            names = lazy.collect_schema().names()
            check_columns(names, data)
            if job.spec.split.column in names:
                # It says who judges; a model must not learn from it.
                data = data.model_copy(update={"drop": (*data.drop, job.spec.split.column)})
            if data.limit:
                lazy = lazy.head(data.limit)
            spool = job.folder / "spool"
            raw = _raw(plain(lazy), found, spool, job.events, hashed=version is None)
            if raw.rows == 0:
                raise TreadleError("the data has no rows", where=", ".join(map(redact, written(data))))
            schema = _write(raw, data, found, job)
            shutil.rmtree(spool, ignore_errors=True)
    notes = tuple(note for source in found if hasattr(source, "inferred") for note in source.inferred())
    return Dataset(
        version or str(raw.digest),
        raw.rows,
        schema,
        tuple(map(redact, written(data))),
        notes if len(found) == 1 else (),
    )


def _raw(lazy: pl.LazyFrame, found: list[Any], spool: Path, events: Events, *, hashed: bool) -> Raw:
    """The rows in a form that is cheap to read several times."""
    import polars as pl

    if not hashed and all(tags_of(source).columnar for source in found):
        rows = int(lazy.select(pl.len()).collect(engine="streaming").item())
        return Raw(lazy, rows, lazy.gather_every(max(1, rows // SAMPLE)).collect(engine="streaming"))
    spool.mkdir()
    digest = RowHash() if hashed else None
    spread = Spread(SAMPLE)
    rows = 0
    for number, batch in enumerate(batches(lazy, events)):
        if digest is not None:
            digest.update(batch)
        batch.write_parquet(spool / f"{number:06d}.parquet", compression="lz4", statistics=False)
        spread.add(batch)
        rows += batch.height
        events.progress("reading", rows)
    if rows == 0:
        return Raw(lazy, 0, pl.DataFrame(schema=lazy.collect_schema()))
    parts = sorted(spool.glob("*.parquet"))
    return Raw(pl.scan_parquet(parts), rows, spread.frame(), digest.hexdigest() if digest else None, tuple(parts))


class Spread:
    """Every so many-th row of a stream whose length nobody knows: ``least`` to twice that many of them.

    Whenever there are more, every second one is let go, and from then on only every second one is taken.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._step = 1
        self._seen = 0
        self._kept: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Take in the next rows."""
        import polars as pl

        first = -self._seen % self._step
        self._seen += batch.height
        if first < batch.height:
            self._kept.append(batch if self._step == 1 else _anew(batch.gather_every(self._step, first)))
        while sum(map(len, self._kept)) > 2 * self._least:
            self._kept = [_anew(pl.concat(self._kept).gather_every(2))]
            self._step *= 2

    def frame(self) -> pl.DataFrame:
        """The rows kept, in their order."""
        import polars as pl

        return pl.concat(self._kept)


def _anew(frame: pl.DataFrame) -> pl.DataFrame:
    """A copy of its own: the few texts of a selection would hold on to the memory of all that they are taken from."""
    import polars as pl

    return pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema)


def batches(lazy: pl.LazyFrame, events: Events) -> Iterator[pl.DataFrame]:
    """The rows in order, in frames of a size that keeps memory small however wide the table is."""
    width = max(1, len(lazy.collect_schema()))
    for batch in lazy.collect_batches(chunk_size=max(1_000, min(BATCH, CELLS // width)), maintain_order=True):
        check_stop(events)
        if batch.height:
            yield batch


def check_stop(events: Events) -> None:
    """End here when somebody asked to stop."""
    if events.stopping:
        raise Interrupted("stopped while the data was read; nothing of it is kept")


def _write(raw: Raw, data: Data, found: list[Any], job: Job) -> Any:
    """Settle the columns, write ``data.parquet``, and return the schema with the facts of all rows."""
    import polars as pl
    from polars.io.plugins import register_io_source

    def place(row: int) -> str:
        return place_of(found, row)

    settled = settle(raw.frame, lambda: raw.batches(job.events), raw.sample, data, place)
    empty = convert(raw.sample.clear(), settled, 0, place)

    def converted(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        done = 0
        for batch in raw.batches(job.events):
            yield convert(batch, settled, done, place)
            done += batch.height
            job.events.progress("converting", done, raw.rows)

    target = job.folder / "data.parquet"
    lazy = register_io_source(converted, schema=empty.schema)
    lazy.sink_parquet(target, compression="zstd", compression_level=1, row_group_size=BATCH)
    return describe(pl.scan_parquet(target), raw.rows, settled, raw.sample, data)


@contextmanager
def told(data: Data) -> Iterator[None]:
    """What goes wrong in the libraries that read and write, as the one clear error."""
    import polars as pl

    where = ", ".join(map(redact, written(data)))
    try:
        yield
    except TreadleError:
        raise
    except OSError as error:
        raise disk_error(error, error.filename or where) from None
    except pl.exceptions.PolarsError as error:
        raise _explained(error, where) from None
    except BaseException as error:
        # A panic inside Polars on a damaged file is no `Exception`.
        if type(error).__name__ == "PanicException":
            raise _explained(error, where) from None
        raise


def _explained(error: BaseException, where: str) -> TreadleError:
    text = redact(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    if "No space left" in text:
        return TreadleError("the disk is full", where=where, remedy="free some space, then run the same command again")
    return TreadleError(f"cannot be read ({text[:300]})", where=where, remedy="is the file whole? copy it again")
