"""Separated text: ``.csv``, ``.tsv``, ``.txt``, plain or packed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.errors import TreadleError
from treadle.core.options import Doc
from treadle.core.types import Inference, SourceTags
from treadle.core.values import MISSING
from treadle.sources._dialect import Dialect, dialect_of
from treadle.sources._files import LocalFile, ends_with, head_of, lazily, local_file, opened, reading

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data")
BLOCK = 4 * 1024 * 1024
LONGEST = 32 * 1024 * 1024
PYTHON_ROWS = 20_000


class Csv(LocalFile):
    """Separated text files, read as text in blocks; how they are written is inferred from their first megabytes.

    Values lose the blanks around them; the usual words for nothing (``NA``, ``?``, ...) become missing. Quotes are
    those of RFC 4180; a quoted value may hold separators and line ends. Every line must have as many values as the
    header has names.
    """

    tags = SourceTags(whole=True)

    def __init__(
        self,
        *,
        url: str,
        separator: Annotated[str | None, Doc("one character between two values; inferred when not given")] = None,
        header: Annotated[bool | None, Doc("whether the first line names the columns; inferred")] = None,
        encoding: Annotated[str | None, Doc("such as utf-8, utf-16, cp1252, latin-1; inferred")] = None,
        missing: Annotated[tuple[str, ...], Doc("words that stand for nothing, besides the usual ones")] = (),
    ) -> None:
        self.url = url
        self.separator = separator
        self.header = header
        self.encoding = encoding
        self.missing = missing
        self._known: Dialect | None = None

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the file's ending."""
        return ends_with(url, ENDINGS)

    @classmethod
    def example(cls, folder: Path) -> Csv:
        """A small file with a quoted separator, a blank and a missing value."""
        path = folder / "people.csv"
        path.write_text('name,age,city\n"Borg, Ada",36, Oslo\nBo,NA,Rome\nCy,54,Lima\n', encoding="utf-8")
        return cls(url=str(path))

    def scan(self) -> pl.LazyFrame:
        """The rows as text, read in blocks as they are asked for."""
        import polars as pl

        path = local_file(self.url)
        dialect = self._dialect(path)
        return lazily(dict.fromkeys(dialect.names, pl.String), lambda columns: self._batches(path, dialect, columns))

    def inferred(self) -> list[Inference]:
        """Separator, encoding and header, with the reasons."""
        return list(self._dialect(local_file(self.url)).inferred)

    def place(self, row: int) -> str:
        """File and line of a row, counted as the file's lines are (from 1)."""
        path = local_file(self.url)
        dialect = self._dialect(path)
        with opened(path) as stream:
            for number, line, _ in _records(stream, dialect):
                if number == row + dialect.header:
                    return f"{path.name}:{line}"
        return path.name

    def _dialect(self, path: Path) -> Dialect:
        if self.separator is not None and len(self.separator) != 1:
            raise TreadleError(f"got {self.separator!r}", where="data.options.separator", expected="one character")
        if self._known is not None:
            return self._known
        head, whole = head_of(path)
        separator = "\t" if self.separator is None and ends_with(self.url, (".tsv", ".tab")) else self.separator
        self._known = dialect_of(
            head, whole, path.name, encoding=self.encoding, separator=separator, header=self.header
        )
        return self._known

    def _batches(self, path: Path, dialect: Dialect, columns: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        frames = _python_frames(path, dialect) if dialect.spaced else self._arrow_frames(path, dialect, columns)
        missing = [*MISSING, *self.missing]
        commas = {dialect.names[i] for i in dialect.commas}
        for frame in frames:
            yield frame.with_columns(_clean(frame[name], missing, name in commas) for name in frame.columns)

    def _arrow_frames(self, path: Path, dialect: Dialect, columns: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        import polars as pl
        import pyarrow as pa
        import pyarrow.csv as arrow

        in_file = dialect.raw if dialect.header else tuple(f"f{i}" for i in range(len(dialect.names)))
        wanted = [raw for raw, name in zip(in_file, dialect.names, strict=True) if columns is None or name in columns]
        renamed = dict(zip(in_file, dialect.names, strict=True))
        reading_options = arrow.ReadOptions(
            block_size=BLOCK, autogenerate_column_names=not dialect.header, encoding=_codec(dialect.encoding)
        )
        parsing = arrow.ParseOptions(delimiter=dialect.separator, newlines_in_values=True)
        converting = arrow.ConvertOptions(
            column_types=dict.fromkeys(in_file, pa.string()),
            include_columns=wanted,
            null_values=[*MISSING, *self.missing],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        try:
            with opened(path) as stream, reading(path):
                for batch in arrow.open_csv(stream, reading_options, parsing, converting):
                    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
                    frame.columns = [renamed[raw] for raw in wanted]
                    yield frame
        except (pa.ArrowException, UnicodeError) as error:
            raise _explained(path, dialect, str(error)) from None


def _codec(encoding: str) -> str:
    return "utf8" if encoding.replace("_", "-").lower() in ("utf-8", "utf-8-sig", "utf8") else encoding


def _clean(column: pl.Series, missing: list[str], comma: bool) -> pl.Series:
    stripped = column.str.strip_chars()
    if (stripped.str.len_bytes() != column.str.len_bytes()).any():
        # What Arrow compared with the words for nothing had blanks around it.
        stripped = stripped.set(stripped.is_in(missing), None)
    if comma:
        number = stripped.str.contains(r"^[+-]?\d+,\d+$")
        stripped = stripped.zip_with(~number.fill_null(False), stripped.str.replace(",", ".", literal=True))
    return stripped


def _records(stream: Any, dialect: Dialect) -> Iterator[tuple[int, int, list[str]]]:
    """Position, first line (from 1) and values of every record; slow, for messages and odd dialects."""
    csv.field_size_limit(LONGEST)
    encoding = "utf-8-sig" if _codec(dialect.encoding) == "utf8" else dialect.encoding
    buffered: Any = stream if isinstance(stream, io.IOBase) else io.BufferedReader(_Raw(stream))
    text = io.TextIOWrapper(buffered, encoding=encoding, errors="strict", newline="")
    reader = csv.reader(text, delimiter=dialect.separator, skipinitialspace=dialect.spaced)
    line, number = 1, 0
    for row in reader:
        if row:
            yield number, line, row
            number += 1
        line = reader.line_num + 1


class _Raw(io.RawIOBase):
    """An Arrow stream as Python's text reader wants it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _python_frames(path: Path, dialect: Dialect) -> Iterator[pl.DataFrame]:
    import polars as pl

    schema = dict.fromkeys(dialect.names, pl.String)
    rows: list[list[str | None]] = []
    try:
        with opened(path) as stream:
            for number, line, row in _records(stream, dialect):
                if number == 0 and dialect.header:
                    continue
                if len(row) != len(dialect.names):
                    raise _ragged(path, line, len(row), len(dialect.names))
                rows.append([value if value.strip() not in MISSING else None for value in row])
                if len(rows) >= PYTHON_ROWS:
                    yield pl.DataFrame(rows, schema=schema, orient="row")
                    rows = []
    except (UnicodeError, csv.Error) as error:
        raise _explained(path, dialect, str(error)) from None
    yield pl.DataFrame(rows, schema=schema, orient="row")


def _ragged(path: Path, line: int, got: int, wanted: int) -> TreadleError:
    return TreadleError(
        f"the line has {got} value{'' if got == 1 else 's'}, the first line has {wanted}", where=f"{path.name}:{line}",
        expected=f"{wanted} values", remedy="mend the line; a value that holds the separator belongs in quotes",
    )  # fmt: skip


def _explained(path: Path, dialect: Dialect, message: str) -> TreadleError:
    """The error with its line: the file is read again, slowly, up to there."""
    line = 1
    try:
        with opened(path) as stream:
            for _, line, row in _records(stream, dialect):
                if len(row) != len(dialect.names):
                    return _ragged(path, line, len(row), len(dialect.names))
    except UnicodeError:
        return _not_text(path, dialect)
    except csv.Error:
        return TreadleError(
            f"a value is longer than {LONGEST:,} bytes", where=f"{path.name}:{line}",
            remedy="is the closing quote of a value missing?",
        )  # fmt: skip
    if "straddl" in message or "too long" in message:
        return TreadleError(
            f"a line is longer than {BLOCK:,} bytes", where=path.name, remedy="is the closing quote of a value missing?"
        )
    return TreadleError(f"cannot be read as separated text ({re.sub(chr(10), ' ', message)[:200]})", where=path.name)


def _not_text(path: Path, dialect: Dialect) -> TreadleError:
    line = 1
    if dialect.encoding.lower().startswith("utf-16"):
        return TreadleError(f"the bytes are not {dialect.encoding} text", where=path.name)
    with opened(path) as stream:
        left = b""
        while part := stream.read(BLOCK):
            *lines, left = (left + bytes(part)).split(b"\n")
            for item in lines:
                if not _decodes(item, dialect.encoding):
                    break
                line += 1
            else:
                continue
            break
    return TreadleError(
        f"the line is not {dialect.encoding} text", where=f"{path.name}:{line}",
        expected="one encoding in the whole file", remedy="mend the line, or name the encoding: "
        "`options: {encoding: cp1252}`",
    )  # fmt: skip


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


COMPONENT = Csv
