"""JSON: one object a line (``.jsonl``, ``.ndjson``), or one list of objects (``.json``)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.types import SourceTags
from treadle.core.values import MISSING
from treadle.sources._files import LocalFile, ends_with, head_of, lazily, local_file, opened, reading

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".jsonl", ".ndjson", ".json")
CHUNK = 8 * 1024 * 1024
LONGEST = 64 * 1024 * 1024
LARGEST_LIST = 2 * 1024**3


class Jsonl(LocalFile):
    """JSON objects, one a line, or in one list; the columns are the keys of all of them.

    Values are handed on as text (lists and objects as their JSON text). A list is held in memory, up to 2 GiB of it;
    lines are read in pieces of 8 MiB.
    """

    tags = SourceTags(whole=True)

    def __init__(self, *, url: str) -> None:
        self.url = url

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the file's ending."""
        return ends_with(url, ENDINGS)

    @classmethod
    def example(cls, folder: Path) -> Jsonl:
        """A small file whose objects do not all have the same keys."""
        path = folder / "people.jsonl"
        path.write_text('{"name": "Ada", "age": 36}\n\n{"name": "Bo", "tags": ["x", "y"]}\n', encoding="utf-8")
        return cls(url=str(path))

    def scan(self) -> pl.LazyFrame:
        """The objects as rows of text."""
        import polars as pl

        path = local_file(self.url)
        head, _ = head_of(path, 4096)
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if not start:
            raise TreadleError("the file is empty", where=path.name, expected="at least one JSON object")
        if start == b"[":
            return _listed(path).lazy()
        names: dict[str, Any] = {}
        for line, chunk in _chunks(path):
            names.update(dict.fromkeys(_keys(path, line, chunk), pl.String))
        if not names:
            raise TreadleError("the objects are empty", where=path.name, expected="at least one key")

        def batches(columns: list[str] | None) -> Iterator[pl.DataFrame]:
            wanted = names if columns is None else {name: names[name] for name in columns}
            for line, chunk in _chunks(path):
                yield _cleaned(_frame(path, line, chunk, wanted))

        return lazily(names, batches)

    def place(self, row: int) -> str:
        """File and line of a row."""
        path = local_file(self.url)
        seen = -1
        for first, chunk in _chunks(path):
            for offset, text in enumerate(chunk.split(b"\n")):
                seen += bool(text.strip())
                if seen == row:
                    return f"{path.name}:{first + offset}"
        return path.name


def _chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines in pieces of about 8 MiB, each with the number of its first line."""
    line, left = 1, b""
    with opened(path) as stream, reading(path):
        while part := bytes(stream.read(CHUNK)):
            if line == 1 and not left:
                part = part.removeprefix(b"\xef\xbb\xbf")
            cut = part.rfind(b"\n") + 1
            if not cut:
                left += part
                if len(left) > LONGEST:
                    raise TreadleError(f"the line is longer than {LONGEST:,} bytes", where=f"{path.name}:{line}")
                continue
            piece = left + part[:cut]
            yield line, piece
            line += piece.count(b"\n")
            left = part[cut:]
    if left.strip():
        yield line, left


def _keys(path: Path, line: int, chunk: bytes) -> list[str]:
    import polars as pl

    if not chunk.strip():
        return []
    try:
        return pl.read_ndjson(io.BytesIO(chunk), infer_schema_length=None).columns
    except (pl.exceptions.PolarsError, ValueError):
        found: dict[str, None] = {}
        for item in _objects(path, line, chunk):
            found.update(dict.fromkeys(item))
        return list(found)


def _frame(path: Path, line: int, chunk: bytes, names: dict[str, Any]) -> pl.DataFrame:
    import polars as pl

    if not chunk.strip():
        return pl.DataFrame(schema=names)
    try:
        return pl.read_ndjson(io.BytesIO(chunk), schema=names)
    except (pl.exceptions.PolarsError, ValueError):
        return _tabled(list(_objects(path, line, chunk)), names)


def _objects(path: Path, line: int, chunk: bytes) -> Iterator[dict[str, Any]]:
    """The same by Python's own reader, which can say where a mistake is."""
    for offset, text in enumerate(chunk.split(b"\n")):
        if not text.strip():
            continue
        where = f"{path.name}:{line + offset}"
        try:
            item = json.loads(text)
        except UnicodeDecodeError:
            raise TreadleError("the line is not UTF-8 text", where=where, remedy="save the file as UTF-8") from None
        except (ValueError, RecursionError) as error:
            column = f":{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            problem = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
            raise TreadleError(
                f"not valid JSON ({problem})", where=where + column, expected="one object a line"
            ) from None
        if not isinstance(item, dict):
            raise TreadleError(f"holds a {type(item).__name__}", where=where, expected="one object a line")
        yield item


def _listed(path: Path) -> pl.DataFrame:
    """A file that is one list."""
    import polars as pl

    with opened(path) as stream, reading(path):
        data = bytes(stream.read(LARGEST_LIST + 1))
    if len(data) > LARGEST_LIST:
        raise TreadleError(f"the list is longer than {LARGEST_LIST:,} bytes", where=path.name,
                           expected="at most that", remedy="write one object a line, as .jsonl")  # fmt: skip
    try:
        items = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise TreadleError("the file is not UTF-8 text", where=path.name, remedy="save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise TreadleError(f"not valid JSON ({error.msg})", where=f"{path.name}:{error.lineno}:{error.colno}") from None
    except RecursionError:
        raise TreadleError("the JSON is too deep", where=path.name) from None
    wrong = next((number for number, item in enumerate(items, 1) if not isinstance(item, dict)), None)
    if wrong is not None or not items:
        problem = f"item {wrong} of the list is no object" if wrong else "the list is empty"
        raise TreadleError(problem, where=path.name, expected="a list of objects")
    names = {str(key): pl.String for item in items for key in item}
    return _cleaned(_tabled(items, names))


def _tabled(items: list[dict[str, Any]], names: dict[str, Any]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame({name: [_text(item.get(name)) for item in items] for name in names}, schema=names)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _cleaned(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    text = pl.all().str.strip_chars()
    return frame.with_columns(pl.when(text.is_in(MISSING)).then(None).otherwise(text).name.keep())


COMPONENT = Jsonl
