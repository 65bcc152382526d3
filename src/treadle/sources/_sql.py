"""What the databases share: which statement is run, and rows as frames."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError, listing

if TYPE_CHECKING:
    import polars as pl

ROWS = 20_000
TABLE = re.compile(r'(?:[^\W\d]\w*|"[^"]+")(?:\.(?:[^\W\d]\w*|"[^"]+"))?')
COMMENT = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)


def statement(query: str | None, tables: Iterable[str], where: str) -> str:
    """The SELECT to run: ``query`` itself, or all of the table that it names."""
    if query is None or not query.strip():
        raise TreadleError(
            "a database needs a query or the name of a table", where="data.query",
            expected=f"a SELECT, or one of the tables of {where}: {listing(tables)}",
        )  # fmt: skip
    text = query.strip().rstrip(";").rstrip()
    if TABLE.fullmatch(text):
        parts = [part.strip('"') for part in re.findall(r'"[^"]+"|[^."]+', text)]
        return "SELECT * FROM " + ".".join(f'"{part}"' for part in parts)  # noqa: S608 (the user's own table)
    if not COMMENT.sub("", text).lower().startswith(("select", "with", "values", "table", "(")):
        raise TreadleError("the query does not read", where="data.query", expected="one SELECT statement",
                           remedy="Treadle opens databases read-only")  # fmt: skip
    return text


def check_names(names: Sequence[str]) -> list[str]:
    """The columns of the result, each of which must have a name of its own."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise TreadleError(f"the query names the column {name!r} twice", where="data.query",
                               remedy=f"give one of them another name: {name} AS other_name")  # fmt: skip
    return list(names)


def frame_of(rows: Sequence[Sequence[Any]], schema: dict[str, Any]) -> pl.DataFrame:
    """Rows of Python values as a frame of these types; what has no type of its own becomes text."""
    import polars as pl

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    series = []
    for (name, dtype), values in zip(schema.items(), columns, strict=True):
        if dtype == pl.String:
            values = tuple(None if value is None else as_text(value) for value in values)
        elif dtype == pl.Float64:
            values = tuple(None if value is None else float(value) for value in values)
        series.append(pl.Series(name, values, dtype=dtype))
    return pl.DataFrame(series)


def as_text(value: Any) -> str:
    """Any value that a driver returns, as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return str(value)
