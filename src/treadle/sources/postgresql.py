"""PostgreSQL databases: ``postgresql://user:$PASSWORD@host:5432/name`` and a query."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.errors import TreadleError
from treadle.core.options import Doc
from treadle.core.types import SourceTags
from treadle.core.urls import redact, scheme_of
from treadle.sources._files import lazily
from treadle.sources._sql import ROWS, check_names, frame_of, statement

if TYPE_CHECKING:
    import polars as pl

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2")
WAIT = 15


class Postgresql:
    """The rows of a query or of a table, streamed by a cursor on the server, in a transaction that only reads.

    The fingerprint is the number of the rows and a sum of their hashes, both counted on the server: every row is
    looked at there, none travels. For a very large table name a column in ``changes`` that grows with each change
    (``updated_at``, a serial): the fingerprint is then its maximum and the number of rows.
    """

    tags = SourceTags(requires=("psycopg",), extra="sources")

    def __init__(
        self,
        *,
        url: str,
        query: Annotated[str | None, Doc("a SELECT, or the name of a table")] = None,
        changes: Annotated[str | None, Doc("a column that grows with each change, instead of hashing all rows")] = None,
    ) -> None:
        self.url = url
        self.query = query
        self.changes = changes

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return scheme_of(url) in SCHEMES

    def scan(self) -> pl.LazyFrame:
        """The rows of the query."""
        with self._cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({self._statement()}) AS q LIMIT 0")  # noqa: S608 (the user's own query)
            names = check_names([item.name for item in cursor.description])
            schema = {name: _type(item.type_code) for name, item in zip(names, cursor.description, strict=True)}

        def batches(columns: list[str] | None) -> Iterator[pl.DataFrame]:
            with self._cursor("treadle") as cursor:
                cursor.execute(self._statement())
                while rows := cursor.fetchmany(ROWS):
                    yield frame_of([tuple(map(_plain, row)) for row in rows], schema)

        return lazily(schema, batches)

    def fingerprint(self) -> str:
        """Row count with a sum of row hashes, or with the maximum of ``changes``."""
        what = "coalesce(sum(('x' || substr(md5(q::text), 1, 15))::bit(60)::bigint::numeric), 0)::text"
        if self.changes is not None:
            quoted = '"' + self.changes.replace('"', '""') + '"'
            what = f"max(q.{quoted})::text"
        with self._cursor() as cursor:
            cursor.execute(f"SELECT count(*), {what} FROM ({self._statement()}) AS q")  # noqa: S608
            rows, digest = cursor.fetchone()
        return f"{rows} rows {digest}"

    def _statement(self) -> str:
        if self.query is None or not self.query.strip():
            with self._cursor() as cursor:
                cursor.execute(
                    "SELECT table_name FROM information_schema.tables "
                    "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
                )
                return statement(None, [row[0] for row in cursor.fetchall()], redact(self.url))
        return statement(self.query, (), redact(self.url))

    @contextlib.contextmanager
    def _cursor(self, name: str = "") -> Iterator[Any]:
        import psycopg

        url = re.sub(r"^\w+(\+\w+)?://", "postgresql://", self.url)
        try:
            with psycopg.connect(url, connect_timeout=WAIT, autocommit=False) as connection:
                connection.read_only = True
                with connection.cursor(name) if name else connection.cursor() as cursor:
                    yield cursor
        except psycopg.OperationalError as error:
            raise TreadleError(
                f"the database does not answer: {_first(error)}", where=redact(self.url), expected="a server that runs",
                remedy="check host, port, name and password",
            ) from None  # fmt: skip
        except psycopg.Error as error:
            raise TreadleError(f"the query fails: {_first(error)}", where="data.query") from None


def _first(error: Exception) -> str:
    return redact(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)


def _type(code: int) -> Any:
    """The Polars type of a PostgreSQL type, by its number in the catalogue; text for all others."""
    import polars as pl

    known: dict[int, Any] = {16: pl.Boolean, 20: pl.Int64, 21: pl.Int64, 23: pl.Int64, 26: pl.Int64, 700: pl.Float64,
                             701: pl.Float64, 1700: pl.Float64, 1082: pl.Date, 1114: pl.Datetime("us"),
                             1184: pl.Datetime("us")}  # fmt: skip
    return known.get(code, pl.String)


def _plain(value: Any) -> Any:
    """Moments with a zone as UTC without one; all others as they are."""
    zone = getattr(value, "tzinfo", None)
    if zone is None or not hasattr(value, "astimezone"):
        return value
    import datetime

    return value.astimezone(datetime.UTC).replace(tzinfo=None)


COMPONENT = Postgresql
