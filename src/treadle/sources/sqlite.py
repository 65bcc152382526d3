"""SQLite databases: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or the file itself."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.files import hash_content, hash_file
from treadle.core.options import Doc
from treadle.core.types import SourceTags
from treadle.sources._files import lazily, local_file
from treadle.sources._sql import ROWS, check_names, frame_of, statement

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".db", ".sqlite", ".sqlite3")
COLUMNS = 200


class Sqlite:
    """The rows of a query or of a table, streamed from a database that is opened read-only.

    SQLite has no fixed types: a column that holds numbers alone is read as numbers, every other one as text.
    """

    tags = SourceTags()

    def __init__(
        self,
        *,
        url: str,
        query: Annotated[str | None, Doc("a SELECT, or the name of a table")] = None,
        folder: Annotated[str | None, Doc("where relative paths start")] = None,
    ) -> None:
        self.url = url
        self.query = query
        self.folder = folder

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme, or by the ending of a local file."""
        return url.startswith("sqlite:") or ("://" not in url and url.lower().endswith(ENDINGS))

    @classmethod
    def example(cls, folder: Path) -> Sqlite:
        """A table of three people."""
        path = folder / "people.db"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE IF EXISTS people")
            connection.execute("CREATE TABLE people (name TEXT, age INTEGER, size REAL)")
            connection.executemany(
                "INSERT INTO people VALUES (?, ?, ?)", [("Ada", 36, 1.7), ("Bo", None, 2), ("", 5, 1)]
            )
        return cls(url=f"sqlite:///{path}", query="people")

    @property
    def path(self) -> Path:
        """The database's file."""
        text = self.url.split("?", 1)[0]
        if text.startswith("sqlite:"):
            text = text.removeprefix("sqlite:").removeprefix("///").removeprefix("//")
        if not text or text == ":memory:":
            raise TreadleError("no file is named", where=self.url, expected="such as sqlite:///data.db")
        return Path(self.folder or ".") / text

    def files(self) -> dict[str, Path]:
        """The database, and what was written to it but not yet moved into it."""
        path = local_file(str(self.path))
        beside = path.with_name(path.name + "-wal")
        found = {path.name: path}
        if beside.is_file() and beside.stat().st_size:
            found[beside.name] = beside
        return found

    def fingerprint(self) -> str:
        """The hash of the database's bytes."""
        return hash_content({name: hash_file(path) for name, path in self.files().items()})

    def scan(self) -> pl.LazyFrame:
        """The rows of the query."""
        with self._opened() as connection:
            text = self._statement(connection)
            names = check_names([item[0] for item in connection.execute(text).description])
            schema = _types(connection, text, names)

        def batches(columns: list[str] | None) -> Iterator[pl.DataFrame]:
            with self._opened() as connection:
                cursor = connection.execute(text)
                while rows := cursor.fetchmany(ROWS):
                    yield frame_of(rows, schema)

        return lazily(schema, batches)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        path = local_file(str(self.path))
        connection = None
        try:
            connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=30,
                                         check_same_thread=False)  # fmt: skip
            yield connection
        except sqlite3.DatabaseError as error:
            raise _explained(error, path, connection) from None
        finally:
            if connection is not None:
                connection.close()

    def _statement(self, connection: sqlite3.Connection) -> str:
        return statement(self.query, _tables(connection), self.path.name)


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    return [str(row[0]) for row in rows if not str(row[0]).startswith("sqlite_")]


def _types(connection: sqlite3.Connection, text: str, names: list[str]) -> dict[str, Any]:
    """The type of every column, from the types of all its values: one pass over the rows inside SQLite."""
    import polars as pl

    found: dict[str, Any] = {}
    for start in range(0, len(names), COLUMNS):
        part = names[start : start + COLUMNS]
        asked = []
        for name in part:
            quoted = '"' + name.replace('"', '""') + '"'
            asked += [f"max(typeof({quoted}) = '{kind}')" for kind in ("integer", "real", "text", "blob")]
        query = f"SELECT {', '.join(asked)} FROM ({text})"  # noqa: S608 (the user's own query)
        flags = connection.execute(query).fetchone()
        for position, name in enumerate(part):
            whole, real, words, blob = flags[4 * position : 4 * position + 4]
            if blob:
                raise TreadleError("holds binary values", where=f"column {name!r}", expected="numbers and text",
                                   remedy="name the columns in the query, without this one")  # fmt: skip
            found[name] = pl.String if words or not (whole or real) else pl.Float64 if real else pl.Int64
    return found


def _explained(error: sqlite3.DatabaseError, path: Path, connection: sqlite3.Connection | None) -> TreadleError:
    message = str(error)
    if "no such table" in message and connection is not None:
        name = message.rsplit(" ", 1)[-1].removeprefix("main.")
        known = _tables(connection)
        return TreadleError(f"there is no table {name!r}{did_you_mean(name, known)}", where="data.query",
                            expected=f"one of {listing(known)}")  # fmt: skip
    if "not a database" in message or "malformed" in message:
        return TreadleError(f"this is not a whole SQLite database ({message})", where=path.name)
    if "locked" in message:
        return TreadleError("another process holds the database", where=path.name, remedy="wait for it to end")
    return TreadleError(f"the query fails: {message}", where="data.query")


COMPONENT = Sqlite
